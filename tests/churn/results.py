#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""What a soak has seen: written as it goes, so that of one which is interrupted there is what was until then.

A folder has it as report.json, report.txt (tables) and, drawn from time to time, pictures.

usage: results.py FOLDER        draws what is in its report.json, and prints the tables
"""
import json
import statistics
import sys
from pathlib import Path

sys.dont_write_bytecode = True
TOP = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(Path(__file__).resolve().parent), str(TOP / "bench")]
import plot  # noqa: E402
from slope import BOUNDS, OTHERS, ROUNDS, leaks, line  # noqa: E402

JUDGED = 12         # samples from which on slopes are judged
LONGEST = 12        # lines of a failure that are shown of it


class Series:
    """Lines over the minutes of a run."""

    def __init__(self, name, title, unit, lines, lowest="0"):
        """lines: {legend: [(second, figure)]}; lowest: of the axis, * for what is in them."""
        self.name, self.title, self.unit, self.lowest = name, title, unit, lowest
        self.lines = {legend: points for legend, points in lines.items() if points}

    def script(self, terminal, suffix):
        text = [f"set terminal {terminal} size 900,480 font 'DejaVu Sans,11' background rgb 'white'",
                f'set output "{self.name}.{suffix}"']
        for i, points in enumerate(self.lines.values()):
            text += [f"$data{i} << END", *(f"{t / 60:.3f} {value:g}" for t, value in points), "END"]
        text += [f"set title {plot.quoted(self.title)}", f"set ylabel {plot.quoted(self.unit)}", "set xlabel 'minutes'",
                 f"set yrange [{self.lowest}:*]", "set key outside right top", "set grid", "set tics nomirror", "set border 3"]
        draws = [f"$data{i} with linespoints lw 2 pt 7 ps 0.4 lc rgb '{plot.COLOURS[i % len(plot.COLOURS)]}' title {plot.quoted(legend)}"
                 for i, legend in enumerate(self.lines)]
        return "\n".join([*text, "plot " + ", ".join(draws), ""])


def steady(samples):
    """Without the first quarter, in which desktops that have just come still grow."""
    return samples[len(samples) // 4:]


def last_line(text):
    return (text.strip().splitlines() or [""])[-1]


def last_lines(text):
    return "\n".join(text.strip().splitlines()[-LONGEST:])


class Results:
    """What is written down."""

    def __init__(self, desktops, asked_s):
        self.desktops, self.asked_s = desktops, asked_s
        self.seconds = self.drew_after_s = 0.0
        self.ended = None           # why, if not because the time was over; what did not end has not ended
        self.operations = []        # {"t", "what", "seconds", "again": how often it was tried again, "error"}
        self.samples = []           # {"t", figures of slope.py, "fps_of": {scanout: frames a second}, "grants", "quarantines", ...}
        self.frames = {}            # scanout: drawn in all
        self.before = {}            # figures, with nothing there yet
        self.after = {}             # and with nothing there any more

    @classmethod
    def read(cls, folder):
        data = json.loads((Path(folder) / "report.json").read_text())
        results = cls(data["desktops"], data["asked_s"])
        vars(results).update({name: data[name] for name in vars(results)})
        return results

    def failed(self):
        return [operation for operation in self.operations if operation["error"]]

    def leaks(self):
        return leaks(steady(self.samples), rounds=JUDGED)

    # --- as text ---

    def head(self):
        first, last = (self.samples[0], self.samples[-1]) if self.samples else ({}, {})

        def grown(name):
            return last.get(name, 0) - first.get(name, 0)
        again = sum(operation["again"] for operation in self.operations)
        rates = [rate for sample in self.samples for rate in sample["fps_of"].values()]
        lines = [f"{self.desktops} desktops, which all drew after {self.drew_after_s:.0f} s, for {self.seconds:.0f} s of {self.asked_s}",
                 f"{len(self.operations)} operations, {len(self.failed())} failed, {again} times something was late and asked for again",
                 f"{grown('grants')} leases granted, {grown('quarantines')} quarantines",
                 f"{sum(self.frames.values())} frames drawn; of one desktop a second, median {statistics.median(rates or [0]):.1f}"]
        if self.ended:
            lines.append(f"ended before its time: {self.ended}")
        return lines

    def done(self):
        kinds = {}
        for operation in self.operations:
            kinds.setdefault(operation["what"], []).append(operation)
        yield f"{'operation':34} {'times':>5} {'failed':>6} {'again':>5} {'median s':>8} {'most s':>8}"
        for what, done in sorted(kinds.items()):
            took = [operation["seconds"] for operation in done]
            yield (f"{what:34} {len(done):5} {sum(bool(o['error']) for o in done):6} {sum(o['again'] for o in done):5} "
                   f"{statistics.median(took):8.1f} {max(took):8.1f}")

    def figures(self):
        judged = {name: bad for name, *_, bad in self.leaks()}
        yield f"{'figure':18}" + "".join(f"{title:>10}" for title in ("before", "at first", "at last", "most", "after")) + "   slope a round"
        for name in (*BOUNDS, *OTHERS):
            values = [sample[name] for sample in self.samples if sample.get(name) is not None]
            if not values:
                continue
            shown = (self.before.get(name), values[0], values[-1], max(values), self.after.get(name))
            late = [sample[name] for sample in steady(self.samples) if sample.get(name) is not None]
            text = f"{name:18}" + "".join(f"{'-' if value is None else format(value, '.7g'):>10}" for value in shown)
            if len(late) >= ROUNDS:
                text += "{:+12.3f} ± {:.3f}".format(*line(late))
            if name in judged:
                text += f", bound {BOUNDS[name][0]:g}{': LEAKS' if judged[name] else ''}"
            yield text

    def text(self):
        lines = [*self.head(), "", *self.done()]
        if self.samples:
            lines += ["", *self.figures()]
            if len(steady(self.samples)) < JUDGED:
                lines.append(f"{len(self.samples)} samples, too few to judge slopes")
        for operation in self.failed():
            lines += ["", f"failed at {operation['t']} s: {operation['what']}: {last_lines(operation['error'])}"]
        return "\n".join(lines)

    # --- as files ---

    def write(self, folder):
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        slopes = [dict(zip(("figure", "slope", "error", "bound", "leaks"), row)) for row in self.leaks()]
        for name, text in (("report.json", json.dumps({**vars(self), "slopes": slopes}, indent=1)), ("report.txt", self.text())):
            new = folder / f"{name}.new"
            new.write_text(text + "\n")
            new.rename(folder / name)   # whoever looks, or ends this, finds the whole of one

    def draw(self, folder):
        def over(name, factor=1.0):
            return [(s["t"], s[name] * factor) for s in self.samples if s.get(name) is not None]
        def grown(*names):
            return {name: [(t, value - over(name)[0][1]) for t, value in over(name)] for name in names}
        rates = [(s["t"], s["fps_of"].values()) for s in self.samples if s["fps_of"]]
        failed = [(0, 0)]
        for operation in self.operations:
            failed.append((operation["t"] + operation["seconds"], failed[-1][1] + bool(operation["error"])))
        if not self.samples:
            return []
        return plot.draw([picture for picture in (
            Series("frames", "Frames a second of a desktop, as the guest draws them", "frames/s",
                   {"fastest": [(t, max(fps)) for t, fps in rates], "median": [(t, statistics.median(fps)) for t, fps in rates],
                    "slowest": [(t, min(fps)) for t, fps in rates]}),
            Series("latency", "From the guest's flush to a whole frame at a viewer", "ms",
                   {q: over(f"latency_{q}_ms") for q in ("p50", "p95")}),
            Series("memory", "Memory", "MiB",
                   {"QEMU, of no guest": over("qemu_kib", 1 / 1024), "translated code": over("qemu_code_kib", 1 / 1024),
                    "GPU resources": over("gpu_kib", 1 / 1024), "exportd": over("exportd_kib", 1 / 1024),
                    "guest: shared": over("shmem_kib", 1 / 1024), "guest: slab": over("unreclaimable_kib", 1 / 1024)}),
            Series("objects", "What must not grow, next to the first sample", "more, or fewer",
                   grown("framebuffers", "clients", "resources", "contexts"), "*"),
            Series("descriptors", "Open descriptors, next to the first sample", "more, or fewer",
                   grown("broker_fds", "exportd_fds", "qemu_fds"), "*"),
            Series("grants", "Leases granted, operations that failed", "", {"granted": over("grants"), "failed": failed}),
        ) if picture.lines], folder)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        raise SystemExit(__doc__.strip().splitlines()[-1])
    seen = Results.read(sys.argv[1])
    seen.draw(sys.argv[1])
    print(seen.text())
