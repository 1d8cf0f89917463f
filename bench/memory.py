# SPDX-License-Identifier: GPL-2.0-only
"""What a desktop needs of memory: `make bench BENCHES=memory`.

One boot of the machine that `make run` has. Its desktops (Weston, a terminal, something
that moves, in containers) are started a few at a time, all watched in full. At each step
what is in use in the guest, and what QEMU and exportd have of the host's beyond the
guest's own: without a GPU that is where the host keeps the desktops' textures too.
"""
import os
import re
import time
from pathlib import Path

from report import wait_for
from vm.export import Viewer
from vm.system import System

COUNTS = (0, 1, 4)
START = 600     # seconds for some desktops to come, under emulation
REST = 15       # for what starts behind the first frame


def guest_mib(agent):
    """In use, as the kernel counts what could be had without swapping."""
    text = agent.check("cat /proc/meminfo", 60)
    total, available = (int(re.search(rf"^{name}:\s+(\d+)", text, re.M).group(1)) for name in ("MemTotal", "MemAvailable"))
    return (total - available) / 1024


def process_mib(pid):
    """Of the host's memory, its share of what it shares; the guest's own memory, a memfd, is not counted."""
    found, counted = 0, False
    for line in Path(f"/proc/{pid}/smaps").read_text().splitlines():
        if re.match(r"[0-9a-f]+-[0-9a-f]+ ", line):
            counted = "memfd:memory-backend-memfd" not in line
        elif line.startswith("Pss:") and counted:
            found += int(line.split()[1])
    return found / 1024


def measure(say, out):
    system = System(max(COUNTS), os.environ.get("ACCEL", ""), 0, rundir="build/bench/memory")
    system.machine.autostart = 0
    seen = {"guest": {}, "qemu": {}, "exportd": {}}
    try:
        system.start()
        system.machine.wait_agent(START)
        system.agent.check("systemctl is-system-running --wait || :", START)
        started = 0
        for count in COUNTS:
            for n in range(started + 1, count + 1):
                system.agent.check(f"systemctl start --no-block helix-desktop@{n}", 60)
            started = count
            wait_for(lambda: len(system.exportd.live()) >= count, START, f"{count} live desktops")
            viewer = Viewer(system.viewer_binary, system.exportd.url, count, START, START, time.time(),
                            out / "memory.json", out / "memory.log") if count else None
            time.sleep(REST * (1 + count // 4))
            seen["guest"][count] = guest_mib(system.agent)
            seen["qemu"][count] = process_mib(system.machine.process.pid)
            seen["exportd"][count] = process_mib(system.exportd.process.pid)
            say(f"memory, {count} desktops: " + ", ".join(f"{who} {mib[count]:.0f} MiB" for who, mib in seen.items()))
            if viewer:
                viewer.stop()
    finally:
        system.stop()
    rows = []
    for who, mib in seen.items():
        rows += [{"name": f"memory_{who}_{count}_desktops", "value": round(value, 1), "unit": "MiB"} for count, value in mib.items()]
        each = (mib[COUNTS[-1]] - mib[1]) / (COUNTS[-1] - 1)
        rows.append({"name": f"memory_{who}_each_more", "value": round(each, 1), "unit": "MiB"})
    return rows
