# SPDX-License-Identifier: GPL-2.0-only
"""QEMU and helix-exportd together, from nothing to live desktops and back.

Where the parts are comes from the environment that scripts/with-parts sets:
HELIX_QEMU, HELIX_BASE, HELIX_DESKTOP_IMAGE (cache entries) and the build folder.
"""
import fcntl
import os
import re
import shutil
import sys
import time
from pathlib import Path

from .export import ExportError, Exportd, check_port_free
from .jsonsocket import RemoteError
from .machine import Machine, MachineError, accelerator, memory_mib, render_node

TOP = Path(__file__).resolve().parents[2]
LIVE_DEADLINE = 180     # seconds for the first desktop under emulation on a busy machine
LIVE_EACH = 60          # and for each one
PATIENCE = {"weston": 1, "gnome": 4}    # how much longer a kind of desktop may take


def say(text):
    print(text, flush=True)


def check_resources(desktops, rundir, kind):
    need = memory_mib(desktops, kind) + 1024 + 128 * desktops
    found = re.search(r"^MemAvailable:\s+(\d+) kB", Path("/proc/meminfo").read_text(), re.M)
    available = int(found.group(1)) // 1024
    if available < need:
        raise MachineError(f"{desktops} desktops need about {need} MiB of memory, {available} MiB are available; "
                           f"try DESKTOPS={max(1, desktops // 2)}")
    free = shutil.disk_usage(rundir).free // (1 << 20)
    if free < 1024:
        raise MachineError(f"{rundir} has {free} MiB of free disk space, 1024 are needed")


class System:
    def __init__(self, desktops, accel="", port=8800, rundir="build/run", gpu="", kind="weston", clipboard=0):
        os.chdir(TOP)       # socket paths are short only when they are relative
        self.desktops = desktops
        self.kind = kind
        self.rundir = Path(rundir)
        self.rundir.mkdir(parents=True, exist_ok=True)
        self.lock = open(self.rundir / "lock", "w")
        try:
            fcntl.flock(self.lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise MachineError(f"another machine is running in {rundir}") from None
        for old in ("console.log", "qemu.log", "exportd.log", "viewer.log", "viewer.json", "summary.json"):
            (self.rundir / old).unlink(missing_ok=True)
        check_resources(desktops, self.rundir, kind)
        check_port_free(port)
        self.accel = accelerator(accel)
        self.gpu = render_node(gpu)
        user = Path(os.environ.get("HELIX_USER", "build/user"))
        self.viewer_binary = user / "qemu-side/exportd/viewer/helix-viewer"
        self.exportd = Exportd(user / "qemu-side/exportd/helix-exportd", TOP / "qemu-side/exportd/web", self.rundir, port)
        self.machine = Machine(
            self.rundir, os.environ["HELIX_QEMU"] + "/bin/qemu-system-x86_64", os.environ["HELIX_BASE"],
            os.environ.get("HELIX_INITRD", "build/guest/initrd"), os.environ["HELIX_DESKTOP_IMAGE"] + "/desktop.sqfs",
            desktops, self.accel, self.gpu, kind=kind)
        if clipboard:   # both ends: whose viewers have it, and whose container
            self.exportd.options = ["--clipboard", str(clipboard)]
            self.machine.clipboard = clipboard

    @property
    def agent(self):
        return self.machine.agent

    def start(self):
        """Also again, when a guest did not come up: that one is ended, and what it said kept."""
        if self.machine.process:
            self.stop()
            if (self.rundir / "console.log").exists():
                (self.rundir / "console.log").rename(self.rundir / "console.first.log")
        self.exportd.start()
        self.machine.start()

    def live_deadline(self):
        return (LIVE_DEADLINE + LIVE_EACH * self.desktops) * PATIENCE[self.kind]

    def wait_live(self, tick=lambda: None):
        """Until every desktop shows frames. Says how far it is."""
        deadline = time.monotonic() + self.live_deadline()
        begun = time.monotonic()
        said, said_at = None, 0
        while True:
            self.machine.check_alive()
            tick()
            live = self.exportd.live()
            if len(live) >= self.desktops:
                return
            now = time.monotonic()
            if now > deadline:
                raise MachineError(f"{len(live)} of {self.desktops} desktops were live after {now - begun:.0f} s; "
                                   f"see {self.rundir}/*.log. {self.explain()}")
            line = f"{len(live)} of {self.desktops} desktops live" if live else "booting the guest"
            if line != said or now - said_at > 10:
                say(f"[run] {now - begun:3.0f} s: {line}")
                said, said_at = line, now
            time.sleep(0.5)

    def explain(self):
        """What the guest itself says about desktops that did not come."""
        try:
            return "The guest: " + " | ".join(self.agent.check(
                "systemctl --failed --no-legend --plain; journalctl -b -p warning --no-pager -q -o cat | tail -n 15",
                30).splitlines())
        except (RemoteError, OSError) as error:
            return f"The guest does not answer: {error}"

    def renderers(self):
        """scanout -> what its compositor says draws for it."""
        found = {}
        for n in range(1, self.desktops + 1):
            try:
                text = self.agent.check(f"sed -n 's/.*GL.renderer: *//Ip' /run/helix/desktops/{n}/log/*.log | tail -n 1")
                found[n] = text.strip() or None
            except (RemoteError, OSError) as error:
                print(f"run: renderer of desktop {n}: {error}", file=sys.stderr)
                found[n] = None
        return found

    def keep_exportd(self):
        """Starts the export daemon again when it ended: desktops do not depend on it."""
        if not self.exportd.alive():
            say(f"[run] helix-exportd ended with status {self.exportd.process.returncode}, starting it again")
            time.sleep(1)
            self.exportd.start()

    def stop(self):
        self.exportd.stop()
        self.machine.stop()


__all__ = ["ExportError", "MachineError", "RemoteError", "System", "say"]
