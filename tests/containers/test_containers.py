#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""Scanouts for containers, as their users ask for them: the commands of Documentation/containers.rst.

One boot of a guest with podman, crun, runc, systemd-nspawn, Docker and containerd in it; the
cases come in order. Prints TAP. Runs in the build root, with the environment of
scripts/with-parts and HELIX_CONTAINERS, the cache entry of the runtimes.
"""
import contextlib
import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

sys.dont_write_bytecode = True
TOP = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(TOP / part) for part in ("scripts", "tests/e2e", "tests/compositors")]
import yaml  # noqa: E402
from calm import calm  # noqa: E402
from common import Hand  # noqa: E402
from report import HANG, check, run_whole, wait_long  # noqa: E402
from vm.system import System  # noqa: E402

DESKTOPS = 4    # of which the machine has input devices
OUTPUT = Path("build/containers")
MANIFESTS = TOP / "deploy/kubernetes"
PROGRAMS = "/opt/kubernetes"        # in the guest

# The guest's own /usr with the runtimes' over it; the rest is copied where there is nothing yet.
LAY_OVER = """set -e
mkdir -p /run/parts
mount -o ro /dev/vdc /run/parts
mount -t overlay -o ro,lowerdir=/run/parts/usr:/usr overlay /usr
for part in etc var; do cp -an /run/parts/$part/. /$part/; done
groupadd --force --system docker
# There is nothing to filter or to route, and no network in any of the containers.
echo 'DOCKER_OPTS="--iptables=false --ip6tables=false --bridge=none"' >/etc/default/docker
systemctl daemon-reload
udevadm settle --timeout=600
"""


def commands(page):
    """The literal blocks of a page: title of a section -> its blocks, in order."""
    found, title, block = {}, None, None
    lines = page.read_text().splitlines()
    for number, line in enumerate(lines):
        if block is not None and (line.startswith("    ") or not line):
            block.append(line[4:])
            continue
        if block is not None:
            found[title].append("\n".join(block).strip() + "\n")
            block = None
        if re.fullmatch("=+", line) and number and lines[number - 1]:
            title = lines[number - 1]
            found[title] = []
        elif line.endswith("::") and not line.startswith(".."):
            block = []
    return found


class Cases:
    def __init__(self, system, page):
        self.system = system
        self.agent = system.agent
        self.page = commands(page)
        self.pids = {}

    # --- what the cases are made of ---

    def bash(self, text):
        return self.agent.run(["/bin/bash", "-e", "-c", text], HANG)

    def run(self, section, number):
        """A block of the page, as it stands there."""
        text = self.page[section][number]
        result = self.bash(text)
        check(result.status == 0, f"status {result.status} of\n{text}{result.out}{result.err}")
        return result.out

    def check(self, text):
        return self.agent.check(text, HANG)

    def put(self, path, data, mode="644"):
        self.agent.run(["/bin/sh", "-ec", f'mkdir -p "${{1%/*}}"; cat >"$1"; chmod {mode} "$1"', "sh", path], HANG, data)

    def kubelet(self, *arguments, stdin=""):
        result = self.agent.run([f"{PROGRAMS}/standin-kubelet", *arguments], HANG, stdin.encode())
        check(result.status == 0, f"standin-kubelet {' '.join(arguments)}: status {result.status}\n{result.out}{result.err[-3000:]}")
        return json.loads(result.out)

    def wait(self, condition, text):
        return wait_long(condition, text, every=0.3)

    def scanouts(self):
        return {row["scanout"]: row for row in json.loads(self.check("helixctl list --json"))}

    def leased(self):
        return sorted(n for n, row in self.scanouts().items() if row["state"] == "leased")

    def pid(self, name):
        """The container's first process. Podman is asked once for each: under emulation that takes seconds."""
        if name not in self.pids or self.agent.run(f"kill -0 {self.pids[name]}", HANG).status != 0:
            self.pids[name] = int(self.inspect(name, "Pid"))
        return self.pids[name]

    def inside(self, name, command):
        """Where the container's first process is, at once; podman's own exec takes seconds, too."""
        result = self.agent.run(f"nsenter --mount --target {self.pid(name)} -- /bin/sh -ec {shlex.quote(command)}", HANG)
        check(result.status == 0, f"in {name}: {command}: status {result.status}: {result.out}{result.err}")
        return result.out

    def said(self, text):
        """By the hook, to whoever looks for the reason."""
        self.wait(lambda: text in self.check("journalctl -q --no-pager -o cat -t helixctl"),
                  lambda: f"{text}; what is said is " + self.check("journalctl -q --no-pager -o cat -t helixctl"))

    def inspect(self, name, what, engine="podman"):
        return self.agent.run(f"{engine} inspect --format '{{{{.State.{what}}}}}' {name}", HANG).out.strip()

    def crtc_on(self, scanout):
        """As the kernel says."""
        text = self.check("cat /sys/kernel/debug/dri/*02.0/state 2>/dev/null || cat /sys/kernel/debug/dri/0/state")
        output = self.scanouts()[scanout]["output"]
        crtc = re.search(rf"^crtc\[\d+\]: crtc-{output}\n(?:\t.*\n)*", text, re.M)
        check(crtc, f"the kernel has no crtc-{output}")
        return "\tactive=1" in crtc.group(0)

    def shows(self, scanout, size=(1280, 720), log="true"):
        """A viewer gets frames of it, in the size asked for."""
        report = OUTPUT / f"scanout-{scanout}.json"

        def seen():
            report.unlink(missing_ok=True)
            done = subprocess.run(
                [str(self.system.viewer_binary), "--url", self.system.exportd.url, "--scanout", str(scanout), "--wait", "60",
                 "--for", "2", "--output", str(report), "--quiet"],
                stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=HANG)
            rows = json.loads(report.read_text())["desktops"] if report.exists() else []
            row = next((row for row in rows if row["scanout"] == scanout), None)
            good = done.returncode == 0 and row and row["frames"] > 1 and (row["width"], row["height"]) == size
            return row if good else None
        row = self.wait(seen, lambda: f"frames of scanout {scanout} in {size}; it is {self.scanouts()[scanout]}\n"
                        + self.agent.run(log, HANG).out[-3000:])
        return f"scanout {scanout}: {row['frames']} frames of {row['width']}x{row['height']}"

    def blank(self, *scanouts):
        for scanout in scanouts:
            self.wait(lambda: self.scanouts()[scanout]["state"] == "free", lambda: f"free is {self.scanouts()[scanout]}")
            check(not self.crtc_on(scanout), f"scanout {scanout} is free, and its CRTC is on")
        check(not self.leased(), f"leased are still {self.leased()}")

    def own(self, scanout):
        """What a container on it has in its folders of /dev, and no more."""
        text = self.check("for e in /sys/class/input/event*; do echo ${e##*/} $(cat $e/device/uniq); done")
        inputs = {line.split()[0] for line in text.splitlines() if line.split()[1:] == [f"helix-{scanout}"]}
        minor = self.scanouts()[scanout]["dev_minor"]
        return {"dri": {"card0", f"card{minor}", "renderD128"}, "helix": {f"scanout{scanout}"}, "input": inputs}

    def has_its_own(self, name, scanout):
        wanted = self.own(scanout)
        check(len(wanted["input"]) >= 2, f"the guest has {sorted(wanted['input'])} for scanout {scanout}")
        # A line for each, in the order asked for.
        listed = self.inside(name, "for d in " + " ".join(wanted) + "; do cd /dev/$d; echo *; done").splitlines()
        for (folder, names), line in zip(wanted.items(), listed, strict=True):
            found = set(line.split())
            check(found == names, f"{name} has in /dev/{folder} {sorted(found)}, scanout {scanout} has {sorted(names)}")
        ours = self.check(f"stat -c %t:%T /dev/helix/scanout{scanout}").strip()
        theirs = self.inside(name, "stat -c %t:%T /dev/dri/card*").split()
        check(theirs == [ours] * 2, f"the cards of {name} are {theirs}, scanout{scanout} is {ours}")
        records = set(self.inside(name, "cd /run/udev/data && echo c13:*").split())
        minors = self.check("cd /dev/input && stat -c %T " + " ".join(wanted["input"])).split()
        devices = {f"c13:{int(minor, 16)}" for minor in minors}
        check(records == devices, f"{name} sees udev's {sorted(records)}, its devices are {sorted(devices)}")
        said = self.inside(name, "touch /run/udev/data/probe 2>&1 || :")
        check("Read-only" in said, f"{name} can write udev's records: {said}")

    def got(self, name):
        """The scanout that a container has got, from what is in its /dev."""
        found = re.findall(r"^scanout(\d+)$", self.inside(name, "ls /dev/helix"), re.M)
        check(len(found) == 1, f"{name} has {found} in /dev/helix")
        return int(found[0])

    # --- the cases, in order ---

    def boot(self):
        self.system.start()
        self.system.machine.wait_agent(HANG)
        self.check("for i in $(seq 480); do [ -e /dev/helix/scanout15 ] && mountpoint -q /var/lib/helix/images/desktop && "
                   "exit; sleep 0.5; done; exit 1")
        calm(self.agent, "weston-simple-e")
        self.check(LAY_OVER)
        return self.check("podman --version; crun --version | head -n 1; runc --version | head -n 1; docker --version; containerd --version")

    def specification(self):
        """As many as there are, with the input devices that came after them."""
        def current():
            text = self.agent.run("cat /run/cdi/helix.dev-scanout.json", HANG).out
            edits = {one["name"]: one["containerEdits"] for one in json.loads(text or '{"devices": []}')["devices"]}
            if set(edits) != {str(n) for n in self.scanouts()} | {"any"}:
                return False
            return all({node["path"] for node in edits[str(n)]["deviceNodes"] if node["path"].startswith("/dev/input/")}
                       == {f"/dev/input/{name}" for name in self.own(n)["input"]} for n in range(1, DESKTOPS + 1))
        self.wait(current, "the specification has every scanout and its input devices")
        once = self.check("helixctl cdi generate --output -")
        kept = self.check("cat /run/cdi/helix.dev-scanout.json")
        check(json.loads(once) == json.loads(kept), "helixctl cdi generate says something else than helix-leased")

    def by_number(self):
        self.run("podman", 0)
        check(self.leased() == [3], f"leased are {self.leased()}")
        return self.shows(3, log="podman logs desk3 2>&1")

    def devices(self):
        self.has_its_own("desk3", 3)
        owner, pid = self.scanouts()[3]["owner_pid"], self.pid("desk3")
        check(owner == pid, f"the owner is {owner}, the container's first process {pid}")

    def told_of_a_size(self):
        """Weston writes that it has heard of it, in a network namespace that udevd is not in, and takes it when its monitor comes."""
        nets = self.check("readlink /proc/1/ns/net /proc/%s/ns/net" % self.pid("desk3")).split()
        check(nets[0] != nets[1], f"the container is in the guest's network namespace {nets}")
        self.run("Another size", 0)
        wait_long(lambda: "Detected a monitor change" in self.check("podman logs desk3 2>&1"),
                  lambda: "it has heard of it; " + self.check("podman logs desk3 2>&1 | tail -n 20; journalctl -q --no-pager -o cat -u helix-leased"),
                  every=5)
        self.shows(3, (1024, 768), "podman logs desk3 2>&1")
        self.check("helixctl resize 3 1280x720")
        self.shows(3, log="podman logs desk3 2>&1")

    def taken(self):
        result = self.bash(self.page["podman"][0].replace("--name desk3", "--name second"))
        check(result.status != 0, "scanout 3 was given away twice")
        self.said("helix.dev/scanout=3: acquire: scanout 3 is taken")
        check(self.leased() == [3], f"leased are {self.leased()}")
        self.check("podman rm --force --time 0 second")

    def any_one(self):
        self.run("podman", 1)
        mine = self.got("desk")
        check(mine != 3, "it has scanout 3, which is taken")
        self.has_its_own("desk", mine)
        row = self.scanouts()[mine]
        check((row["label"], row["width"], row["height"]) == ("desk", 1024, 768), f"it is {row}")
        uids = self.check("grep ^Uid /proc/%s/status" % self.pid("desk")).split()[1:]
        check(set(uids) == {"1000"}, f"it runs as {uids}")
        check(f"scanout{mine}" in self.run("podman", 2), "the page's commands show no scanout")
        return self.shows(mine, (1024, 768), "podman logs desk 2>&1")

    def refuses_others(self, name, *others):
        """With every capability, from outside, in the container's control group: only that is left to refuse."""
        mine = self.got(name)
        rows = self.scanouts()
        for scanout in (mine, *others, 9):
            row = rows[scanout]
            said = self.check(
                "g=/sys/fs/cgroup$(cut -d: -f3 /proc/%d/cgroup); "
                "mknod /dev/helix-probe c %d %d; (echo $BASHPID >$g/cgroup.procs; (exec 3<>/dev/helix-probe) 2>&1 && echo opened); "
                "rm -f /dev/helix-probe" % (self.pid(name), row["dev_major"], row["dev_minor"]))
            if scanout == mine:
                check("opened" in said, f"{name} is refused its own scanout: {said}")
            else:
                check("not permitted" in said, f"{name} may open scanout {scanout}: {said}")

    def refused(self):
        self.refuses_others("desk", 3)
        self.refuses_others("desk3", self.got("desk"))

    def killed(self):
        mine = self.got("desk")
        self.run("podman", 3)
        self.blank(3, mine)

    def two_at_once(self):
        names, got = ("at-once-1", "at-once-2"), []
        for name in names:
            text = self.page["podman"][1].replace("--name desk ", f"--name {name} ")
            self.check(f"systemd-run --quiet --collect --no-block --property=KillMode=none --unit=start-{name} "
                       f"bash -e -c {shlex.quote(text)}")
        for name in names:
            wait_long(lambda: self.inspect(name, "Running") == "true",
                      lambda: f"{name} runs; " + self.agent.run(f"journalctl -q --no-pager -o cat -u start-{name}").out, every=5)
            got.append(self.got(name))
        check(sorted(got) == self.leased(), f"they have {got}, leased are {self.leased()}")
        for name, scanout in zip(names, got):
            self.has_its_own(name, scanout)
        self.check(f"podman kill {names[0]}; podman rm --force --time 0 {names[0]} {names[1]}")
        self.blank(*got)
        return f"scanouts {got[0]} and {got[1]}"

    def nobody_left(self):
        self.run("podman", 0)
        pids = [self.inspect("desk3", "ConmonPid"), self.inspect("desk3", "Pid")]
        self.check(f"systemctl kill -s KILL helix-leased; kill -KILL {' '.join(pids)}")
        self.wait(lambda: self.agent.run("helixctl list", HANG).status == 0, "the broker runs again")
        self.blank(3)
        self.agent.run("podman rm --force --time 0 desk3", HANG)

    def revoked(self):
        """The node stays in the first container, whose device cgroup lets it open that scanout."""
        run = ("podman run --detach --name %s --network none --device helix.dev/scanout=5 "
               "--rootfs /var/lib/helix/images/desktop:O sleep 10000")
        opens = "podman exec %s sh -c '(exec 3<>/dev/dri/card0) 2>&1 && echo opened'"
        self.check(run % "before")
        self.check("helixctl revoke 5")
        said = self.agent.run(opens % "before", HANG).out
        check("No such device" in said, f"of a scanout that is free it is told: {said}")
        self.check(run % "after")
        said = self.agent.run(opens % "after", HANG).out
        check("opened" in said, f"the new tenant is told: {said}")
        said = self.agent.run(opens % "before", HANG).out
        check("not permitted" in said, f"the old tenant may open the new one's scanout: {said}")
        self.check("podman rm --force --time 0 before after")
        self.blank(5)

    def listener(self, name):
        """A container on scanout 4 that reads all its event nodes for as long as they are there, and lives on after that."""
        self.check(f"podman run --detach --name {name} --network none --device helix.dev/scanout=4 "
                   "--rootfs /var/lib/helix/images/desktop:O sh -c "
                   "'cd /dev/input; for e in event*; do cat $e >/tmp/heard-$e 2>/tmp/said-$e & done; sleep 10000'")

    def heard(self, name):
        """Bytes of each event node."""
        return [int(size) for size in self.inside(name, "stat -c %s /tmp/heard-*").split()]

    def typed(self, name):
        """On scanout 4, until the container hears it. Where there is no picture there is nothing to point at."""
        check(len(self.heard(name)) == len(self.own(4)["input"]), f"{name} listens to {self.heard(name)}")
        with Hand(self.system.exportd.port, 4) as hand:
            self.wait(lambda: hand.type("a") or any(self.heard(name)), lambda: f"{name} hears what is typed: {self.heard(name)}")

    def dead(self, name):
        """Of every event node that the container had opened it was told that the device is gone."""
        count = len(self.heard(name))
        check(count == 3, f"{name} had {count} devices open, and a scanout has a keyboard, a tablet and a touch screen")
        self.wait(lambda: self.inside(name, "cat /tmp/said-*").count("No such device") == count,
                  lambda: f"{name} hears nothing of {count} devices: {self.inside(name, 'head /tmp/said-*')}"
                  + self.check("journalctl -q --no-pager -o cat -u helix-leased"))

    def opens(self, name):
        """Whether it may, of the scanout's node and each of its event nodes, which it still has."""
        said = self.check(f"podman exec {name} sh -c 'for e in /dev/dri/card0 /dev/input/event*; do "
                          "if (exec 3<$e) 2>/tmp/why; then echo opened; else cat /tmp/why; fi; done'").splitlines()
        check(len(said) == 1 + len(self.own(4)["input"]), f"{name} has {said}")
        kinds = {next((kind for kind in ("opened", "not permitted") if kind in line), line) for line in said}
        check(len(kinds) == 1, f"{name} is told {said}")
        return kinds.pop() == "opened"

    def unheard(self):
        """Two tenants of a scanout one after the other, of which the first lives on; and one whose lease ends with no broker there."""
        numbers = "cd /dev/input; stat -c '%n %T' event*"
        were = self.check(numbers)
        self.listener("first")
        self.typed("first")
        self.check("helixctl revoke 4")
        self.dead("first")
        heard = self.heard("first")
        self.listener("second")
        now = self.check(numbers)
        check(now == were, f"the event nodes were\n{were}they are\n{now}")
        self.typed("second")
        check(self.heard("first") == heard, "the first tenant hears what is typed for the second")
        check(not self.opens("first"), "the first tenant may open the second's event nodes")
        check(self.opens("second"), "the second tenant may not open its own")
        # The next broker is told by nobody: it finds that out.
        self.check("systemctl stop helix-leased.socket helix-leased; helixctl --direct revoke 4; systemctl start helix-leased.socket helix-leased")
        self.dead("second")
        self.wait(lambda: self.check(numbers) == were, "the devices are back")
        # What the first was shut out of is its own again with the scanout.
        self.check("podman rm --force --time 0 second")
        self.check(f"systemd-run --quiet --unit again helixctl acquire --scanout 4 --cgroup --pid {self.pid('first')}")
        self.wait(lambda: self.leased() == [4], "the first tenant has its scanout again")
        check(self.opens("first"), "the first tenant may not open what is its own again")
        said = self.check("journalctl -q --no-pager -o cat -u helix-leased | grep 'input devices are new'")
        self.check("podman rm --force --time 0 first")
        self.blank(4)
        return said

    def with_runc(self):
        start, _, end = self.page["podman"][4].rpartition("podman rm")
        result = self.bash(start)
        check(result.status == 0, f"{result.out}{result.err}")
        scanout = self.got("deskr")
        self.has_its_own("deskr", scanout)
        said = self.shows(scanout, log="podman logs deskr 2>&1")
        self.check("podman rm" + end)
        self.blank(scanout)
        return said

    def user_namespace(self):
        for block in range(2):
            self.run("User namespaces", block)
        mine = self.got("desku")
        uids = self.check("grep ^Uid /proc/%s/status" % self.pid("desku")).split()[1:]
        check(set(uids) == {"2147483648"}, f"it runs as {uids}")
        self.has_its_own("desku", mine)
        owners = set(self.inside("desku", "stat -c %u:%a /dev/dri/* /dev/helix/* /dev/input/*").split())
        check(owners == {"2147483648:660"}, f"its nodes are {owners}")
        self.refuses_others("desku")
        return self.shows(mine, log="podman logs desku 2>&1")

    def zapped(self, mine):
        """Weston ends itself by Control, Alt and Backspace: it has the viewer's keys."""
        def ended():
            state = self.scanouts()[mine]["state"]
            # One that is ending takes no viewer, and hangs up.
            with contextlib.suppress(OSError, AssertionError):
                if state == "leased":
                    with Hand(self.system.exportd.port, mine) as hand:
                        hand.key("Backspace", "ControlLeft", "AltLeft")
            return state == "free"
        wait_long(ended, f"the desktop on scanout {mine} ends by its keyboard", every=2)
        self.blank(mine)

    def user_namespace_ended(self):
        self.zapped(self.got("desku"))
        self.run("User namespaces", 2)

    def alice(self, text, user="alice", good=True):
        """As a user of the guest, in his own session."""
        run = f"/run/user/$(id -u {user})"
        result = self.bash(
            f"setpriv --reuid {user} --regid {user} --init-groups env HOME=/home/{user} XDG_RUNTIME_DIR={run} "
            f"DBUS_SESSION_BUS_ADDRESS=unix:path={run}/bus systemd-run --user --quiet --pipe --wait --collect "
            f"--property KillMode=none --working-directory /home/{user} bash -e -c {shlex.quote(text)}")
        check(result.status == 0 or not good, f"status {result.status} of {user}'s\n{text}{result.out}{result.err}")
        return result.out

    def opened(self, user):
        """The nodes of scanouts and input devices that a user may open, in no container."""
        text = "for n in /dev/helix/scanout* /dev/input/event*; do (exec 3<>$n) 2>/dev/null && echo ${n##*/}; done; :"
        return set(self.check(f"setpriv --reuid {user} --regid {user} --init-groups bash -c {shlex.quote(text)}").split())

    def rootless(self):
        self.check("for u in alice bob; do useradd --create-home $u; done")
        self.run("Rootless podman", 0)
        wait_long(lambda: self.agent.run("test -S /run/user/$(id -u alice)/bus").status == 0, "alice has a session")
        self.alice(self.page["Rootless podman"][1])
        found = [row for row in self.scanouts().values() if row["state"] == "leased"]
        uid = int(self.check("id -u alice"))
        check([(row["label"], row["owner_uid"]) for row in found] == [("deska", uid)], f"leased are {found}")
        self.mine, self.pids["deska"] = found[0]["scanout"], found[0]["owner_pid"]
        check(self.got("deska") == self.mine, f"it has another than scanout {self.mine}")
        self.has_its_own("deska", self.mine)
        return self.shows(self.mine)

    def rootless_alone(self):
        """Only she may open them; the scanout's node, only her container, which is in its control group."""
        own = self.own(self.mine)["input"]
        check(self.opened("alice") == own, f"alice may open {self.opened('alice')}, her desktop has {own}")
        check(not self.opened("bob"), f"bob may open {self.opened('bob')}")
        within = "(exec 3<>/dev/dri/card0) && echo opened"
        check("opened" in self.alice(f"podman exec deska bash -c {shlex.quote(within)}"), "in the container it does not open")

    def ear(self, node):
        """She has it open, and bound elsewhere, in no container; says what becomes of both when there is a file "now"."""
        self.put("/home/alice/ear", f"""import os, subprocess, time
open("bound", "w").close()
subprocess.run(["mount", "--bind", "{node}", "bound"], check=True)
heard = os.open("bound", os.O_RDONLY | os.O_NONBLOCK)
open("ready", "w").close()
while not os.path.exists("now"):
    time.sleep(0.2)
for what in (lambda: os.read(heard, 4096), lambda: os.open("bound", os.O_RDONLY)):
    try:
        what()
        print("works")
    except OSError as error:
        print(os.strerror(error.errno))
""".encode())
        self.alice("systemd-run --user --quiet --unit ear --working-directory /home/alice --property StandardOutput=file:/home/alice/said "
                   "unshare --user --map-root-user --mount python3 ear")
        wait_long(lambda: self.agent.run("test -e /home/alice/ready").status == 0, "alice has it open")

    def rootless_restarted(self):
        """The broker's death takes nothing from her, and what ends while it is dead is not hers when it is back."""
        own = self.own(self.mine)["input"]
        self.ear(f"/dev/input/{min(own)}")
        self.check("systemctl kill -s KILL helix-leased")
        wait_long(lambda: self.agent.run("helixctl list", HANG).status == 0, "the broker runs again")
        check(self.opened("alice") == own, f"alice may open {self.opened('alice')}, her desktop has {own}")
        self.check(f"systemctl stop helix-leased.socket helix-leased; kill -KILL {self.pid('deska')}")
        wait_long(lambda: self.agent.run(f"grep -q '^{self.mine} free ' /sys/kernel/debug/helix_lease/scanouts").status == 0, "its scanout is free")
        check(self.opened("alice"), "something has taken them back without the broker, and this case tries nothing")
        self.check("systemctl start helix-leased.socket helix-leased")
        wait_long(lambda: not self.opened("alice"), lambda: f"alice may open {self.opened('alice')}, and has no lease")
        # Before it is granted again: whoever comes next is told only then.
        self.check(f"helixctl run --scanout {self.mine} -- true; touch /home/alice/now")
        said = wait_long(lambda: self.check("cat /home/alice/said").splitlines()[1:] and self.check("cat /home/alice/said"), "alice says what became of it")
        check(said.splitlines() == ["No such device", "Permission denied"], f"what she had open and bound: {said}")
        self.alice(self.page["Rootless podman"][2])
        self.blank(self.mine)

    def rootless_revoked(self):
        """What is left of her nodes in her container opens nothing, nor when they are another's."""
        run = ("podman run --detach --name %s --network none --device helix.dev/scanout=%d %s "
               "--volume /var/lib/helix/images/desktop/usr:/usr:ro desktop sleep 10000")
        self.alice(run % ("left", self.mine, "--group-add keep-groups"))
        own = sorted(self.own(self.mine)["input"])
        opens = "podman exec left sh -c 'for n in dri/card0 %s; do (exec 3<>/dev/$n) 2>/dev/null && echo $n; done; :'" % (
            " ".join(f"input/{name}" for name in own))
        found = self.alice(opens).split()
        check(len(found) == 1 + len(own), f"of her own she may open {found}")
        self.check(f"helixctl revoke {self.mine}")
        wait_long(lambda: not self.alice(opens), lambda: f"without a lease she may open {self.alice(opens)}")
        self.check(run % ("after", self.mine, "--userns auto"))
        found = self.alice(opens)
        check(not found, f"of another's she may open {found}")
        self.alice("podman rm --force --time 0 left")
        self.check("podman rm --force --time 0 after")
        self.blank(self.mine)

    def lease_of_alice(self, label, uid):
        """The one there is, which has to be of this container of hers."""
        row = self.wait(lambda: next((row for row in self.scanouts().values() if row["state"] == "leased"), None), "it has a lease")
        check((row["label"], row["owner_uid"]) == (label, uid), f"it is {row}")
        self.pids[label] = row["owner_pid"]
        return row

    def rootless_as_herself(self):
        """She is in there who she is outside, and root is another."""
        uid = int(self.check("id -u alice"))
        self.alice(self.page["Rootless podman"][3])
        row = self.lease_of_alice("deskk", uid)
        mine = row["scanout"]
        uids = self.check(f"grep ^Uid /proc/{row['owner_pid']}/status; cat /proc/{row['owner_pid']}/uid_map")
        check(uids.split()[1:5] == [str(uid)] * 4, f"it runs as {uids}")
        self.has_its_own("deskk", mine)
        said = self.shows(mine)
        self.zapped(mine)
        self.alice(self.page["Rootless podman"][4])
        return said

    def rootless_other_roots(self):
        """Who is root in there has an id of hers that is not her own; and so has who is neither."""
        opens = "cd /dev; for n in dri/card0 input/event*; do (exec 3<>$n) && echo $n; done; :"
        own = {"dri/card0"} | {f"input/{name}" for name in self.own(self.mine)["input"]}
        for mode, wanted in (("keep-id", own), ("auto", own), ("nomap", own), ("nomap --user 1234", set())):
            found = self.alice(f"podman run --rm --userns {mode} --network none --group-add keep-groups --device helix.dev/scanout={self.mine} "
                               f"--volume /var/lib/helix/images/desktop/usr:/usr:ro desktop bash -c {shlex.quote(opens)}").split()
            check(set(found) == wanted, f"with --userns {mode} it may open {found}, its own are {sorted(own)}")
            self.blank(self.mine)
            wait_long(lambda: not self.opened("alice"), lambda: f"alice may open {self.opened('alice')}, and has no lease")

    def rootless_with_runc(self):
        uid = int(self.check("id -u alice"))
        self.run("Rootless podman", 5)
        self.alice(self.page["Rootless podman"][6])
        row = self.lease_of_alice("deskr", uid)
        mine = row["scanout"]
        self.has_its_own("deskr", mine)
        groups = self.check(f"grep ^Groups /proc/{row['owner_pid']}/status").split()[1:]
        check(self.check("getent group render").split(":")[2] not in groups, f"it has her groups {groups}, and its render node by them")
        said = self.shows(mine)
        self.alice(self.page["Rootless podman"][7])
        self.blank(mine)
        self.check("setfacl --remove user:alice /dev/dri/renderD128")
        return said

    def rootless_runc(self):
        uid = int(self.check("id -u alice"))
        self.alice(self.page["Rootless runc"][0])
        log = "journalctl -q --no-pager -o cat -n 40 _UID=%d; journalctl -q --no-pager -o cat -n 5 -t helixctl" % uid
        mine = self.wait(self.leased, lambda: "it has a scanout; " + self.check(log))[0]
        row = self.scanouts()[mine]
        check((row["label"], row["owner_uid"]) == ("desk-runc", uid), f"it is {row}")
        self.pids["desk-runc"] = row["owner_pid"]
        self.has_its_own("desk-runc", mine)
        said = self.shows(mine, log=log)
        self.alice(self.page["Rootless runc"][1])
        self.blank(mine)
        return said

    def doubtful(self):
        """A lease whose nodes were another's as it began: by hand, since the broker is too quick for it."""
        entry = "0200000001000600ffffffff02000600%s04000000ffffffff10000600ffffffff20000000ffffffff" % (
            int(self.check("id -u bob")).to_bytes(4, "little").hex())

        def grants():
            before = self.scanouts()[self.mine]["grants"]
            self.check(f"python3 -c 'import os; os.setxattr(\"/dev/helix/scanout{self.mine}\", \"system.posix_acl_access\", "
                       f"bytes.fromhex(\"{entry}\"))'; helixctl run --scanout {self.mine} -- true")
            return self.scanouts()[self.mine]["grants"] - before
        # What udev has to say of the case before may have the broker look, and be too quick again.
        self.wait(lambda: grants() == 2, lambda: "it is granted twice")
        check(not self.opened("bob"), f"bob may open {self.opened('bob')}")
        self.blank(self.mine)

    def crun_alone(self):
        self.run("crun alone", 0)
        scanout = self.leased()[0]
        said = self.shows(scanout, log="cat /run/desk-crun/log")
        found = self.check("crun exec desk-crun ls /dev/helix /dev/input").split()
        own = self.own(scanout)
        check({name for name in found if ":" not in name} == own["helix"] | own["input"], f"it has {found}")
        self.run("crun alone", 1)
        self.blank(scanout)
        return said

    def nspawn(self):
        self.run("systemd-nspawn", 0)
        log = "journalctl -q --no-pager -o cat -u desk-nspawn"
        scanout = self.wait(self.leased, lambda: "it has a scanout; " + self.agent.run(log, HANG).out)[0]
        said = self.shows(scanout, log=log)
        self.run("systemd-nspawn", 1)
        self.blank(scanout)
        return said

    def docker(self):
        self.run("Docker", 0)
        self.run("Docker", 1)
        said = self.run("Docker", 2)
        self.pids["deskd"] = int(self.inspect("deskd", "Pid", "docker"))
        mine = self.got("deskd")
        check(f"scanout{mine}" in said, f"the page's commands show {said}")
        self.has_its_own("deskd", mine)
        row = self.scanouts()[mine]
        check((row["label"], row["width"], row["height"], row["owner_pid"]) == ("deskd", 1024, 768, self.pid("deskd")), f"it is {row}")
        return self.shows(mine, (1024, 768), "docker logs deskd 2>&1")

    def docker_ended(self):
        mine = self.got("deskd")
        self.run("Docker", 3)
        self.blank(mine)

    def manifests(self):
        found = [document for path in sorted(MANIFESTS.glob("*.yaml")) for document in yaml.safe_load_all(path.read_text())]
        for name in ("tests/containers/standin-kubelet", "deploy/kubernetes/scanout-device-plugin"):
            self.put(f"{PROGRAMS}/{Path(name).name}", (TOP / name).read_bytes(), "755")
        broken = json.loads(json.dumps(found[0]))
        broken["metadata"]["name"], broken["spec"]["containers"][0]["securityContext"]["runAsUsr"] = "broken", 1000
        known = self.kubelet("check", stdin=json.dumps([*found, broken]))
        wrong = known.pop("Pod broken")
        check("runAsUsr" in wrong, f"what no manifest knows is not seen: {wrong}")
        check(len(known) == len(found) and not any(known.values()), f"they are {known}")
        return ", ".join(known)

    def vm_ended(self):
        """The script of vm.yaml with a stand-in for QEMU, which is told what is typed to its monitor."""
        vm = next(document for document in yaml.safe_load_all((MANIFESTS / "vm.yaml").read_text()) if document["kind"] == "StatefulSet")
        qemu = next(one for one in vm["spec"]["template"]["spec"]["containers"] if one["name"] == "qemu")
        self.put("/run/vm/helix-qemu-system-x86_64", b"#!/bin/sh\n: >/run/vm/runs; read -r line; echo $line >/run/vm/told\n", "755")
        self.put("/run/vm/start", qemu["args"][0].encode())
        self.check("systemd-run --quiet --unit vm --setenv PATH=/run/vm:$PATH --property KillMode=process bash /run/vm/start; "
                   "for i in $(seq 240); do [ -e /run/vm/runs ] && break; sleep 0.5; done; systemctl stop vm")
        told = self.check("cat /run/vm/told").strip()
        check(told == "system_powerdown", f"QEMU was told {told}")

    def pod(self):
        """What is in a registry elsewhere: the image, and the one that a pod waits in."""
        self.check("mkdir /run/pause && cp /usr/bin/catatonit /run/pause && tar --create --directory /run/pause . | "
                   "docker import --change 'CMD [\"/catatonit\", \"-P\"]' - registry.k8s.io/pause:3.8")
        self.run("Kubernetes", 0)
        self.check("docker save desktop registry.k8s.io/pause:3.8 | ctr --namespace k8s.io images import -")
        # As in a container: the first process, which a signal does not end by itself.
        self.check(f"systemd-run --quiet --unit=plugin unshare --pid --fork --kill-child {PROGRAMS}/scanout-device-plugin")
        manifest = yaml.safe_load((MANIFESTS / "desktop.yaml").read_text())
        made = self.kubelet("start", f"{PROGRAMS}/scanout-device-plugin", "/var/lib/helix/images/desktop/usr", stdin=json.dumps(manifest))
        check(made["resource"] == "helix.dev/scanout", f"the plugin offers {made['resource']}")
        check(made["known"] == {str(n): "Healthy" for n in self.scanouts()}, f"the plugin knows {made['known']}")
        self.sandbox, self.pids["desk"] = made["sandbox"], made["pid"]
        mine = self.got("desk")
        check(made["devices"] == [f"helix.dev/scanout={mine}"], f"it has scanout {mine}, allocated was {made['devices']}")
        self.has_its_own("desk", mine)
        row = self.scanouts()[mine]
        check((row["label"], row["width"], row["height"], row["owner_pid"]) == ("desk", 1024, 768, made["pid"]), f"it is {row}")
        uids = self.check(f"grep -e ^Uid -e ^CapEff /proc/{made['pid']}/status").split()
        check(uids[1:5] == ["1000"] * 4 and uids[-1] == "0" * 16, f"it runs as {uids}")
        return self.shows(mine, (1024, 768), f"cat {made['log']}")

    def pod_ended(self):
        mine = self.got("desk")
        self.kubelet("stop", self.sandbox)
        self.blank(mine)
        self.check("p=$(systemctl show --value -p MainPID plugin); kill -TERM $(cat /proc/$p/task/$p/children)")
        self.wait(lambda: self.agent.run("systemctl is-active --quiet plugin").status != 0, "the plugin ends when it is told to")
        check(self.check("systemctl show --value -p Result plugin").strip() == "success", "the plugin ended otherwise than it was told to")

    def kernel_quiet(self):
        found = [line for line in self.check("dmesg").splitlines()
                 if re.search(r"\bBUG\b|WARNING:|Oops|general protection|hung task|blocked for more|refcount_t|use-after-free", line)
                 # a process that ends itself, as Mesa may without its GPU
                 and not re.search(r"\btraps: \S+\[\d+\] ", line)]
        check(not found, "\n".join(found[:20]))


def tried(report, after):
    OUTPUT.mkdir(parents=True, exist_ok=True)
    system = System(DESKTOPS, os.environ.get("ACCEL", ""), 0, "build/containers/run")
    after.callback(system.stop)
    system.machine.autostart = 0
    system.machine.extra += [
        "-drive", f"if=none,id=containers,file={os.environ['HELIX_CONTAINERS']}/containers.sqfs,format=raw,readonly=on",
        "-device", "virtio-blk-pci,drive=containers,addr=0c.0"]
    cases = Cases(system, TOP / "Documentation/containers.rst")
    if report.case("a guest with podman, crun, runc, systemd-nspawn, Docker and containerd", cases.boot):
        for name, function in (
                ("helix-leased keeps a CDI specification of every scanout", cases.specification),
                ("podman --device helix.dev/scanout=3: an unmodified Weston is seen", cases.by_number),
                ("it has the devices of scanout 3, and is its owner", cases.devices),
                ("it hears of another size, and takes it", cases.told_of_a_size),
                ("a scanout that is taken is refused, in words", cases.taken),
                ("podman --device helix.dev/scanout=any, not as root: is seen, in the size it asked for", cases.any_one),
                ("their device cgroups refuse all scanouts but their own", cases.refused),
                ("podman kill, and rm --force: scanouts are free and blank", cases.killed),
                ("two that start at once get two", cases.two_at_once),
                ("with container, conmon and broker killed its scanout is free and blank", cases.nobody_left),
                ("a container whose scanout was given to another cannot open it", cases.revoked),
                ("who had a scanout hears nothing of what is typed for the next", cases.unheard),
                ("podman with runc", cases.with_runc),
                ("podman with a user namespace: is seen, with nodes that are its root's", cases.user_namespace),
                ("its Weston has the viewer's keys, and ends by them", cases.user_namespace_ended),
                ("rootless podman: is seen, on a lease of its user's", cases.rootless),
                ("nobody but him may open its nodes", cases.rootless_alone),
                ("they are his while the lease is, also over the broker's death", cases.rootless_restarted),
                ("a rootless container whose lease was revoked opens nothing any more", cases.rootless_revoked),
                ("rootless podman --userns keep-id: is seen, and has the viewer's keys", cases.rootless_as_herself),
                ("rootless podman --userns auto and nomap: root may open the nodes, and others may not", cases.rootless_other_roots),
                ("rootless podman with runc: is seen, with a render node that is its user's", cases.rootless_with_runc),
                ("rootless runc, with an OCI bundle", cases.rootless_runc),
                ("a lease whose nodes were another's is given back, and acquired anew", cases.doubtful),
                ("crun alone, with an OCI bundle", cases.crun_alone),
                ("systemd-nspawn", cases.nspawn),
                ("docker --device helix.dev/scanout=any: is seen, in the size it asked for", cases.docker),
                ("docker kill, and rm --force: its scanout is free and blank", cases.docker_ended),
                ("manifests are what Kubernetes' own definitions know", cases.manifests),
                ("a VM's pod that ends presses the power button of a stand-in for QEMU", cases.vm_ended),
                ("a pod on containerd, of the kubelet's stand-in and the device plugin: is seen", cases.pod),
                ("the pod has ended: its scanout is free and blank", cases.pod_ended),
                ("the guest's kernel has nothing to complain about", cases.kernel_quiet)):
            report.case(name, function)


if __name__ == "__main__":
    sys.exit(run_whole(tried))
