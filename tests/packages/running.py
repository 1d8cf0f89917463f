# SPDX-License-Identifier: GPL-2.0-only
"""The guest's tree as a running machine, on the QEMU and with the export daemon of the host's tree:
all of it comes from the packages.
"""
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

from report import check, wait_for
from tree import NOT_OURS

TOP = Path(__file__).resolve().parents[2]
sys.path.append(str(TOP / "scripts"))
from vm.export import Exportd  # noqa: E402
from vm.machine import Machine, accelerator  # noqa: E402

HANG = 600      # seconds; nothing takes so long unless it never ends
# Runs a program of the host's tree, with the checkout as its /mnt and its present folder:
# the paths that it is given are relative.
ENTER = """#!/bin/sh
exec unshare --mount --propagation private sh -ec '
	tree=$1 top=$2 run=$3
	shift 3
	mount -t proc proc "$tree/proc"
	mount --rbind /dev "$tree/dev"
	mount --bind "$top" "$tree/mnt"
	exec chroot "$tree" env -C /mnt TMPDIR="/mnt/$run" "$@"
' sh {tree} {top} {run} {program} "$@"
"""


class Small(Machine):
    """Without a GPU of the host: pictures are not what is looked at."""

    def command_line(self):
        swap = {"dbus,p2p=on,gl=on": "dbus,p2p=on"}
        return [swap.get(w, w).replace("virtio-gpu-gl-pci", "virtio-gpu-pci") for w in super().command_line()]


class Running:
    def __init__(self, host, guest, entry, work):
        self.host, self.guest, self.entry = host, guest, Path(entry)
        self.work = Path(work).relative_to(TOP) if Path(work).is_absolute() else Path(work)
        self.run = self.work / "run"
        self.machine = self.exportd = None
        self.up = False

    def program(self, name):
        path = TOP / self.work / name.rsplit("/", 1)[1]
        path.write_text(ENTER.format(tree=self.host.path.resolve(), top=TOP, run=self.run, program=name))
        path.chmod(0o755)
        return path

    def image(self):
        """The guest's tree as a disk, with the newer packages in /root."""
        base = self.work / "machine"
        subprocess.run(["rm", "-rf", str(base)], check=True)
        base.mkdir(parents=True)
        for name in ("vmlinuz", "initrd"):
            shutil.copy(self.entry / name, base / name)
        (base / "none").write_bytes(bytes(1 << 20))
        newer = self.guest.path / "root/new"
        subprocess.run(["cp", "-r", str(self.guest.packages / "new"), str(newer)], check=True)
        try:
            subprocess.run(["truncate", "-s", "3G", str(base / "root.ext4")], check=True)
            subprocess.run(["mke2fs", "-q", "-F", "-t", "ext4", "-O", "^has_journal", "-d", str(self.guest.path), str(base / "root.ext4")],
                           check=True, timeout=600)
        finally:
            subprocess.run(["rm", "-rf", str(newer)], check=True)
        return base

    def start(self):
        os.chdir(TOP)       # socket paths are short only when they are relative
        base = self.image()
        self.run.mkdir(parents=True, exist_ok=True)
        self.exportd = Exportd(self.program("/usr/bin/helix-exportd"), "/usr/share/helix/web", self.run, 0)
        self.machine = Small(self.run, self.program("/usr/bin/helix-qemu-system-x86_64"), base, base / "initrd", base / "none",
                             1, accelerator(os.environ.get("ACCEL", "")))
        self.exportd.start()
        self.machine.start()
        self.machine.wait_agent(HANG)
        self.up = True

    def stop(self):
        for part in (self.exportd, self.machine):
            if part:
                part.stop()

    def check(self, command):
        check(self.up, "the machine did not come up")
        return self.machine.agent.check(command, HANG)

    def ok(self, command):
        return self.machine.agent.run(command, HANG).status == 0

    def scanout(self):
        """What the holder's scanout says of itself, by the module alone."""
        return next((s for s in json.loads(self.check("helixctl --direct list --json")) if s["label"] == "kept"), None)

    def property(self, unit, name):
        return self.check(f"systemctl show --value -p {name} {unit}").strip()

    def booted(self):
        self.start()
        wait_for(lambda: self.ok("test -e /dev/helix/lease"), HANG, "no /dev/helix/lease: " + self.check("journalctl -b -u systemd-modules-load -o cat"))
        check("/updates/dkms/" in self.check("modinfo -F filename helix_lease"), "the module is not DKMS's")
        loaded, built = self.check("cat /sys/module/helix_lease/srcversion; modinfo -F srcversion helix_lease").split()
        check(loaded == built, f"loaded is {loaded}, DKMS built {built}")
        check(self.property("systemd-modules-load.service", "Result") == "success", "systemd-modules-load failed")
        check(self.check("stat -c '%U %a' /dev/helix/lease").split() == ["root", "600"], "not root's: " + self.check("ls -l /dev/helix"))

    def socket(self):
        check(self.property("helix-leased.socket", "ActiveState") == "active", "the socket is not there")
        wait_for(lambda: self.ok("helixctl info"), HANG, "the broker does not answer")
        self.check("systemctl stop helix-leased.service")
        check("free" in self.check("helixctl list"), "no scanout is free")
        check(self.property("helix-leased.service", "ActiveState") == "active", "a client did not start the broker")

    def upgrade(self):
        self.check("systemd-run --unit=holder helixctl acquire --label kept --timeout 120")
        wait_for(lambda: (self.scanout() or {}).get("state") == "leased", HANG, lambda: self.check("journalctl -b -u holder -u helix-leased -o cat"))
        before, pid = self.scanout(), self.property("helix-leased.service", "MainPID")
        module = self.check("stat -c %Y /sys/module/helix_lease; cat /sys/module/helix_lease/srcversion")
        self.check("dpkg -i /root/new/helix-lease-tools_*.deb /root/new/libhelix-lease1_*.deb")
        wait_for(lambda: self.property("helix-leased.service", "MainPID") not in ("0", pid) and self.ok("helixctl info"), HANG,
                 "the upgrade did not start the broker again")
        # As far as could end a lease: dpkg configures it in the clean tree, where a compiler is not emulated.
        self.check("dpkg --unpack /root/new/helix-lease-dkms_*.deb")
        after = self.scanout()
        check(after and after["state"] == "leased" and after["generation"] == before["generation"], f"the lease was {before}, is {after}")
        check(self.check("stat -c %Y /sys/module/helix_lease; cat /sys/module/helix_lease/srcversion") == module, "the module was loaded again")
        check(self.property("holder.service", "ActiveState") == "active", "who held it was told that it ended")

    def purge(self):
        self.check("systemctl stop holder.service")
        wait_for(lambda: (self.scanout() or {"state": "free"})["state"] == "free", HANG, lambda: f"the lease did not end: {self.scanout()}")
        ours = [p for p in self.check("dpkg -L helix-lease-dkms helix-lease-tools libhelix-lease1").split()
                if p.startswith("/") and not self.was_there(p)]
        self.check("systemctl stop helix-leased.socket helix-leased.service && helixctl --direct unbind")
        self.check("dpkg --purge helix-lease-dkms helix-lease-tools libhelix-lease1")
        self.check("modprobe -r helix_lease || rmmod helix_lease")
        check(ours, "dpkg names no file")
        left = self.check("for f in " + " ".join(ours) + "; do [ ! -e $f ] || echo $f; done; "
                          "find / -xdev -iname '*helix*' ! -path '/root/*'; "
                          "find /dev /run -iname '*helix*' ! -path '/run/systemd/*' ! -path '/run/udev/*'; true").split()
        left = [p for p in left if p.startswith(("/dev/", "/run/")) or not NOT_OURS.match(p)]
        check(not left, "\n".join(left))
        units = self.check("systemctl list-units --all --plain --no-legend 'helix*'; systemctl list-unit-files --no-legend 'helix*'; true")
        check(not units.strip(), units)

    def was_there(self, path):
        return (self.entry / "tree" / path.lstrip("/")).is_dir()

    def cases(self):
        return [("guest: boots with its module, which root alone may open", self.booted),
                ("guest: a client starts the broker by its socket", self.socket),
                ("guest: an upgrade starts the broker again and keeps module and leases", self.upgrade),
                ("guest: purged while it runs, nothing is left", self.purge)]
