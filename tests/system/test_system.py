#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""The whole system: a machine with desktops, what they show, and what must not disturb them.

One boot for all cases, in order; each case leaves the desktops running. Prints TAP.
Runs in the build root, with the environment of scripts/with-parts.
"""
import base64
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from pathlib import Path

sys.dont_write_bytecode = True
TOP = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(TOP / part) for part in ("scripts", "qemu-side/exportd/tests", "tests/e2e")]
import tap  # noqa: E402
from calm import calm, wake  # noqa: E402
from report import HANG, check, run_whole, wait_long as wait_for  # noqa: E402
from with_qemu import Socket  # noqa: E402
from vm.export import Viewer  # noqa: E402
from vm.system import System  # noqa: E402

DESKTOPS = int(os.environ.get("DESKTOPS") or 4)
CLIPBOARD = 1   # the desktop that has the clipboard
MOST = 15       # of the last cases: the machine has input devices and memory for them from the start
DRAWS = "glmark2-es2-way"       # on each of the first desktops


class Watcher:
    """A viewer of one desktop, who takes what comes and answers pings: who does not is hung up on."""

    def __init__(self, port, query):
        self.socket = Socket(port, query)
        self.told = []      # every message but the pictures
        self.thread = threading.Thread(target=self.listen, daemon=True)
        self.thread.start()

    def listen(self):
        while (frame := self.socket.receive()) and frame[0] != 8:
            if frame[0] == 9:
                self.socket.frame(10, frame[1])
            elif frame[0] == 1:
                self.told.append(json.loads(frame[1]))

    def close(self):
        self.socket.sock.shutdown(socket.SHUT_RDWR)
        self.thread.join(HANG)
        self.socket.close()


class Cases:
    def __init__(self, system, report):
        self.system = system
        self.report = report
        self.agent = system.agent
        self.numbers = range(1, system.desktops + 1)

    def containers(self):
        """desktop -> PID of its container's first process."""
        def list_them():
            # It fails if a container goes while it looks.
            result = self.agent.run("crun list -f json")
            return [result.out or "[]"] if result.status == 0 else None
        listed = json.loads(wait_for(list_them, "crun lists the containers")[0])
        return {int(c["id"].removeprefix("helix-")): c["pid"] for c in listed if c["status"] == "running"}

    def leases(self):
        """scanout -> generation of those that are leased."""
        text = self.agent.check("helixctl list --json", HANG)
        rows = json.loads(text)
        rows = rows["scanouts"] if isinstance(rows, dict) else rows
        return {row["scanout"]: row["generation"] for row in rows if row["state"] == "leased"}

    def inside(self, n, command):
        return self.agent.run(["/usr/bin/crun", "exec", f"helix-{n}", "/bin/sh", "-c", command], HANG)

    def frames(self, seconds=10):
        viewer = Viewer(self.system.viewer_binary, self.system.exportd.url, self.system.desktops, seconds, HANG,
                        time.time(), self.system.rundir / "viewer.json", self.system.rundir / "viewer.log")
        while not viewer.done():
            time.sleep(0.5)
        rows = viewer.report()["desktops"]
        check(viewer.process.returncode == 0, (self.system.rundir / "viewer.log").read_text(errors="replace")[-800:])
        return {row["scanout"]: row for row in rows}

    # --- the cases, in order ---

    def live(self):
        self.system.start()
        self.system.machine.wait_agent(HANG)
        self.system.wait_live()

    def units_up(self):
        """Live is what the host sees; the containers must have come up as well."""
        wait_for(lambda: set(self.containers()) == set(self.numbers), "a container for each desktop runs")

    def renderer(self):
        wait_for(lambda: all(self.system.renderers().values()), "every Weston has logged its renderer")
        for n, text in self.system.renderers().items():
            check(text.startswith("virgl"), f"desktop {n} is drawn by {text}")

    def all_deliver(self):
        def more_than_one():
            rows = self.frames()
            return all(row["frames"] > 1 for row in rows.values()) and rows
        rows = wait_for(more_than_one, "every desktop delivers frames")
        sizes = {desktop["scanout"]: (desktop["width"], desktop["height"]) for desktop in self.system.exportd.desktops()}
        for n, row in rows.items():
            check((row["width"], row["height"]) == sizes[n], f"the frames of scanout {n} are {row['width']}x{row['height']}, it is {sizes[n]}")

    def recorded(self):
        """What the export daemon sends is H.264 to a decoder that is neither ours nor a browser's."""
        record = self.system.rundir / "record"
        shutil.rmtree(record, ignore_errors=True)
        done = subprocess.run([str(self.system.viewer_binary), "--url", self.system.exportd.url, "--desktops",
                               str(self.system.desktops), "--wait", str(HANG), "--for", "5", "--record", str(record)],
                              stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=2 * HANG)
        check(done.returncode == 0, done.stderr[-800:])
        rows = {row["scanout"]: row for row in json.loads(done.stdout)["desktops"]}
        check(set(rows) == set(self.numbers), f"recorded were {sorted(rows)}")
        for n, row in rows.items():
            check(row["violations"] == 0, f"scanout {n}: {row['violations']} violations of the protocol, in {row}")
            probe = subprocess.run(["ffprobe", "-v", "error", "-count_frames", "-show_entries",
                                    "stream=codec_name,width,height,nb_read_frames", "-of", "json",
                                    str(record / f"scanout-{n}.h264")],
                                   stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=HANG)
            check(not probe.stderr, f"scanout {n}: ffprobe says {probe.stderr[-800:]}")
            stream = json.loads(probe.stdout)["streams"][0]
            seen = (stream["codec_name"], stream["width"], stream["height"], int(stream["nb_read_frames"]))
            check(seen == ("h264", 1280, 720, row["frames"]), f"scanout {n}: ffprobe found {seen}, the viewer {row}")

    def own_devices(self):
        uniq = {}
        text = self.agent.check("for e in /sys/class/input/event*; do read -r u < $e/device/uniq; echo ${e##*/} $u; done")
        for line in text.splitlines():
            event, *serial = line.split()
            uniq[event] = serial[0] if serial else ""
        for n in self.numbers:
            own = sorted(event for event, serial in uniq.items() if serial == f"helix-{n}")
            check(len(own) == 3, f"the guest has {own} for desktop {n}")
            dri = sorted(self.inside(n, "cd /dev/dri && echo *").out.split())
            check(dri == ["card0", "renderD128"], f"desktop {n} has /dev/dri: {dri}")
            events = sorted(self.inside(n, "cd /dev/input && echo *").out.split())
            check(events == own, f"desktop {n} has /dev/input: {events}, its own are {own}")
            ours = self.agent.check(f"stat -c %t:%T /dev/helix/scanout{n}").strip()
            theirs = self.inside(n, "stat -c %t:%T /dev/dri/card0").out.strip()
            check(ours == theirs, f"card0 of desktop {n} is {theirs}, scanout{n} is {ours}")
            records = sorted(self.inside(n, "cd /run/udev/data && echo *").out.split())
            check(len(records) == 3, f"desktop {n} sees udev records {records}")
            rest = set(self.inside(n, "cd /dev && echo *").out.split())
            check(rest <= {"console", "core", "dri", "fd", "full", "input", "mqueue", "null", "ptmx", "pts", "random", "shm",
                           "stderr", "stdin", "stdout", "tty", "urandom", "zero"}, f"desktop {n} has in /dev: {sorted(rest)}")

    def others_refused(self):
        """Even with a node of its own making: the device cgroup and the missing capability both refuse."""
        major, minor = (int(x, 16) for x in self.agent.check("stat -c %t:%T /dev/helix/scanout2").strip().split(":"))
        made = self.inside(1, f"mknod /tmp/other c {major} {minor}")
        check(made.status != 0, "desktop 1 could make a node for scanout 2")
        # With every capability, from outside, into the container's cgroup: only the device program is left to refuse.
        # In /dev, where nodes are nodes: /run is mounted nodev. Its own, tried in the same way, shows that it could be opened.
        own = self.agent.check("stat -c %t:%T /dev/helix/scanout1").strip().split(":")
        text = self.agent.run(
            "set -e; p=$(crun list -f json | jq -r '.[] | select(.id==\"helix-1\") | .pid');"
            "g=/sys/fs/cgroup$(cut -d: -f3 /proc/$p/cgroup); cd /dev; trap 'rm -f helix-probe-*' EXIT;"
            "mknod helix-probe-1 c %d %d; mknod helix-probe-2 c %d %d; mknod helix-probe-card c 226 0;"
            "(echo $BASHPID > $g/cgroup.procs; for f in helix-probe-1 helix-probe-2 helix-probe-card; do "
            "(exec 3<>$f) 2>&1 && echo opened $f; done)" % (*(int(x, 16) for x in own), major, minor))
        for name, wanted in (("helix-probe-1", "opened helix-probe-1"), ("helix-probe-2", "helix-probe-2: Operation not permitted"),
                             ("helix-probe-card", "helix-probe-card: Operation not permitted")):
            check(wanted in text.out, f"{name}, in the container's cgroup: {text.out}{text.err}")

    def confined(self):
        for n, pid in self.containers().items():
            status = self.agent.check(f"cat /proc/{pid}/status")
            check(re.search(r"^NoNewPrivs:\s+1$", status, re.M), f"desktop {n} may gain privileges")
            check(re.search(r"^CapEff:\s+0+$", status, re.M), f"desktop {n} has capabilities: "
                  + re.search(r"^CapEff:.*$", status, re.M).group(0))
            check(self.inside(n, "touch /probe /usr/probe").status != 0, f"desktop {n} can write its root file system")
            for space in ("mnt", "pid", "ipc", "uts", "net", "cgroup"):
                differ = self.agent.check(f"readlink /proc/1/ns/{space} /proc/{pid}/ns/{space}").split()
                check(differ[0] != differ[1], f"desktop {n} shares the {space} namespace with the guest")
            links = self.inside(n, "cat /proc/net/dev").out
            check(re.findall(r"^\s*(\w+):", links, re.M) in ([], ["lo"]), f"desktop {n} has network interfaces: {links}")

    def broker_killed(self):
        containers, leases = self.containers(), self.leases()
        check(set(leases) == set(self.numbers), f"leased before: {leases}")
        old = self.agent.check("systemctl show -P MainPID helix-leased").strip()
        self.agent.check("systemctl kill -s KILL helix-leased")
        wait_for(lambda: self.agent.check("systemctl show -P MainPID helix-leased").strip() not in ("0", old),
                 "the broker runs again")
        wait_for(lambda: self.leases() == leases, f"every lease is the one it was: {leases}")
        check(self.containers() == containers, f"containers were {containers}, are {self.containers()}")
        self.all_deliver()

    def exportd_killed(self):
        containers, leases = self.containers(), self.leases()
        self.system.exportd.process.kill()
        self.system.exportd.process.wait()
        self.system.exportd.start()
        wait_for(lambda: len(self.system.exportd.live()) == self.system.desktops, "every desktop is live again")
        self.all_deliver()
        check(self.containers() == containers, f"containers were {containers}, are {self.containers()}")
        check(self.leases() == leases, f"leases were {leases}, are {self.leases()}")

    def clipboard(self):
        """A text each way, with a stand-in for the agent in the guest: clipboard_agent.c."""
        program = self.system.rundir / "clipboard_agent"
        subprocess.run(["cc", "-static", "-O1", "-Wall", "-Wextra", "-Werror", "-o", str(program),
                        str(TOP / "tests/system/clipboard_agent.c")], check=True, timeout=HANG)
        self.agent.run("base64 -d > /run/clipboard_agent && chmod 700 /run/clipboard_agent", HANG,
                       base64.b64encode(program.read_bytes()))
        self.agent.check("systemd-run --quiet --unit=clipboard-agent --collect -p StandardOutput=file:/run/clipboard.out "
                         "/run/clipboard_agent 'von dr\u00fcben'", HANG)

        def said(word):
            found = re.findall(rf"^{word} (.*)$", self.agent.run("cat /run/clipboard.out", HANG).out, re.M)
            return found[-1:]

        wait_for(lambda: said("ready"), "the guest's agent and QEMU have met")
        viewer = Watcher(self.system.exportd.port, f"scanout={CLIPBOARD}&rung=none")

        def copied():
            return [message["text"] for message in viewer.told if message["type"] == "clipboard"]

        try:
            viewer.socket.send({"type": "clipboard", "mime": "text/plain;charset=utf-8", "text": "from here \u00e4"})
            wait_for(lambda: said("got") == ["from here \u00e4"], "the guest has what the viewer copied")
            wait_for(copied, "the viewer has what the guest copied")
            check(copied() == ["von dr\u00fcben"], f"the viewer got {copied()}")
            wait_for(lambda: said("given"), "the guest has given its text")
        finally:
            viewer.close()

    def restart_exportd(self, *options):
        """With these options and no others beyond what it always has."""
        exportd = self.system.exportd
        exportd.stop()
        before, exportd.options = exportd.options, [*exportd.options, *options]
        try:
            exportd.start()
        finally:
            exportd.options = before

    def host_is_heard(self):
        return self.agent.run("systemctl is-active helix-host").status == 0

    def ends_leases(self):
        """Whether the host knows of somebody in the guest who does."""
        with urllib.request.urlopen(f"{self.system.exportd.url}api/vms", timeout=HANG) as answer:
            return [vm["ends_leases"] for vm in json.load(answer)] == [True]

    def host_service(self):
        wait_for(self.host_is_heard, "the guest listens to the host")
        wait_for(self.ends_leases, "the host knows that")
        self.agent.check("systemctl stop helix-host")
        wait_for(lambda: not self.ends_leases(), "the host knows that nobody listens any more")
        # as an installation does where the port is there already: debian/helix-lease-tools.postinst
        self.agent.check("udevadm control --reload && udevadm trigger --subsystem-match=virtio-ports --attr-match=name=dev.helix.lease")
        wait_for(self.host_is_heard, "udev starts it again")
        wait_for(self.ends_leases, "the host knows that, too")

    def unused_is_ended(self):
        victim = self.system.desktops
        others = [n for n in self.numbers if n != victim]
        # Its service would start another one in its place.
        once = f"/run/systemd/system/helix-desktop@{victim}.service.d/once.conf"
        self.agent.check(f"mkdir -p {os.path.dirname(once)} && printf '[Service]\\nRestart=no\\n' >{once} && systemctl daemon-reload")
        wait_for(self.host_is_heard, "the guest listens to the host")
        containers, leases = self.containers(), self.leases()
        check(set(leases) == set(self.numbers), f"leased before: {leases}")
        watchers = []
        try:
            self.restart_exportd("--idle-after", "15", "--idle-warn", "5")
            wait_for(lambda: {row["scanout"] for row in self.system.exportd.desktops()} == set(self.numbers),
                     "every desktop is announced again")
            watchers = [Watcher(self.system.exportd.port, f"scanout={n}") for n in others]
            wait_for(lambda: victim not in self.leases(), f"nobody watched desktop {victim}: its lease is over")
            check(self.leases() == {n: leases[n] for n in others}, f"leases were {leases}, are {self.leases()}")
            check(victim not in {row["scanout"] for row in self.system.exportd.desktops()}, "its output is still shown")
            wait_for(lambda: json.loads(self.agent.check(f"helixctl info --json {victim}", HANG))["state"] == "free",
                     f"scanout {victim} is free")
            wait_for(lambda: victim not in self.containers(), "its container is gone")
            check(self.containers() == {n: containers[n] for n in others}, f"containers were {containers}, are {self.containers()}")
            check({row["idle"]["state"] for row in self.system.exportd.desktops()} == {"used"}, "those that are watched are not used")
            said = self.agent.check("journalctl -u helix-host -b -o cat --no-pager", HANG)
            for words in (f"scanout {victim} generation {leases[victim]} ends in 5 s: nobody uses it",
                          f"scanout {victim} generation {leases[victim]} ended: the host asked for it"):
                check(words in said, f"the guest's journal does not say '{words}': {said}")
        finally:
            for watcher in watchers:
                watcher.close()
            self.restart_exportd()
            self.agent.check(f"rm -f {once} && systemctl daemon-reload && systemctl restart --no-block helix-desktop@{victim}")
        wait_for(lambda: len(self.system.exportd.live()) == self.system.desktops, "every desktop is live again")

    def one_crashes(self):
        victim = self.system.desktops
        containers = self.containers()
        self.agent.check(f"kill -KILL {containers[victim]}")
        wait_for(lambda: self.containers().get(victim) not in (None, containers[victim]),
                 f"desktop {victim} has a new container")
        others = {n: pid for n, pid in self.containers().items() if n != victim}
        check(others == {n: pid for n, pid in containers.items() if n != victim}, f"others were {containers}, are {others}")
        wait_for(lambda: len(self.system.exportd.live()) == self.system.desktops, "every desktop is live again")
        self.all_deliver()

    def kernel_quiet(self):
        text = self.agent.check("dmesg")
        found = [line for line in text.splitlines()
                 if re.search(r"\bBUG\b|WARNING:|Oops|general protection|hung task|blocked for more|refcount_t|use-after-free", line)]
        check(not found, "\n".join(found[:20]))

    # --- tests of others, in this system ---

    def taken_in(self, name, text, status):
        """The points of another program, under a prefix."""
        for line in text.splitlines():
            point = tap.POINT.match(line)
            if point and not point.group(1) and not point.group(4):
                self.report.point(True, f"{name}: {point.group(3)}")
        for failure in tap.count(text.splitlines(), status).failures:
            self.report.point(False, f"{name}: {failure}")

    def run_page(self, name, program, *options):
        done = subprocess.run([sys.executable, "-B", str(TOP / program), "--url", self.system.exportd.url, *options,
                               "--output", "build/e2e"],
                              stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace", timeout=1200)
        print("\n".join("# " + line for line in (done.stdout + done.stderr).splitlines()))
        self.taken_in(name, done.stdout, done.returncode)

    def end_to_end(self, browser):
        self.run_page("page", "tests/e2e/test_desktops.py", "--browser", browser, "--desktops", str(self.system.desktops))

    def fifteen_live(self):
        """The rest of the desktops, calm ones, beside those that there are."""
        before = self.containers()
        session = base64.b64encode((TOP / "tests/system/calm-session").read_bytes())
        self.agent.run("base64 -d > /usr/share/helix/desktop/session", HANG, session)
        self.agent.check("d=/run/systemd/system/helix-desktop@.service.d; mkdir -p $d && "
                         "printf '[Service]\\nEnvironment=HELIX_SIZE=960x540\\n' > $d/size.conf && systemctl daemon-reload && "
                         f"systemctl start --no-block helix-desktop@{{{DESKTOPS + 1}..{MOST}}}", HANG)
        self.system.desktops = MOST
        wait_for(lambda: len(self.system.exportd.live()) == MOST, f"{MOST} desktops are live", self.system.live_deadline())
        wait_for(lambda: set(self.containers()) == set(range(1, MOST + 1)), "a container for each desktop runs")
        check(before.items() <= self.containers().items(), f"containers were {before}, are {self.containers()}")

    def fifteen_end_to_end(self):
        self.run_page("fifteen", "tests/e2e/test_fifteen.py")

    def broker_tests(self):
        folder = TOP / "broker/tests"
        for name in ("guest-broker.sh", "tap.sh"):
            data = base64.b64encode((folder / name).read_bytes()).decode()
            self.agent.run("mkdir -p /run/broker-tests; base64 -d > /run/broker-tests/" + name, HANG, data.encode())
        result = self.agent.run("cd /run/broker-tests && bash guest-broker.sh", 600)
        self.taken_in("broker in the guest", result.out, result.status)
        if result.status:
            print("\n".join("# " + line for line in (result.out + result.err).splitlines()[-60:]))


def tried(report, after):
    system = System(MOST, os.environ.get("ACCEL", ""), 0)
    after.callback(system.stop)
    system.machine.autostart = system.desktops = DESKTOPS
    system.exportd.options = ["--clipboard", str(CLIPBOARD)]
    cases = Cases(system, report)
    report.case(f"{DESKTOPS} desktops become live", cases.live)
    if not report.bad:
        calm(cases.agent, DRAWS)
        for name, function in (
                ("every desktop is a container", cases.units_up),
                ("every desktop is drawn by virgl on the host's GPU", cases.renderer),
                ("every desktop delivers frames to a viewer", cases.all_deliver),
                ("an independent decoder reads every stream without a word", cases.recorded),
                ("a container has its own devices and no others", cases.own_devices),
                ("another desktop's devices are refused", cases.others_refused),
                ("a container is confined", cases.confined)):
            report.case(name, function)
        wake(cases.agent, DRAWS)
        cases.end_to_end("chromium")
        calm(cases.agent, DRAWS)
        cases.end_to_end("firefox")
        report.case("the broker killed and restarted: every desktop runs on", cases.broker_killed)
        report.case("the export daemon killed and restarted: every desktop comes back", cases.exportd_killed)
        report.case("what is copied in the page arrives in the guest, and back", cases.clipboard)
        report.case("one desktop crashes: it starts again, the others do not notice", cases.one_crashes)
        report.case("the host knows whether the guest ends leases", cases.host_service)
        report.case("a desktop that nobody watches is ended, those that are watched stay", cases.unused_is_ended)
        cases.broker_tests()
        report.case(f"{MOST} desktops are live in the same guest", cases.fifteen_live)
        cases.fifteen_end_to_end()
        report.case("the guest's kernel has nothing to complain about", cases.kernel_quiet)


if __name__ == "__main__":
    sys.exit(run_whole(tried))
