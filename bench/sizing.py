#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""The tables of the sizing section of Documentation/exportd.rst, of what `make bench` measured.

usage: sizing.py build/bench/results.json
"""
import json
import sys
from pathlib import Path

sys.dont_write_bytecode = True
sys.path.insert(0, str(Path(__file__).resolve().parent))
from plot import PARTS, counts, pick  # noqa: E402

SCENES = ("typing", "scrolling")
FPS = 30            # of a desktop that moves, in what is said of a core


def text(value, digits=0):
    return "-" if value is None else f"{value:.{digits}f}"


def table(head, lines):
    """A simple table of reStructuredText; the first column is to the left, figures to the right."""
    widths = [max(len(row[i]) for row in [head, *lines]) for i in range(len(head))]
    rule = "  ".join("=" * width for width in widths)

    def line(row):
        return "  ".join(cell.rjust(width) if i else cell.ljust(width) for i, (cell, width) in enumerate(zip(row, widths))).rstrip()
    return "\n".join([rule, line(head), rule, *map(line, lines), rule, ""])


def costs(rows):
    lines = []
    for scene in SCENES:
        for n in counts(rows, figure="fps", scene=scene):
            of = {"scene": scene, "desktops": n}
            ms = [pick(rows, figure="cost", who=who, **of) for who in ("exportd", "qemu")]
            lines.append([f"{n} {scene}", text(pick(rows, "baseline", figure="fps", **of)), text(pick(rows, figure="fps", **of)),
                          *(text(figure, 1) for figure in ms), text(pick(rows, figure="kbit", **of)),
                          text(1000 / FPS / ms[0] if ms[0] else None), text(1000 / FPS / sum(ms), 1) if all(ms) else "-"])
    return table(["desktops", "drawn/s", "at viewer/s", "exportd ms", "QEMU ms", "kbit/s", "per core", "with QEMU"], lines)


def latencies(rows):
    lines = []
    for n in counts(rows, figure="latency"):
        def part(name, quantile="p50"):
            return text(pick(rows, figure="latency", part=name, quantile=quantile, desktops=n))
        lines.append([str(n), *map(part, PARTS), *(part("total", quantile) for quantile in ("p50", "p95", "p99"))])
    return table(["moving", *PARTS, "p50", "p95", "p99"], lines)


def idle(rows):
    lines = [["no exportd", "-", *(text(pick(rows, "baseline", figure="idle", state="unwatched", who=who), 1) for who in ("qemu", "guest"))]]
    for state in ("unwatched", "watched"):
        lines.append([state, *(text(pick(rows, figure="idle", state=state, who=who), 2 if who == "exportd" else 1)
                               for who in ("exportd", "qemu", "guest"))])
    return table(["15 still desktops", "exportd %", "QEMU %", "guest %"], lines)


def vnc(rows):
    lines = []
    whats = (("fps", 0), ("kbyte_per_frame", 2), ("ms_per_frame", 2))
    for scene in SCENES:
        if not counts(rows, figure="vnc", scene=scene):
            continue
        lines.append([f"{scene}: exportd", *(text(pick(rows, figure="vnc", scene=scene, what=what), digits) for what, digits in whats)])
        for codec in ("lossless", "jpeg"):
            lines.append([f"{scene}: VNC, {codec}", *(text(pick(rows, "baseline", figure="vnc", scene=scene, what=what, codec=codec), digits)
                                                      for what, digits in whats)])
    return table(["4 desktops", "frames/s", "kB a frame", "ms of CPU a frame"], lines)


if __name__ == "__main__":
    measured = json.loads(Path(sys.argv[1]).read_text())
    of_streams = [row for row in measured if row.get("of")]
    loads = [load for row in of_streams for load in row["load"]]
    print(f"{of_streams[0]['machine']}; load {min(loads)} to {max(loads)}; commit {of_streams[0]['commit'][:12]}\n")
    print("\n".join(make(of_streams) for make in (idle, costs, latencies, vnc)))
