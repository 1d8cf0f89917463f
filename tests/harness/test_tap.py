# SPDX-License-Identifier: GPL-2.0-only
"""The counter of test points counts what went wrong, however it went wrong; and reads what our tests print."""
import io
import os
import sys
from pathlib import Path

sys.path[:0] = [str(Path(__file__).resolve().parents[2] / part) for part in ("scripts", "tests/e2e")]
import tap  # noqa: E402
from report import Skip, check, run, run_whole, wait_for  # noqa: E402

CASES = [
    # name, output, status, passed, failed, skipped
    ("all pass", "1..2\nok 1 - a\nok 2 - b\n", 0, 2, 0, 0),
    ("a failed point", "1..2\nok 1 - a\nnot ok 2 - b\n", 1, 1, 1, 0),
    ("the plan may come last", "ok 1\nok 2\n1..2\n", 0, 2, 0, 0),
    ("plans of several groups add up", "1..1\nok 1 - a\n1..2\nok 1 - b\nok 2 - c\n", 0, 3, 0, 0),
    ("no plan is a failure", "ok 1 - a\n", 0, 1, 1, 0),
    ("a missing point is a failure", "1..3\nok 1\nok 2\n", 0, 2, 1, 0),
    ("a point too many is a failure", "1..1\nok 1\nok 2\n", 0, 2, 1, 0),
    ("an empty plan is a failure", "1..0\n", 0, 0, 1, 0),
    ("no output is a failure", "", 0, 0, 1, 0),
    ("a crash after all points is a failure", "1..1\nok 1 - a\n", 139, 1, 1, 0),
    ("a time-out is a failure", "1..1\nok 1 - a\n", 124, 1, 1, 0),
    ("a bail out is a failure", "1..2\nok 1 - a\nBail out! no guest\n", 1, 1, 2, 0),
    ("a skipped point is neither", "1..2\nok 1 - a\nok 2 - b # SKIP no GPU\n", 0, 1, 0, 1),
    ("only skipped points are a failure", "1..1\nok 1 - b # SKIP no GPU\n", 0, 0, 1, 1),
    ("a known failure is no failure", "1..1\nnot ok 1 - b # TODO later\n", 0, 1, 0, 0),
    ("points of subtests are not counted twice", "1..1\n    1..2\n    ok 1 - x\n    not ok 2 - y\nok 1 - a\n", 0, 1, 0, 0),
    ("other output is not counted", "okay then\nnotok\n1..1\nok 1 - a\n", 0, 1, 0, 0),
]


def skipped():
    raise Skip("none here")


# One that passes, one that is skipped and three that fail, each in its way.
OURS = [("says", lambda: "what it saw\nok 9 - and more"), ("is left out", skipped), ("fails", lambda: check(False, "no")),
        ("breaks", lambda: 1 // 0), ("waits", lambda: wait_for(lambda: False, 0, lambda: "nothing came"))]


def one_that_stops(report, after):
    after.callback(print, "# ended", file=report.out)
    for case in OURS:
        report.case(*case)
    raise OSError("half way")


def print_ours(runner, *arguments):
    out = io.StringIO()
    return runner(*arguments, out=out), out.getvalue()


def twice():
    """What is printed of a case that fails once, one that fails always, and one that passes, when there is a second try."""
    ended = iter((False, True))
    cases = [("once", lambda: check(next(ended), "too soon")), ("always", lambda: check(False, "no")), OURS[0]]
    os.environ["HELIX_SECOND_TRY"] = "1"
    try:
        return print_ours(run, cases)
    finally:
        del os.environ["HELIX_SECOND_TRY"]


def main():
    os.environ.pop("HELIX_SECOND_TRY", None)
    for name, (status, text), failed in (("run()", print_ours(run, OURS), 3), ("run_whole()", print_ours(run_whole, one_that_stops), 4)):
        CASES.append((f"what {name} prints", text, status, 1, failed, 1))
        CASES.append((f"{name} says why", "1..1\n" + ("ok" if "ZeroDivisionError" in text and "# after 0 s: nothing came" in text
                                                      and "# no\n# at test_tap.py:" in text
                                                      and "# ok 9 - and more" in text else "not ok"), 0, 1, 0, 0))
    CASES.append(("what is left to be ended is ended", "1..1\n" + ("ok" if "\n# ended\n" in text else "not ok"), 0, 1, 0, 0))
    status, text = twice()
    CASES.append(("a case that has a second try is counted by how that ends", text, status, 2, 1, 0))
    CASES.append(("and named if it passes", "1..1\n" + ("ok" if "\n# flaky: once: failed at first, passed at its second try: too soon\n" in text
                                                       and text.count("# flaky: ") == 1 else "not ok"), 0, 1, 0, 0))
    lines = ["# a", "ok 1 - one", "# # b", "# not ok 1 - two", "# ok 2 - x", "not ok 2 - in: two", "# c", "not ok 3 - three # TODO", "# d"]
    CASES.append(("what is said of a failure is what stands before and after it", "1..1\n" +
                  ("ok" if tap.why(lines) == lines[2:4] + lines[5:7] else "not ok"), 0, 1, 0, 0))
    print(f"1..{len(CASES)}")
    bad = 0
    for number, (name, text, status, passed, failed, skipped) in enumerate(CASES, 1):
        result = tap.count(text.splitlines(), status)
        got = (result.passed, result.failed, result.skipped)
        good = got == (passed, failed, skipped)
        bad += not good
        print(f"{'ok' if good else 'not ok'} {number} - {name}")
        if not good:
            print(f"# wanted {(passed, failed, skipped)}, got {got}: {result.failures}")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
