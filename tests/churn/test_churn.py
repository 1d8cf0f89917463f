#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""Nothing is lost in a crash: desktops in containers, and everything they rest on, killed at random moments.

  test_churn.py            some of it, in pairs: what is crashed most, and others as chance has it; a shorter soak
  ROUNDS=1 test_churn.py   the matrix, each case once, three at a time; the module and the guest started again; a short soak
  ROUNDS=20 test_churn.py  the matrix so often, from the second time on alone or in pairs; the rest once
  test_churn.py soak       the soak alone: DESKTOPS (15) for FOR seconds (3600)

ONLY has the cases, and what follows them, whose names match; SEED repeats a run's random choices. Prints TAP.
Runs in the build root, with the environment of scripts/with-parts, HELIX_CONTAINERS and HELIX_GPU.
"""
import os
import re
import subprocess
import sys
from pathlib import Path

sys.dont_write_bytecode = True
sys.path.insert(0, str(Path(__file__).resolve().parent))
from fleet import HANG, PROGRAMS, TOP, VULKAN_PROGRAMS, Desk, Fleet  # noqa: E402
from cases import ALWAYS, CASES, blows, module_reloaded, rebooted, seeded  # noqa: E402
from slope import ROUNDS as ENOUGH, leaks, table  # noqa: E402
from soak import Soak  # noqa: E402
from report import check, run_whole  # noqa: E402  from where fleet has it

BYSTANDERS = ("weston", "draw", "draw")
AT_ONCE = 3         # cases of the matrix
DESKTOPS = 4        # that the machine has memory for
SHORT_SOAK_S = 45
# Of a run that nobody asked to be long:
AT_RANDOM = 2       # cases beside those that it always has
SHORTER_SOAK_S = 20
SOAK_PATIENCE = 4   # fifteen desktops on a CPU that is emulated
GIVEN_BACK = 128 << 10  # bytes; the C library's own figure, which it raises as it goes if it is not given


def number(name, default, low, high):
    text = os.environ.get(name) or str(default)
    if not text.isascii() or not text.isdigit() or not low <= int(text) <= high:
        raise SystemExit(f"{name}={text}: a whole number from {low} to {high} is needed")
    return int(text)


class Matrix:
    def __init__(self, fleet, rng):
        self.fleet, self.rng = fleet, rng
        self.counted = []

    def bystanders(self):
        desks = [Desk(kind) for kind in BYSTANDERS]
        self.fleet.launch(*desks)
        self.fleet.drawing(*desks)
        self.fleet.watch(len(desks))
        self.fleet.others_go_on()
        self.counted.append(self.fleet.count())

    def blows(self, *cases):
        said = blows(self.fleet, self.rng, cases)
        self.counted.append(self.fleet.count())
        return said

    def nothing_lost(self):
        rows = leaks(self.counted)
        check(not any(row[-1] for row in rows), table(rows))
        return f"{len(self.counted)} rounds\n{table(rows)}"


def prepare():
    for folder, out, target in (("tests/churn", PROGRAMS, "all"), ("tests/gpu", VULKAN_PROGRAMS, VULKAN_PROGRAMS / "vkdesktop")):
        subprocess.run(["make", "-s", "-C", str(TOP / folder), f"OUT={out}", str(target)], check=True, stdin=subprocess.DEVNULL, timeout=HANG)


def wanted(name):
    only = os.environ.get("ONLY")
    return not only or re.fullmatch(only, name)


def strike_all(report, tried, cases, at_once, mark=""):
    """All of them, so many at a time as at_once() says."""
    tried.rng.shuffle(cases)
    while cases:
        some = [cases.pop() for _ in range(min(len(cases), at_once()))]
        report.case(f"{'at once: ' if len(some) > 1 else ''}{'; '.join(case.__doc__ for case in some)}{mark}", lambda: tried.blows(*some))


def matrix(report, fleet, rng, rounds):
    tried = Matrix(fleet, rng)
    if not report.case("desktops in containers, which nothing is done to", tried.bystanders):
        return
    if not rounds:
        strike_all(report, tried, [*ALWAYS, *rng.sample([case for case in CASES if case not in ALWAYS and case.kind != "vulkan"], AT_RANDOM)], lambda: 2)
    for turn in range(rounds):
        strike_all(report, tried, [case for case in CASES if wanted(case.__name__)],
               lambda: AT_ONCE if turn == 0 else rng.choice((1, 2)), f" ({turn + 1})" if rounds > 1 else "")
    if len(tried.counted) >= ENOUGH:
        report.case("nothing has grown with every round", tried.nothing_lost)


def after_matrix(report, fleet, rng):
    if wanted("module_reloaded"):
        report.case("UNBIND by force with desktops on it, and the module loaded again: every lease ends, and others come",
                    lambda: module_reloaded(fleet))
    report.case("the guest's kernel has nothing to complain about", fleet.kernel_quiet)
    if wanted("rebooted"):
        report.case("the guest starts again, with desktops on it: nothing is left of them, and others come", lambda: rebooted(fleet, rng))


def tried(report, after):
    soak = sys.argv[1:] == ["soak"]
    desktops = number("DESKTOPS", 15, 1, 15) if soak else DESKTOPS
    # None: a short run, as nobody asked for more.
    rounds = number("ROUNDS", 1 if os.environ.get("ONLY") else 0, 0, 100000)
    seconds = number("FOR", 3600, 1, 1000000) if soak else SHORT_SOAK_S if rounds else SHORTER_SOAK_S
    seed, rng = seeded(os.environ.get("SEED"))
    folder = TOP / ("build/soak" if soak else "build/churn")
    print(f"# SEED={seed} repeats the random choices of this run", flush=True)
    prepare()
    if soak:
        # What is freed is given back to the kernel, so that memory which grows is memory in use.
        os.environ["MALLOC_MMAP_THRESHOLD_"] = str(GIVEN_BACK)
    fleet = Fleet(desktops, f"{folder.relative_to(TOP)}/run", SOAK_PATIENCE if soak else 1)
    after.callback(fleet.stop)
    if report.case("a guest with podman", fleet.boot):
        before = fleet.count()
        if not soak:
            matrix(report, fleet, rng, rounds)
            if rounds:
                after_matrix(report, fleet, rng)
        if soak or wanted("soak"):
            long = Soak(fleet, rng, desktops, seconds, folder)
            report.case(f"soak: {desktops} desktops come and go for {seconds} s", long.run)
            if soak:
                report.case("all have ended: the report has what is left of them", lambda: long.all_ended(before))
        # What a first desktop with Vulkan or another start leaves open for good, longer runs have as well.
        if not soak and not rounds:
            report.case("all have ended: there is no more of anything than before they came", lambda: fleet.ended(before))
        report.case("the guest's kernel has nothing to complain about", fleet.kernel_quiet)


if __name__ == "__main__":
    sys.exit(run_whole(tried))
