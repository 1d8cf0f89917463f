#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""Draws what `make bench` measured of the streams, with gnuplot: a PNG and an SVG of each
picture whose figures are there.

usage: plot.py RESULTS.json FOLDER
"""
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

SECONDS = 120       # for gnuplot, which needs a few
COLOURS = ("#4477aa", "#ee6677", "#228833", "#ccbb44", "#66ccee", "#aa3377")
GREYS = ("#000000", "#666666", "#aaaaaa")
PARTS = ("capture", "encode", "send", "network", "decode", "paint")
VNC = {"fps": "frames/s", "kbyte_per_frame": "kB a frame", "ms_per_frame": "ms of CPU a frame"}


def pick(rows, key="value", **wanted):
    """The figure of the row that is `of` this; None if there is none."""
    for row in rows:
        if wanted.items() <= row.get("of", {}).items():
            return row.get(key)
    return None


def counts(rows, **wanted):
    return sorted({row["of"]["desktops"] for row in rows if wanted.items() <= row.get("of", {}).items()})


class Chart:
    """Columns of figures over a row of names."""

    def __init__(self, name, title, unit, names, columns, stacked=False, lines=()):
        """columns: {legend: [a figure or None for each name]}; of them `lines` are drawn as such."""
        self.name, self.title, self.unit, self.names = name, title, unit, names
        self.columns = {legend: figures for legend, figures in columns.items() if any(f is not None for f in figures)}
        self.stacked, self.lines = stacked, lines

    def script(self, terminal, suffix):
        data = ["$data << END"]
        for i, name in enumerate(self.names):
            figures = [column[i] for column in self.columns.values()]
            data.append(" ".join([quoted(name), *("NaN" if figure is None else f"{figure:g}" for figure in figures)]))
        data.append("END")
        draws = []
        for i, legend in enumerate(self.columns):
            colour = GREYS[self.lines.index(legend)] if legend in self.lines else COLOURS[i]
            style = "linespoints lw 2 pt 7" if legend in self.lines else "histograms"
            using = f"{i + 2}" if legend in self.lines else f"{i + 2}:xtic(1)"
            draws.append(f"$data using {using} with {style} lc rgb '{colour}' title {quoted(legend)}")
        return "\n".join([
            f"set terminal {terminal} size 900,480 font 'DejaVu Sans,11' background rgb 'white'",
            f'set output "{self.name}.{suffix}"', *data,
            f"set title {quoted(self.title)}", f"set ylabel {quoted(self.unit)}", "set yrange [0:*]",
            "set style data histograms", f"set style histogram {'rowstacked' if self.stacked else 'clustered gap 1'}",
            "set style fill solid 0.9 noborder", "set boxwidth 0.85", "set key outside right top", "set grid ytics",
            "set tics nomirror", "set border 3", "plot " + ", ".join(draws), ""])


def quoted(text):
    """As gnuplot takes it: without what it would take for markup."""
    return '"' + re.sub(r'[\\"{}_^@&~`]', " ", text).replace("\n", "\\n") + '"'


def charts(rows):
    where = rows[0].get("machine", "") if rows else ""
    found = []
    for scene in ("typing", "scrolling"):
        numbers = counts(rows, figure="fps", scene=scene)
        names = [f"{n} moving" for n in numbers]
        found.append(Chart(
            f"fps-{scene}", f"Frames a second of all desktops, {scene}\n{where}", "frames/s", names,
            {"drawn by the guest": [pick(rows, "baseline", figure="fps", scene=scene, desktops=n) for n in numbers],
             "at the viewer": [pick(rows, figure="fps", scene=scene, desktops=n) for n in numbers]}))
        found.append(Chart(
            f"cpu-{scene}", f"CPU, {scene}\n{where}", "% of one CPU", names,
            {label: [pick(rows, figure="cpu", scene=scene, desktops=n, who=who) for n in numbers]
             for who, label in (("exportd", "helix-exportd"), ("qemu", "QEMU without the guest"), ("guest", "the guest's CPUs"))},
            stacked=True))
    numbers = counts(rows, figure="latency")
    parts = {part: [pick(rows, figure="latency", part=part, quantile="p50", desktops=n) for n in numbers] for part in PARTS}
    total = {f"flush to paint, {q}": [pick(rows, figure="latency", part="total", quantile=q, desktops=n) for n in numbers]
             for q in ("p50", "p95", "p99")}
    found.append(Chart("latency", f"From the guest's flush to the paint in Chromium: the parts' medians, and the whole\n{where}", "ms",
                       [f"{n} moving" for n in numbers], parts | total, stacked=True, lines=tuple(total)))
    idle = {"alone": "no exportd", "unwatched": "not watched", "watched": "watched"}
    found.append(Chart(
        "idle", f"CPU of desktops that stand still\n{where}", "% of one CPU", list(idle.values()),
        {label: [pick(rows, "baseline", figure="idle", state="unwatched", who=who) if state == "alone" else
                 pick(rows, figure="idle", state=state, who=who) for state in idle]
         for who, label in (("exportd", "helix-exportd"), ("qemu", "QEMU without the guest"), ("guest", "the guest's CPUs"))},
        stacked=True))
    for what, unit in VNC.items():
        scenes = [scene for scene in ("typing", "scrolling") if counts(rows, figure="vnc", what=what, scene=scene)]
        found.append(Chart(
            f"vnc-{what.replace('_', '-')}", f"Next to QEMU's own VNC server\n{where}", unit, scenes,
            {"helix-exportd": [pick(rows, figure="vnc", what=what, scene=scene) for scene in scenes]} |
            {f"VNC, {codec}": [pick(rows, "baseline", figure="vnc", what=what, scene=scene, codec=codec) for scene in scenes]
             for codec in ("lossless", "jpeg")}))
    return found


def draw(pictures, folder):
    """Each, which has a name and a script(terminal, suffix), as PNG and SVG; the paths. Where there is no gnuplot, nothing."""
    scripts = {f"{picture.name}.{suffix}": picture.script(terminal, suffix)
               for picture in pictures for suffix, terminal in (("png", "pngcairo"), ("svg", "svg"))}
    if not scripts or not shutil.which("gnuplot"):
        return []
    done = subprocess.run(["gnuplot"], input="reset\n".join(scripts.values()).encode(), capture_output=True, timeout=SECONDS, cwd=folder)
    missing = [name for name in scripts if not (Path(folder) / name).exists()]
    if done.returncode or missing:
        raise RuntimeError(f"gnuplot did not draw {missing}: {done.stderr[-800:].decode(errors='replace')}")
    return [Path(folder) / name for name in scripts]


def plot(rows, folder):
    """Draws everything there are figures for; the paths."""
    return draw([chart for chart in charts(rows) if chart.columns], folder)


if __name__ == "__main__":
    for drawn in plot(json.loads(Path(sys.argv[1]).read_text()), sys.argv[2]):
        print(drawn)
