# SPDX-License-Identifier: GPL-2.0-only
"""What `make soak` makes of failures, of what is late and of its own end: there is a report of each.

The fleet here is a stand-in, of fifteen scanouts in a dictionary; a guest's is in the soak itself.
"""
import contextlib
import io
import shutil
import sys
import tempfile
from pathlib import Path
from types import SimpleNamespace

sys.dont_write_bytecode = True
TOP = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(TOP / part) for part in ("tests/churn", "tests/e2e")]
from fleet import COUNTED, SCANOUTS, Late  # noqa: E402
from report import Skip, check, run  # noqa: E402
from results import Results  # noqa: E402
from slope import BOUNDS, OTHERS  # noqa: E402
from soak import Soak  # noqa: E402
from vm.machine import MachineError  # noqa: E402

OPERATIONS = 20


class StandIn:
    """Desktops that draw a frame whenever somebody looks."""

    def __init__(self, fails):
        """fails: {how often the books were looked at before: what is raised then}"""
        self.desks, self.viewers, self.given_up = {}, [], set()
        self.fails, self.looks, self.drawn = fails, 0, 0
        self.dead = None
        self.exportd = SimpleNamespace(alive=lambda: True)
        self.machine = SimpleNamespace(check_alive=self.check_alive)

    def check_alive(self):
        if self.dead:
            raise self.dead

    def rows(self):
        return {n: {"state": "leased" if n in self.desks else "free", "label": self.desks[n].name if n in self.desks else "",
                    "grants": self.drawn // 10, "quarantines": 0} for n in range(1, SCANOUTS + 1)}

    def look(self):
        self.drawn += 1
        return SimpleNamespace(scanouts=self.rows(), flips=dict.fromkeys(range(1, SCANOUTS + 1), 10 * self.drawn))

    def count(self):
        return dict.fromkeys((*BOUNDS, *OTHERS), 7)

    def accounted(self):
        self.looks += 1
        failure = self.fails.pop(self.looks, None)
        if isinstance(failure, MachineError):
            self.dead = failure
        if failure:
            raise failure

    def drawing(self, *desks):
        for desk in desks:
            desk.scanout = min(set(range(1, SCANOUTS + 1)) - set(self.desks))
            self.desks[desk.scanout] = desk

    def watch(self, *_):
        return SimpleNamespace(done=lambda: True, report=lambda: {"desktops": [{"latency_ms": {"p50": 5, "p95": 9}}]})

    def nothing(self, *_):
        return ""

    launch = remove = owner = others_go_on = nobody_stuck = ask = end_all = check = nothing
    scanouts = rows

    def wait(self, condition, _text):
        check(condition(), "it is so")

    def usable(self):
        return SCANOUTS


class Restarts:
    """No chance: the first of everything, which is a restart."""

    def choice(self, of):
        return of[0]

    def choices(self, of, _weights):
        return of[:1]


def soaked(fails, folder):
    """(the soak, the results as they are on the disk, what the run said of itself at its end)."""
    fleet = StandIn(fails)
    soak = Soak(fleet, Restarts(), SCANOUTS, OPERATIONS, folder)
    soak.now = lambda: float(len(soak.results.operations))      # no clock decides, here none is there
    try:
        soak.run()
        why = None
    except (AssertionError, KeyboardInterrupt) as end:
        why = end
    return soak, Results.read(folder), why


def in_folder(case):
    def test():
        folder = tempfile.mkdtemp()
        try:
            with contextlib.redirect_stdout(io.StringIO()):
                case(folder)
        finally:
            shutil.rmtree(folder)
    test.__name__ = case.__name__
    return test


@in_folder
def a_good_one_has_its_tables_slopes_and_pictures(folder):
    soak, seen, why = soaked({}, folder)
    check(why is None and seen.ended is None and len(seen.operations) == OPERATIONS + 1, f"{why}; {seen.head()}")
    soak.all_ended({name: 1 for name in COUNTED})
    text = (Path(folder) / "report.txt").read_text()
    for name in (*BOUNDS, *OTHERS):
        check(f"\n{name} " in text and "±" in text, f"no {name}:\n{text}")
    rows = {line.split()[0]: line.split() for line in text.splitlines() if line}
    check(rows["contexts"][1:6] == ["1", "7", "7", "7", "7"] and rows["contexts"][-2:] == ["bound", "0.5"], f"{rows['contexts']}")
    if not shutil.which("gnuplot"):
        raise Skip("no gnuplot")
    for name in ("frames", "latency", "memory", "objects", "descriptors", "grants"):
        check((Path(folder) / f"{name}.png").stat().st_size > 1000, f"no picture of {name}")


@in_folder
def a_failure_does_not_end_it(folder):
    _, seen, why = soaked({3: AssertionError("4 is quarantined")}, folder)
    check(len(seen.operations) == OPERATIONS + 1 and [o["error"] for o in seen.failed()] == ["4 is quarantined"], f"{seen.operations}")
    check("4 is quarantined" in str(why) and "1 failed" in seen.text() and "4 is quarantined" in seen.text(), f"{why}\n{seen.text()}")


@in_folder
def what_is_late_is_asked_for_again(folder):
    _, seen, why = soaked({2: Late("not in time"), 4: Late("not in time")}, folder)
    check(why is None and not seen.failed(), f"{why}\n{seen.text()}")
    check(sum(o["again"] for o in seen.operations) == 2, f"{seen.operations}")


@in_folder
def what_is_always_late_is_a_failure(folder):
    _, seen, why = soaked({n: Late("not in time") for n in range(2, 14)}, folder)
    check(seen.failed() and "not in time" in str(why), f"{why}\n{seen.text()}")


@in_folder
def the_end_of_the_machine_ends_it_with_a_table(folder):
    _, seen, why = soaked({5: MachineError("QEMU ended with status 1")}, folder)
    check("QEMU ended with status 1" in str(why) and "QEMU ended" in seen.ended, f"{why}; {seen.ended}")
    check(len(seen.operations) == 4 and "4 operations" in seen.text(), seen.text())


@in_folder
def an_interrupt_leaves_a_table(folder):
    _, seen, why = soaked({7: KeyboardInterrupt()}, folder)
    check(isinstance(why, KeyboardInterrupt) and seen.ended, f"{why}; {seen.ended}")
    check(len(seen.operations) == 6 and len(seen.samples) == 7, f"{len(seen.operations)} and {len(seen.samples)}")


@in_folder
def each_operation_is_written_down_before_the_next(folder):
    seen = []

    class Watched(Restarts):
        def choices(self, of, weights):
            seen.append(len(Results.read(folder).operations))
            return super().choices(of, weights)
    soak = Soak(StandIn({}), Watched(), SCANOUTS, OPERATIONS, folder)
    soak.now = lambda: float(len(soak.results.operations))
    soak.run()
    check(seen == list(range(OPERATIONS)), f"{seen}")


if __name__ == "__main__":
    sys.exit(run([(f.__name__.replace("_", " "), f) for f in (
        a_good_one_has_its_tables_slopes_and_pictures, a_failure_does_not_end_it, what_is_late_is_asked_for_again,
        what_is_always_late_is_a_failure, the_end_of_the_machine_ends_it_with_a_table, an_interrupt_leaves_a_table,
        each_operation_is_written_down_before_the_next)]))
