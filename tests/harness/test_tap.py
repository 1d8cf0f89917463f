# SPDX-License-Identifier: GPL-2.0-only
"""The counter of test points counts what went wrong, however it went wrong."""
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "scripts"))
import tap  # noqa: E402

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


def main():
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
