# SPDX-License-Identifier: GPL-2.0-only
"""Desktops under load that come and go, are resized, killed and started again, for as long as is asked for.

No clock but that of the run decides anything: what was late by its own is asked for again, and on a
slow machine there are fewer operations. What was seen is written after each of them (results.py).
"""
import statistics
import time
import traceback
from pathlib import Path

from cases import CASES, blows
from fleet import COUNTED, SCANOUTS, Desk, Late, check
from results import Results, last_line
from slope import table
from vm.export import ExportError   # from where fleet has it
from vm.machine import MachineError

WINDOW = 10         # seconds that a viewer measures before it reports, and the next one comes
AT_ONCE = 3         # desktops that are started at once at the beginning
AGAIN = 5           # times that an operation is tried again which was late
TRIED = 20          # times that a desktop is started which was late
DRAWN_EVERY = 600   # seconds, for the pictures
SIZES = ("640x480", "800x600", "720x400", "1024x576")


class Over(Exception):
    """There is no point in going on."""


def say(text):
    print("\n".join(f"# {line}".rstrip() for line in text.splitlines()), flush=True)


class Soak:
    def __init__(self, fleet, rng, desktops, seconds, folder):
        self.fleet, self.rng, self.desktops, self.seconds = fleet, rng, desktops, seconds
        self.folder = Path(folder)
        self.results = Results(desktops, seconds)
        self.results.frames = dict.fromkeys(range(1, SCANOUTS + 1), 0)
        self.grants = self.again = 0
        self.last = None
        self.measuring = None
        self.begun = self.drawn = time.monotonic()

    def now(self):
        return time.monotonic() - self.begun

    # --- what is done to them ---

    def some(self):
        return self.rng.choice(list(self.fleet.desks.values()))

    def end_one(self, desk, how):
        """One desktop is no more, in one of the ways in which that happens."""
        fleet = self.fleet
        if how == "kill":
            fleet.check(f"kill -KILL {fleet.owner(desk)}")
        else:
            # Where podman thinks that its container takes too long to die it is removed below.
            fleet.ask(f"podman {how} {desk.name}")
        del fleet.desks[desk.scanout]
        fleet.remove(desk)

    def restart(self):
        """One ends and another comes"""
        self.end_one(self.some(), self.rng.choice(("kill", "kill", "rm --force --time 0", "stop --time 2")))
        self.fill()

    def fill(self):
        """As many as there are to be."""
        fleet = self.fleet
        while missing := min(self.desktops, fleet.usable()) - len(fleet.desks):
            new = [Desk("weston") for _ in range(min(AT_ONCE, missing))]
            fleet.launch(*new)
            self.until_drawing(new)

    def until_drawing(self, desks):
        """One that was late is no reason to give the others up."""
        for _ in range(TRIED):
            try:
                self.fleet.drawing(*desks)
                return
            except Late as late:
                self.again += 1
                say(f"{self.now():.0f} s: late: {late}")
                self.fleet.remove(late.desk)
                other = Desk(late.desk.kind)
                self.fleet.launch(other)
                desks = [other if desk is late.desk else desk for desk in desks]
        self.fleet.drawing(*desks)

    def resize(self):
        """One gets another size"""
        desk, size = self.some(), self.rng.choice(SIZES)
        before = self.fleet.look().flips[desk.scanout]
        self.fleet.timely(f"helixctl resize --timeout 100 {desk.scanout} {size}")
        self.fleet.wait(lambda: self.fleet.look().flips[desk.scanout] > before + 2, f"{desk.name} draws in {size}")

    def viewer(self):
        """A viewer comes, or the oldest goes, by itself or killed"""
        self.fleet.viewers = [v for v in self.fleet.viewers if v is self.measuring or not v.done()]
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
        while self.fleet.usable() - len(self.fleet.desks) < needs:
            self.end_one(self.some(), "kill")
        try:
            blows(self.fleet, self.rng, cases)
        finally:
            self.done = " + ".join(case.__name__ for case in cases)
        self.fill()

    def attempt(self, function, again=AGAIN):
        """Calls it; (why that failed, if it did; how often something was asked for again as it was late)."""
        self.again = 0
        for _ in range(again + 1):
            try:
                function()
                return None, self.again
            except MachineError as failure:
                raise Over(failure) from failure
            except Late as failure:
                why = str(failure)
                say(f"{self.now():.0f} s: late: {last_line(why)}")
                self.again += 1
                self.mend()
            except AssertionError as failure:
                return str(failure), self.again
            except Exception:
                return traceback.format_exc(), self.again
        return why, self.again

    def operate(self, kind=None):
        """One of them, which is to succeed; then the books are looked at."""
        kind = kind or self.rng.choices((self.restart, self.resize, self.viewer, self.blow), (4, 2, 2, 3))[0]
        begun, self.done = self.now(), kind.__name__

        def whole():
            kind()
            if kind not in (self.blow, self.end):   # which look themselves
                self.look_at_all()
        error, again = self.attempt(whole)
        self.note(begun, error, again)
        if error:
            self.mend()

    def look_at_all(self):
        self.fleet.others_go_on()
        self.fleet.accounted()

    def note(self, begun, error, again=0):
        """Of an hour people want to see how far it is, and of one that is interrupted what was."""
        seconds = self.now() - begun
        say(f"{begun:.0f} s: {self.done}: {seconds:.0f} s{f', {again} times again' if again else ''}{f', failed: {error}' if error else ''}")
        self.results.operations.append({"t": round(begun, 1), "what": self.done, "seconds": round(seconds, 1), "again": again, "error": error})

    def mend(self):
        """After a failure, so that the next operation has a beginning."""
        why = None
        for _ in range(AGAIN):
            try:
                self.fleet.machine.check_alive()
                self.recover()
                return
            except (MachineError, ExportError) as failure:
                raise Over(failure) from failure
            except Exception:
                why = traceback.format_exc()
                say(f"{self.now():.0f} s: it is not mended: {why}")
        raise Over(f"what was left of a failure could not be mended: {last_line(why)}")

    def recover(self):
        """What is not as it should be is ended, and what is away is started."""
        fleet = self.fleet
        if not fleet.exportd.alive():
            fleet.exportd.start()
        names = {desk.name for desk in fleet.desks.values()}
        rows = fleet.scanouts()
        for n, desk in list(fleet.desks.items()):
            if (rows[n]["state"], rows[n]["label"]) != ("leased", desk.name):
                del fleet.desks[n]
                names.discard(desk.name)
        for name in fleet.check("podman ps --all --format '{{.Names}}'").split():
            if name not in names:
                fleet.ask(f"podman rm --force --time 0 {name}")
        fleet.check("rm -f /run/churn/refused/*")
        for n, row in fleet.scanouts().items():
            if row["state"] == "leased" and n not in fleet.desks:
                fleet.ask(f"helixctl revoke --timeout 100 {n}")
        try:
            fleet.accounted()
        except AssertionError as failure:
            lost = {n for n, row in fleet.scanouts().items() if n not in fleet.desks and row["state"] != "free"}
            say(f"{self.now():.0f} s: scanouts that are given up: {sorted(lost) or 'none'}: {failure}")
            fleet.given_up |= lost
        self.fill()

    # --- what is seen ---

    def sample(self):
        look, counted = self.fleet.look(), self.fleet.count()
        now, grants = self.now(), sum(row["grants"] for row in look.scanouts.values())
        names = {n: desk.name for n, desk in self.fleet.desks.items()}
        rates = {}
        if self.last:
            then, flips, before, granted = self.last
            for n in look.flips:
                new = look.flips[n] - flips.get(n, 0)
                self.results.frames[n] += max(new, 0)
                if n in names and before.get(n) == names[n]:    # and not one that has just come
                    rates[n] = new / (now - then)
            self.grants += grants - granted
        self.last = now, look.flips, names, grants
        self.results.samples.append({
            "t": round(now, 1), **counted, **self.measure(), "fps": round(statistics.median(rates.values()), 3) if rates else None,
            "fps_of": {n: round(rate, 2) for n, rate in rates.items()}, "grants": self.grants, "desktops": len(names),
            "quarantines": sum(row["quarantines"] for row in look.scanouts.values())})

    def measure(self):
        """One viewer after the other says what it saw, which is their frames' age."""
        viewer, found = self.measuring, {}
        if viewer and not viewer.done():
            return found
        if viewer:
            if viewer in self.fleet.viewers:
                self.fleet.viewers.remove(viewer)
            rows = [row["latency_ms"] for row in viewer.report()["desktops"] if row.get("latency_ms") and row["latency_ms"]["p50"] is not None]
            if rows:
                found = {f"latency_{q}_ms": statistics.median(row[q] for row in rows) for q in ("p50", "p95")}
        self.measuring = self.fleet.watch(1, WINDOW)
        return found

    def see(self):
        """A sample, and everything written down."""
        begun, self.done = self.now(), "a look at all"
        error, again = self.attempt(self.sample)
        if error:
            self.note(begun, error, again)
        self.results.seconds = round(self.now(), 1)
        self.results.write(self.folder)
        if time.monotonic() - self.drawn > DRAWN_EVERY:
            self.draw()

    def draw(self):
        self.drawn = time.monotonic()
        try:
            self.results.draw(self.folder)
        except Exception:       # it is not what is tried here
            say(f"no pictures: {traceback.format_exc()}")

    # --- the whole ---

    def begin(self):
        """Until all are there."""
        self.done = "begin"
        error, again = self.attempt(self.fill)
        if error or again:
            self.note(0, error, again)
        if error:
            self.mend()
        self.fleet.watch(self.desktops)
        self.results.drew_after_s = round(self.now(), 1)
        say(f"{self.desktops} desktops draw after {self.now():.0f} s")
        self.begun = time.monotonic()   # for as long as is asked for, once everything is there
        self.see()

    def end(self):
        """What must hold at last."""
        self.look_at_all()
        self.fleet.nobody_stuck()

    def run(self):
        try:
            self.begin()
            while self.now() < self.seconds:
                self.operate()
                self.see()
            self.operate(self.end)
        except Over as why:
            self.results.ended = str(why)
        except BaseException as why:    # an interrupt, or what nobody thought of
            self.results.ended = last_line(traceback.format_exc()) or type(why).__name__
            raise
        finally:
            self.finish()
        failed = self.results.failed()
        check(not self.results.ended, f"ended after {self.now():.0f} s: {self.results.ended}")
        check(not failed, f"{len(failed)} of {len(self.results.operations)} operations failed: "
              + "; ".join(f"{o['what']} at {o['t']} s: {last_line(o['error'])}" for o in failed[:5]))
        bad = [row for row in self.results.leaks() if row[-1]]
        check(not bad, table(bad))

    def finish(self):
        self.results.seconds = round(self.now(), 1)
        self.results.write(self.folder)
        self.draw()
        say(self.results.text())

    def all_ended(self, before):
        """With none there any more, for people to see next to what was there before any came."""
        self.fleet.end_all()
        counts = [self.fleet.count()]

        def settled():
            counts.append(self.fleet.count())
            return all(counts[-1][name] == counts[-2][name] for name in COUNTED)
        self.fleet.wait(settled, lambda: f"nothing is on its way any more: {counts[-2:]}")
        self.results.before, self.results.after = before, counts[-1]
        self.results.write(self.folder)
        return self.results.text()
