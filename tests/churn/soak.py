# SPDX-License-Identifier: GPL-2.0-only
"""Desktops under load that come and go, are resized, killed and started again, for as long as is asked for.

What was seen meanwhile goes into a folder as report.json, report.txt (a table) and pictures.
"""
import json
import statistics
import sys
import time
import traceback
from pathlib import Path

from cases import CASES, blows
from fleet import HANG, SCANOUTS, TOP, Desk, check
from slope import BOUNDS, leaks, table

sys.path.append(str(TOP / "bench"))
import plot  # noqa: E402

JUDGED = 24         # samples from which on slopes are judged: before, desktops that have just come grow
WINDOW = 10         # seconds that a viewer measures before it reports, and the next one comes
AT_ONCE = 3         # desktops that are started at once at the beginning
SIZES = ("640x480", "800x600", "720x400", "1024x576")


def say(text):
    print("\n".join(f"# {line}".rstrip() for line in text.splitlines()), flush=True)


class Series:
    """Lines over the minutes of a run."""

    def __init__(self, name, title, unit, lines):
        """lines: {legend: [(second, figure)]}"""
        self.name, self.title, self.unit = name, title, unit
        self.lines = {legend: points for legend, points in lines.items() if points}

    def script(self, terminal, suffix):
        text = [f"set terminal {terminal} size 900,480 font 'DejaVu Sans,11' background rgb 'white'",
                f'set output "{self.name}.{suffix}"']
        for i, points in enumerate(self.lines.values()):
            text += [f"$data{i} << END", *(f"{t / 60:.3f} {value:g}" for t, value in points), "END"]
        text += [f"set title {plot.quoted(self.title)}", f"set ylabel {plot.quoted(self.unit)}", "set xlabel 'minutes'",
                 "set yrange [0:*]", "set key outside right top", "set grid", "set tics nomirror", "set border 3"]
        draws = [f"$data{i} with linespoints lw 2 pt 7 ps 0.4 lc rgb '{plot.COLOURS[i % len(plot.COLOURS)]}' title {plot.quoted(legend)}"
                 for i, legend in enumerate(self.lines)]
        return "\n".join([*text, "plot " + ", ".join(draws), ""])


class Soak:
    def __init__(self, fleet, rng, desktops, seconds, folder):
        self.fleet, self.rng, self.desktops, self.seconds = fleet, rng, desktops, seconds
        self.folder = Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.operations, self.samples, self.latencies = [], [], []
        self.frames = dict.fromkeys(range(1, SCANOUTS + 1), 0)
        self.grants = 0
        self.last = None
        self.measuring = None
        self.begun = None

    def now(self):
        return time.monotonic() - self.begun

    # --- what is done to them ---

    def some(self):
        return self.rng.choice(list(self.fleet.desks.values()))

    def end(self, desk, how):
        """One desktop is no more, in one of the ways in which that happens."""
        fleet = self.fleet
        if how == "kill":
            fleet.check(f"kill -KILL {fleet.owner(desk)}")
        else:
            fleet.check(f"podman {how} {desk.name}")
        del fleet.desks[desk.scanout]
        fleet.remove(desk)

    def restart(self):
        """One ends and another comes"""
        self.end(self.some(), self.rng.choice(("kill", "kill", "rm --force --time 0", "stop --time 2")))
        self.fill()

    def fill(self):
        """As many as there are to be."""
        fleet = self.fleet
        while len(fleet.desks) < self.desktops:
            new = [Desk("weston") for _ in range(min(AT_ONCE, self.desktops - len(fleet.desks)))]
            fleet.launch(*new)
            fleet.drawing(*new)

    def resize(self):
        """One gets another size"""
        desk, size = self.some(), self.rng.choice(SIZES)
        before = self.fleet.look().flips[desk.scanout]
        self.fleet.check(f"helixctl resize --timeout 100 {desk.scanout} {size}")
        self.fleet.wait(lambda: self.fleet.look().flips[desk.scanout] > before + 2, f"{desk.name} draws in {size}")

    def viewer(self):
        """A viewer comes, or the oldest goes, by itself or killed"""
        alive = [v for v in self.fleet.viewers if v is not self.measuring]
        if len(alive) < 2:
            self.fleet.watch(1)
        elif self.rng.random() < 0.5:
            alive[0].process.kill()
            alive[0].process.wait()
            self.fleet.viewers.remove(alive[0])
        else:
            alive[0].stop()
            self.fleet.viewers.remove(alive[0])

    def blow(self):
        """One or two cases of the matrix, at once"""
        cases = self.rng.sample(CASES, self.rng.choice((1, 1, 2)))
        needs = sum(case.kind is not None for case in cases)
        while SCANOUTS - len(self.fleet.desks) < needs:
            self.end(self.some(), "kill")
        try:
            blows(self.fleet, self.rng, cases)
        finally:
            self.done = " + ".join(case.__name__ for case in cases)
        self.fill()

    def operate(self):
        """One of them, which is to succeed; then the books are looked at."""
        kind = self.rng.choices((self.restart, self.resize, self.viewer, self.blow), (4, 2, 2, 3))[0]
        begun, self.done, error = self.now(), kind.__name__, None
        try:
            kind()
            if kind != self.blow:           # which looks itself
                self.fleet.others_go_on()
                self.fleet.accounted()
        except Exception as failure:        # the run goes on, and fails at its end
            error = str(failure) if isinstance(failure, AssertionError) else traceback.format_exc()
        seconds = self.now() - begun
        # Of an hour people want to see how far it is, and of one that is interrupted what was.
        say(f"{begun:.0f} s: {self.done}: {seconds:.0f} s{f', failed: {error}' if error else ''}")
        self.operations.append({"t": round(begun, 1), "what": self.done, "seconds": round(seconds, 1), "error": error})
        if error:
            self.recover()

    def recover(self):
        """After a failure: what is not as it should be is ended, so that the next operation has a beginning."""
        fleet = self.fleet
        names = {desk.name for desk in fleet.desks.values()}
        rows = fleet.scanouts()
        for n, desk in list(fleet.desks.items()):
            if (rows[n]["state"], rows[n]["label"]) != ("leased", desk.name):
                del fleet.desks[n]
                names.discard(desk.name)
        for name in fleet.check("podman ps --all --format '{{.Names}}'").split():
            if name not in names:
                fleet.agent.run(f"podman rm --force --time 0 {name}", HANG)
        self.fill()

    # --- what is seen ---

    def sample(self):
        look, counted = self.fleet.look(), self.fleet.count()
        now, grants = self.now(), sum(row["grants"] for row in look.scanouts.values())
        rates = {}
        if self.last:
            then, flips, _ = self.last
            for n in look.flips:
                new = look.flips[n] - flips.get(n, 0)
                self.frames[n] += max(new, 0)
                if n in self.fleet.desks:
                    rates[n] = new / (now - then)
            self.grants += grants - self.last[2]
        self.last = now, look.flips, grants
        self.samples.append({"t": round(now, 1), **counted, "grants": self.grants, "desktops": len(self.fleet.desks),
                             "quarantines": sum(row["quarantines"] for row in look.scanouts.values()),
                             "fps": {n: round(rate, 2) for n, rate in rates.items()}})
        self.measure()

    def measure(self):
        """One viewer after the other says what it saw, which is their frames' age."""
        viewer = self.measuring
        if viewer and not viewer.done():
            return
        if viewer:
            if viewer in self.fleet.viewers:
                self.fleet.viewers.remove(viewer)
            rows = [row for row in viewer.report()["desktops"] if row.get("latency_ms") and row["latency_ms"]["p50"] is not None]
            if rows:
                self.latencies.append({"t": round(self.now(), 1), **{q: statistics.median(row["latency_ms"][q] for row in rows)
                                                                    for q in ("p50", "p95", "p99")}})
        self.measuring = self.fleet.watch(1, WINDOW)

    def run(self):
        self.begun = time.monotonic()
        self.fill()
        self.fleet.watch(self.desktops)
        self.sample()
        say(f"{self.desktops} desktops draw after {self.now():.0f} s")
        # As long as is asked for, once everything is there.
        self.begun = time.monotonic()
        self.samples, self.last = [], None
        self.sample()
        while self.now() < self.seconds:
            self.operate()
            self.sample()
        self.fleet.others_go_on()
        self.fleet.accounted()
        self.fleet.nobody_stuck()
        failed = [operation for operation in self.operations if operation["error"]]
        say(self.report(failed))
        check(not failed, f"{len(failed)} of {len(self.operations)} operations failed: "
              + "; ".join(f"{o['what']} at {o['t']} s: {o['error'].strip().splitlines()[-1]}" for o in failed[:5]))
        bad = [row for row in leaks(self.samples, rounds=JUDGED) if row[-1]]
        check(not bad, table(bad))

    def report(self, failed):
        kinds = {}
        for operation in self.operations:
            kinds.setdefault(operation["what"], []).append(operation)
        shown = [rate for sample in self.samples for rate in sample["fps"].values()]
        first, last = self.samples[0], self.samples[-1]
        lines = [f"{self.desktops} desktops for {self.now():.0f} s: {len(self.operations)} operations, {len(failed)} failed, "
                 f"{self.grants} leases granted, {last['quarantines'] - first['quarantines']} quarantines",
                 f"frames drawn {sum(self.frames.values())}; of one desktop a second, median {statistics.median(shown or [0]):.1f}"]
        if self.latencies:
            lines.append("latency of frames at viewers, ms, medians: " + ", ".join(
                f"{q} {statistics.median(row[q] for row in self.latencies):.0f}" for q in ("p50", "p95", "p99")))
        lines += ["", f"{'operation':34} {'times':>5} {'failed':>6} {'seconds, median':>16}"]
        for what, done in sorted(kinds.items()):
            lines.append(f"{what:34} {len(done):5} {sum(bool(o['error']) for o in done):6} {statistics.median(o['seconds'] for o in done):16.1f}")
        lines += ["", f"{'figure':18} {'at first':>10} {'at last':>10} {'most':>10}"]
        for name in (*BOUNDS, "available_kib", "unreclaimable_kib", "broker_kib", "exportd_kib", "qemu_kib"):
            values = [sample[name] for sample in self.samples if sample[name] is not None]
            lines.append(f"{name:18} {values[0]:10} {values[-1]:10} {max(values):10}")
        slopes = leaks(self.samples, rounds=JUDGED)
        lines += ["", table(slopes) if slopes else f"{len(self.samples)} samples, too few for slopes"]
        text = "\n".join(lines)
        (self.folder / "report.txt").write_text(text + "\n")
        (self.folder / "report.json").write_text(json.dumps({
            "desktops": self.desktops, "seconds": round(self.now(), 1), "frames": self.frames, "grants": self.grants,
            "operations": self.operations, "samples": self.samples, "latency_ms": self.latencies,
            "slopes": [dict(zip(("figure", "slope", "error", "bound", "leaks"), row)) for row in slopes]}, indent=1) + "\n")
        self.draw()
        return text

    def draw(self):
        def over(name, factor=1.0):
            return [(s["t"], s[name] * factor) for s in self.samples if s[name] is not None]
        rates = [(s["t"], s["fps"]) for s in self.samples if s["fps"]]
        failures = 0
        failed = [(0, 0)]
        for operation in self.operations:
            failures += operation["error"] is not None
            failed.append((operation["t"], failures))
        plot.draw([
            Series("frames", "Frames a second of a desktop, as the guest draws them", "frames/s",
                   {"median": [(t, statistics.median(fps.values())) for t, fps in rates],
                    "slowest": [(t, min(fps.values())) for t, fps in rates]}),
            Series("latency", "From the guest's flush to a whole frame at a viewer", "ms",
                   {q: [(row["t"], row[q]) for row in self.latencies] for q in ("p50", "p95", "p99")}),
            Series("memory", "Memory", "MiB", {"QEMU, without the guest's": over("qemu_kib", 1 / 1024), "exportd": over("exportd_kib", 1 / 1024),
                                               "guest: shared": over("shmem_kib", 1 / 1024), "guest: kernel": over("unreclaimable_kib", 1 / 1024)}),
            Series("objects", "What must not grow", "", {name: over(name) for name in (
                "framebuffers", "clients", "resources", "contexts", "broker_fds", "exportd_fds", "qemu_fds")}),
            Series("grants", "Leases granted, operations that failed", "", {"granted": over("grants"), "failed": failed}),
        ], self.folder)
