# SPDX-License-Identifier: GPL-2.0-only
"""Test cases as TAP: one line each, the reason of a failure as comment lines."""

import sys
import time
import traceback


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


def run(cases, out=sys.stdout):
    """Runs [(name, function)] in order, goes on after a failure; the exit status."""
    print(f"TAP version 13\n1..{len(cases)}", file=out, flush=True)
    failed = 0
    for number, (name, case) in enumerate(cases, 1):
        start = time.monotonic()
        try:
            case()
            line, why = f"ok {number} - {name}", ""
        except Skip as skip:
            line, why = f"ok {number} - {name} # SKIP {skip}", ""
        except AssertionError as error:
            failed += 1
            line, why = f"not ok {number} - {name}", str(error)
        except Exception:                       # a broken case must not hide the next ones
            failed += 1
            line, why = f"not ok {number} - {name}", traceback.format_exc()
        print(line, file=out)
        for text in why.splitlines():
            print(f"# {text}", file=out)
        print(f"# took {time.monotonic() - start:.1f} s", file=out, flush=True)
    return 1 if failed else 0
