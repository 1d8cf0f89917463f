#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""The Debian packages in clean trees: installed, upgraded and purged on a host and in a guest.

Runs in the build root. HELIX_TREE_HOST and HELIX_TREE_GUEST are the cache entries of the trees.
With HELIX_PACKAGES_BOOT the guest's is booted as well, with what is in the packages and nothing else.
usage: test_packages.py PACKAGES WORK, the packages in PACKAGES/old and those of the next version in PACKAGES/new.
"""
import os
import signal
import sys
from pathlib import Path

sys.dont_write_bytecode = True
TOP = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(Path(__file__).resolve().parent), str(TOP / "tests/e2e")]
from report import check, run  # noqa: E402
from running import Running  # noqa: E402
from tree import Tree, differences  # noqa: E402

HOST = ("helix-exportd", "helix-qemu")
GUEST = ("helix-lease-dkms", "helix-lease-tools", "helix-login1", "libhelix-lease1")


def install(tree, names, folder="/mnt/old"):
    """As a user does; there is no network to get anything else by."""
    tree.check("apt-get install -y --no-install-recommends " + " ".join(f"{folder}/{n}_*.deb" for n in names))


def installed(tree, name):
    return tree.check(f"dpkg-query -f '${{db:Status-Abbrev}} ${{Version}}' -W {name}").split()


def verify(tree, names):
    """Every unit of these packages, with the programs and the manual pages that it names."""
    units = tree.check(f"dpkg -L {' '.join(names)} | grep /systemd/system/. | sort").split()
    check(units, "there are no units")
    said = tree.check("systemd-analyze verify " + " ".join(units))
    check(not said.strip(), said)


def manuals(tree, names):
    pages = [p.rsplit("/", 1)[1] for p in tree.check(f"dpkg -L {' '.join(names)} | grep '/usr/share/man/.*gz'").split()]
    for page in pages:
        name, section = page.removesuffix(".gz").rsplit(".", 1)
        said = tree.check(f"MANWIDTH=100 man {section} {name}")
        check("NAME" in said, f"man {section} {name} shows: {said[:200]}")
    programs = tree.check(f"dpkg -L {' '.join(names)} | grep -E '^/usr/s?bin/.'").split()
    for program in programs:
        check(any(p.startswith(program.rsplit("/", 1)[1] + ".") for p in pages), f"{program} has no manual page")


class Host:
    def __init__(self, entry, work, packages):
        self.tree = Tree(f"{entry}/tree", f"{work}/host", packages)
        self.before = self.tree.files()

    def install(self):
        install(self.tree, HOST)
        self.tree.check("getent passwd helix-exportd")

    def programs(self):
        version = installed(self.tree, "helix-exportd")[1]
        check(version in self.tree.check("helix-exportd --version"), "helix-exportd does not say its version")
        self.tree.check("helix-viewer --help")
        self.tree.check("setpriv --reuid helix-exportd --regid helix-exportd --init-groups "
                        "helix-exportd --config /etc/helix/exportd.conf --check-config")
        self.tree.check("test -s /usr/share/helix/web/index.html && test -s /usr/share/helix/openapi.yaml")

    def qemus(self):
        check("helix-control" in self.tree.check("helix-qemu-system-x86_64 -device help"), "helix-qemu has no helix-control")
        check("helix-control" not in self.tree.check("qemu-system-x86_64 -device help"), "Debian's QEMU has become ours")
        said = self.tree.check("dpkg --verify qemu-system-x86 qemu-system-common qemu-system-data seabios")
        check(not said, said)
        # Without it, a machine with a VGA does not start: firmware is found.
        self.tree.check("echo quit | helix-qemu-system-x86_64 -accel tcg -display none -vga std -nic user,model=virtio-net-pci "
                        "-S -monitor stdio")

    def verify(self):
        verify(self.tree, HOST)

    def manuals(self):
        manuals(self.tree, HOST)

    def upgrade(self):
        self.tree.check("echo '# ours' >>/etc/helix/exportd.conf")
        install(self.tree, ["helix-exportd"], "/mnt/new")
        check(installed(self.tree, "helix-exportd")[1].endswith("+1"), "it is the old one")
        check("# ours" in self.tree.check("cat /etc/helix/exportd.conf"), "the upgrade took the administrator's configuration")

    def remove(self):
        self.tree.check("apt-get remove -y " + " ".join(HOST))
        check("# ours" in self.tree.check("cat /etc/helix/exportd.conf"), "a removal took the configuration")
        self.tree.check("apt-get purge -y " + " ".join(HOST))
        left = differences(self.before, self.tree.files())
        check(not left, "\n".join(left))

    def cases(self):
        return [("host: the packages are installed beside Debian's QEMU", self.install),
                ("host: the programs run, with the configuration that is installed", self.programs),
                ("host: either QEMU is itself, and ours finds its firmware", self.qemus),
                ("host: systemd has nothing to say of the units", self.verify),
                ("host: every program has its manual page", self.manuals),
                ("host: an upgrade keeps what the administrator wrote", self.upgrade),
                ("host: removed and purged, nothing is left", self.remove)]


class Guest:
    def __init__(self, entry, work, packages):
        self.tree = Tree(f"{entry}/tree", f"{work}/guest", packages)
        self.before = self.tree.files()
        self.release = next((self.tree.path / "usr/lib/modules").iterdir()).name

    def module(self, field):
        return self.tree.check(f"modinfo -k {self.release} -F {field} helix_lease").strip()

    def install(self):
        install(self.tree, GUEST)
        self.tree.check("getent group helix")

    def built(self):
        check("/updates/dkms/" in self.module("filename"), f"the module is {self.module('filename')}")
        check(self.module("vermagic").startswith(self.release + " "), f"it is made for {self.module('vermagic')}")
        status = self.tree.check("dkms status helix-lease")
        check(": installed" in status, status)
        signer = self.module("signer")
        check("DKMS" in signer, f"it is signed by '{signer}'")

    def programs(self):
        check(installed(self.tree, "helix-lease-tools")[1] in self.tree.check("helixctl --version"), "helixctl does not say its version")
        self.tree.check("helix-leased --help")

    def verify(self):
        verify(self.tree, GUEST)
        self.tree.check("udevadm verify /usr/lib/udev/rules.d/60-helix-lease.rules /usr/lib/udev/rules.d/61-helix-host.rules")

    def manuals(self):
        manuals(self.tree, GUEST)

    def upgrade(self):
        install(self.tree, GUEST, "/mnt/new")
        for name in GUEST:
            check(installed(self.tree, name)[1].endswith("+1"), f"{name} is the old one")
        self.built()

    def remove(self):
        self.tree.check("apt-get purge -y " + " ".join(GUEST))
        left = differences(self.before, self.tree.files())
        check(not left, "\n".join(left))

    def cases(self):
        return [("guest: the packages are installed", self.install),
                ("guest: DKMS has built the module for the installed kernel, and signed it", self.built),
                ("guest: the programs run", self.programs),
                ("guest: systemd and udev have nothing to say of units and rules", self.verify),
                ("guest: every program has its manual page", self.manuals),
                ("guest: an upgrade builds the module anew", self.upgrade),
                ("guest: purged, nothing is left", self.remove)]


def main():
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    packages, work = Path(sys.argv[1]).resolve(), Path(sys.argv[2]).resolve()
    host = Host(os.environ["HELIX_TREE_HOST"], work, packages)
    guest = Guest(os.environ["HELIX_TREE_GUEST"], work, packages)
    if not os.environ.get("HELIX_PACKAGES_BOOT"):
        return run(host.cases() + guest.cases())
    running = Running(host.tree, guest.tree, os.environ["HELIX_TREE_GUEST"], work)
    try:
        return run(host.cases()[:-2] + guest.cases()[:-2] + running.cases() + [("the machine is stopped", running.stop)] +
                       host.cases()[-2:] + guest.cases()[-2:])
    finally:
        running.stop()


if __name__ == "__main__":
    sys.exit(main())
