# SPDX-License-Identifier: GPL-2.0-only
"""A Debian tree to install packages in: a copy of one of the cache's, entered with chroot.

What runs in it has /proc, /dev, an empty /run and /tmp, no network, and the packages
under /mnt; when it ends, so does all that it started.
"""
import hashlib
import os
import re
import stat
import subprocess
from pathlib import Path

# Not of a package: mounted, or kept by dpkg, apt, ldconfig, depmod, man-db and DKMS for
# themselves. dpkg's own lists of a package's files and scripts are looked at.
NOT_OURS = re.compile(
    r"^/(proc|sys|dev|run|tmp|mnt)(/|$)|^/var/(cache|log)(/|$)|^/etc/ld\.so\.cache$"
    r"|^/var/lib/dpkg/(status|lock|available|diversions|statoverride|triggers|updates|info/(format|.*:all\.md5sums))"
    r"|^/var/lib/(apt|systemd)/[^/]*$|^/usr/lib/modules/[^/]*/modules\.[^/]*$|^/var/lib/dkms/mok\.")
# Users and groups stay, as Debian has it: another one with the number would own what they left.
ACCOUNTS = re.compile(r"^/etc/(passwd|group|shadow|gshadow|subuid|subgid)-?$")
ENTER = r"""
set -e
tree=$1 packages=$2
shift 2
mount -t proc proc "$tree/proc"
mount --rbind /dev "$tree/dev"
for dir in run tmp; do mount -t tmpfs -o mode=1777 tmpfs "$tree/$dir"; done
mount --bind "$packages" "$tree/mnt"
exec chroot "$tree" env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LANG=C.UTF-8 DEBIAN_FRONTEND=noninteractive TERM=dumb "$@"
"""


class Tree:
    def __init__(self, source, path, packages):
        self.path = Path(path)
        self.packages = packages
        subprocess.run(["rm", "-rf", "--one-file-system", str(path)], check=True)
        self.path.parent.mkdir(parents=True, exist_ok=True)
        subprocess.run(["cp", "-a", "--reflink=auto", str(source), str(path)], check=True, timeout=600)

    def run(self, command, timeout=600):
        """Its status and all that it said."""
        done = subprocess.run(
            ["unshare", "--mount", "--net", "--pid", "--fork", "--kill-child", "--propagation", "private",
             "sh", "-c", ENTER, "sh", str(self.path), str(self.packages), "sh", "-c", command],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace", timeout=timeout)
        return done.returncode, done.stdout

    def check(self, command, timeout=600):
        status, said = self.run(command, timeout)
        assert status == 0, f"status {status}: {command}\n" + "\n".join(said.splitlines()[-40:])
        return said

    def files(self):
        """path -> what it is, with the contents of what is small."""
        found = {}
        for folder, names, files in os.walk(self.path):
            for name in names + files:
                path = Path(folder) / name
                shown = "/" + str(path.relative_to(self.path))
                if NOT_OURS.match(shown) or ACCOUNTS.match(shown):
                    if name in names:
                        names.remove(name)
                    continue
                info = path.lstat()
                what = f"{stat.filemode(info.st_mode)} {info.st_uid}:{info.st_gid}"
                if stat.S_ISLNK(info.st_mode):
                    what += f" {os.readlink(path)}"
                elif stat.S_ISREG(info.st_mode):
                    what += f" {info.st_size}"
                    if info.st_size < 65536 and shown.startswith(("/etc/", "/var/")):
                        what += " " + hashlib.sha256(path.read_bytes()).hexdigest()
                found[shown] = what
        return found


def differences(before, after):
    """What came, went and changed, as lines."""
    return [f"+ {p} {after[p]}" for p in sorted(after.keys() - before.keys())] + \
           [f"- {p} {before[p]}" for p in sorted(before.keys() - after.keys())] + \
           [f"~ {p}: {before[p]}, now {after[p]}" for p in sorted(before.keys() & after.keys()) if before[p] != after[p]]
