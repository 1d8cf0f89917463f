#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""Counts test points in TAP, distrusting it.

usage: tap.py count STATUS FILE    counts FILE, the output of a step that ended with STATUS
       tap.py why FILE            the points of FILE that failed, with what was said before and after each
       tap.py meson BUILDDIR [NAME]  runs the tests of a meson build, one after the other, as one TAP stream;
                                   those whose names match NAME, with * and ?

A step that crashed, that ended with a status other than 0 without saying why, that has no plan,
or fewer or more points than planned, or no point that passed, gets one more failure.
"""
import fnmatch
import json
import os
import re
import subprocess
import sys
from dataclasses import dataclass, field

POINT = re.compile(r"^(not )?ok\b *(\d+)? *-? *(.*?) *(?:# *(SKIP|TODO)\S*( .*)?)?$", re.I)
PLAN = re.compile(r"^1\.\.(\d+)\s*(?:# *SKIP\b.*)?$", re.I)


@dataclass
class Count:
    passed: int = 0
    failed: int = 0
    skipped: int = 0
    planned: int | None = None
    failures: list = field(default_factory=list)

    def fail(self, text):
        self.failed += 1
        self.failures.append(text)


def count(lines, status):
    result = Count()
    points = 0
    for line in lines:
        line = line.rstrip("\r\n")
        plan = PLAN.match(line)
        if plan:    # several programs, or groups of one, may follow each other
            result.planned = (result.planned or 0) + int(plan.group(1))
            continue
        if line.startswith("Bail out!"):
            result.fail(line)
            continue
        point = POINT.match(line)
        if not point:
            continue
        points += 1
        bad, _, name, directive, _ = point.groups()
        if directive and directive.upper() == "SKIP":
            result.skipped += 1
        elif bad and not (directive and directive.upper() == "TODO"):
            result.fail(name or f"point {points}")
        else:
            result.passed += 1
    if result.planned is None:
        result.fail("there is no plan")
    elif result.planned != points:
        result.fail(f"{result.planned} points were planned, {points} came")
    if status != 0 and not result.failed:
        why = {124: "it ran past its time limit", 137: "it was killed"}.get(status, f"it ended with status {status}")
        result.fail(why)
    if not result.passed and not result.failed:
        result.fail("nothing was tested")
    return result


def command_count(status, path):
    with open(path, encoding="utf-8", errors="replace") as stream:
        result = count(stream, int(status))
    print(result.passed, result.failed, result.skipped)
    for text in result.failures:
        print(text)


def why(lines, before=12, after=6, most=100):
    """The lines about the points that failed, also where they were printed first, as a comment; some tests say why
    before a point, some after it."""
    failures = count(lines, 0).failures
    said, shown, room = [], [], 0
    for line in map(str.rstrip, lines):
        point = POINT.match(line.lstrip("# "))
        if point:
            failed = point.group(1) and point.group(3) and any(name.endswith(point.group(3)) for name in failures)
            shown += said[-before:] + [line] if failed else []
            room = after if failed else 0
            said = []
        elif room:
            room -= 1
            shown.append(line)
        else:
            said.append(line)
    return shown[-most:]


def command_why(path):
    with open(path, encoding="utf-8", errors="replace") as stream:
        print(*why(list(stream)), sep="\n")


def command_meson(build, pattern="*"):
    """Names each point SUITE/TEST: POINT; a test that does not speak TAP is one point."""
    listing = subprocess.run(["meson", "introspect", "--tests", build], check=True, capture_output=True, text=True)
    total = failed = 0

    def emit(good, name, why=(), skip=""):
        nonlocal total, failed
        total += 1
        failed += not good
        print(f"{'ok' if good else 'not ok'} {total} - {name}{skip and ' # SKIP ' + skip}")
        for line in why:
            print(f"# {line}")
        sys.stdout.flush()

    for test in json.loads(listing.stdout):
        name = test["name"]
        if not fnmatch.fnmatchcase(name, pattern):
            continue
        # Our own variables say how this run is made, and are no input of a test.
        clean = {name: value for name, value in os.environ.items() if not name.startswith("HELIX_")}
        environment = dict(clean, **test["env"])
        limit = max(60, 4 * (test["timeout"] or 60))
        try:
            done = subprocess.run(test["cmd"], cwd=test["workdir"] or build, env=environment, timeout=limit,
                                  stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace")
            status, out, err = done.returncode, done.stdout, done.stderr
        except subprocess.TimeoutExpired as expired:
            status, out, err = 124, (expired.stdout or b"").decode(errors="replace"), ""
        except OSError as error:
            status, out, err = 127, "", str(error)
        tail = (out + err).splitlines()[-40:]
        if test["protocol"] != "tap":
            emit(status == 0, name, tail if status else ())
            continue
        result = count(out.splitlines(), status)
        if status in (0, 77) and not result.passed and (result.skipped or result.planned == 0):
            # What cannot be tried here is tried elsewhere, or nowhere: seen either way.
            emit(True, name, skip="all of it")
            continue
        for line in out.splitlines():
            point = POINT.match(line)
            if point and not point.group(1) and not point.group(4):
                emit(True, f"{name}: {point.group(3)}")
        for text in result.failures:
            emit(False, f"{name}: {text}", tail)
        if result.skipped:
            print(f"# {name}: {result.skipped} skipped")
    print(f"1..{total}")
    return 1 if failed else 0


if __name__ == "__main__":
    if len(sys.argv) == 4 and sys.argv[1] == "count":
        sys.exit(command_count(*sys.argv[2:]))
    if len(sys.argv) == 3 and sys.argv[1] == "why":
        sys.exit(command_why(*sys.argv[2:]))
    if len(sys.argv) in (3, 4) and sys.argv[1] == "meson":
        sys.exit(command_meson(*sys.argv[2:]))
    sys.exit(__doc__)
