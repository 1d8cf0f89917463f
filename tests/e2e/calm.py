# SPDX-License-Identifier: GPL-2.0-only
"""What draws for as long as it runs takes all the CPU there is, and everything under test waits for it.

Where that is not what is tested, it may draw a tenth of the time.
"""
import shlex

from report import HANG

LOOP = """while :; do
	pids=$(pgrep -x '{pattern}')
	[ -z "$pids" ] || kill -STOP $pids
	sleep 1
	[ -z "$pids" ] || kill -CONT $pids
	sleep 0.1
done"""


def calm(agent, pattern):
    """All processes of the guest with such a name, of which the kernel keeps 15 characters; also those to come."""
    agent.check(f"systemd-run --quiet --unit=calm sh -c {shlex.quote(LOOP.format(pattern=pattern))}", HANG)


def wake(agent, pattern):
    """Them again, without a pause."""
    agent.check(f"systemctl stop calm; pkill -CONT -x '{pattern}' || :", HANG)
