# SPDX-License-Identifier: GPL-2.0-only
"""Test cases as TAP: one line each, the reason of a failure as comment lines."""

import contextlib
import functools
import os
import sys
import time
import traceback

HANG = 240      # seconds; nothing takes so long unless it never ends


class Skip(Exception):
    """Raised by a case which cannot be tried here; says why."""


def check(condition, text):
    if not condition:
        raise AssertionError(text)


def wait_for(condition, seconds, text, every=0.1):
    """The first true value of condition(), or a failure that says what was awaited.

    text may be a function: it is called at the deadline, to tell what is there instead.
    """
    deadline = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"after {seconds} s: {text() if callable(text) else text}")
        time.sleep(every)


def wait_long(condition, text, seconds=HANG, every=0.5):
    """wait_for() something of a guest, where looking is not cheap and only a hang takes long."""
    return wait_for(condition, seconds, lambda: f"still not: {text() if callable(text) else text}", every)


def where(error):
    """The lines on the way to it, for an assertion may say nothing else."""
    frames = traceback.extract_tb(error.__traceback__)[1:]
    return "at " + ", ".join(f"{os.path.basename(frame.filename)}:{frame.lineno}" for frame in frames)


class Report:
    """Counts and prints cases as they end; none hides the next ones."""

    def __init__(self, out=sys.stdout):
        self.out = out
        self.n = 0
        self.bad = 0

    def point(self, good, name, why=""):
        self.n += 1
        self.bad += not good
        print(f"{'ok' if good else 'not ok'} {self.n} - {name}", file=self.out)
        for line in why.splitlines():
            print(f"# {line}", file=self.out)
        self.out.flush()
        return good

    def holds(self, good, name, why=""):
        """A point whose reason is told only if it does not."""
        return self.point(good, name, "" if good else str(why))

    def case(self, name, function):
        """Whether function() succeeded; a text that it returns is printed with its line.

        With HELIX_SECOND_TRY=1 one that fails is tried once more, and is named as flaky if that succeeds: scripts/lanes.
        """
        begun = time.monotonic()
        good, directive, why = outcome(function)
        if not good and os.environ.get("HELIX_SECOND_TRY") == "1":
            print(f"# {name}: failed at first:", *why.splitlines(), sep="\n#   ", file=self.out, flush=True)
            first = why.splitlines()[0]
            good, directive, why = outcome(function)
            if good:
                print(f"# flaky: {name}: failed at first, passed at its second try: {first}", file=self.out)
        self.point(good, name + directive, why)
        print(f"# took {time.monotonic() - begun:.1f} s", file=self.out, flush=True)
        return good


def outcome(function):
    """(whether it succeeded, a directive of TAP, what is to be said of it)."""
    try:
        said = function()
        return True, "", said if isinstance(said, str) else ""
    except Skip as skip:
        return True, f" # SKIP {skip}", ""
    except AssertionError as error:
        return False, "", f"{error}\n{where(error)}"
    except Exception as error:
        return False, "", f"{type(error).__name__}: {error}\n{traceback.format_exc()}"


def tests_of(names, *arguments):
    """[(words, function)] of a module's functions test_..., in order, to be called with these arguments."""
    return [(name[5:].replace("_", " "), functools.partial(test, *arguments)) for name, test in names.items() if name.startswith("test_")]


def run(cases, out=sys.stdout):
    """Runs [(name, function)] in order, goes on after a failure; the exit status."""
    print(f"TAP version 13\n1..{len(cases)}", file=out, flush=True)
    report = Report(out)
    for name, function in cases:
        report.case(name, function)
    return 1 if report.bad else 0


def run_whole(body, out=sys.stdout):
    """Runs body(report, after), which reports its cases as it goes and leaves what has to be ended with the
    contextlib.ExitStack `after`; what it raises is one more failure. The plan comes last. The exit status.
    """
    report = Report(out)
    try:
        with contextlib.ExitStack() as after:
            body(report, after)
    except Exception:
        report.point(False, "all could be tried", traceback.format_exc())
    print(f"1..{report.n}", file=out, flush=True)
    return 1 if report.bad else 0
