# SPDX-License-Identifier: GPL-2.0-only
"""How the tests of the export daemon wait for something."""

import time

PATIENCE = 60  # seconds: a guard against hanging, not a measure of anything


def wait(what, probe, seconds=PATIENCE, why=None):
    """The first true value of probe(), or a failure that says what was awaited, and why() what is there instead."""
    deadline = time.monotonic() + seconds
    while True:
        value = probe()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"waited {seconds} s in vain for: {what}" + (f"; {why()}" if why else ""))
        time.sleep(0.02)
