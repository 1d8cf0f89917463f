# SPDX-License-Identifier: GPL-2.0-only
"""A machine whose guest draws with the programs of this folder, for tests and for measuring.

Runs in the build root, with the environment of scripts/with-parts and HELIX_GPU,
the cache entry gpu.
"""
import base64
import json
import os
import re
import select
import shlex
import socket
import subprocess
import sys
import time
from pathlib import Path

TOP = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(TOP / "tests/e2e"), str(TOP / "scripts")]
from PIL import Image  # noqa: E402
from report import HANG, check, wait_long as wait_for  # noqa: E402
from vm.jsonsocket import RemoteError, qmp  # noqa: E402
from vm.system import System  # noqa: E402

BOOT = 600      # the same for a start, with whatever else a machine is used for
VENUS = "venus=on,blob=on,hostmem=256M"
PROGRAMS = TOP / "build/gpu"
IMAGE = "/var/lib/helix/images/desktop"
# Of desktop N; far enough from each other for a lossy stream.
COLOURS = ("c02020", "20a020", "2020c0", "b0a010", "a020a0", "20a0a0", "e07020", "7020e0",
           "206040", "903050", "506090", "907040", "405020", "d060b0", "60b0d0")

# The scanout node in the card's place, as a container has it.
ENTER = f"""#!/bin/sh
if [ -n "$HELIX_NODE" ] && [ -z "$inside" ]; then
	inside=1 exec unshare --mount --propagation private "$0" "$@"
fi
[ -z "$HELIX_NODE" ] || mount --bind "$HELIX_NODE" {IMAGE}/dev/dri/card0
exec chroot {IMAGE} /usr/bin/env -i PATH=/usr/bin:/bin HELIX_FRAMES="$HELIX_FRAMES" MESA_SHADER_CACHE_DISABLE=true \\
	VK_DRIVER_FILES=/usr/share/vulkan/icd.d/virtio_icd.json "/run/gpu/bin/$@"
"""


def build_programs():
    subprocess.run(["make", "-s", "-C", str(TOP / "tests/gpu"), f"OUT={PROGRAMS}"], check=True, stdin=subprocess.DEVNULL, timeout=HANG)


def below(pid, ancestor):
    while pid > 1 and pid != ancestor:
        try:
            pid = int(Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[1])
        except OSError:
            return False
    return pid == ancestor


def render_servers(machine):
    """{context: PID}: each Venus context has a process of the host for itself."""
    found = {}
    for status in Path("/proc").glob("[0-9]*/status"):
        try:
            text = status.read_text()
        except OSError:
            continue
        name = re.search(r"^Name:\s*virgl-(\d+)-", text, re.M)
        if name and below(int(status.parent.name), machine.process.pid):
            found[int(name.group(1))] = int(status.parent.name)
    return found


class Events:
    """What QEMU tells by itself, from the moment this is made."""

    def __init__(self, path):
        self.connection = qmp(path)
        self.seen = []

    def wait(self, name, matches=lambda data: True, seconds=HANG):
        """The data of the first such event, those from before this call among them."""
        deadline = time.monotonic() + seconds
        while True:
            found = next((e["data"] for e in self.seen if e["event"] == name and matches(e["data"])), None)
            if found:
                return found
            try:
                message = self.connection.receive(deadline)
            except RemoteError:
                raise AssertionError(f"after {seconds} s no event {name}; there were {self.seen}") from None
            if "event" in message:
                self.seen.append(message)

    def close(self):
        self.connection.close()


class Display:
    """The host's side of a machine without exportd: it enables outputs, and can be a listener that does not answer."""

    def __init__(self, machine, size="320x240"):
        ours, theirs = socket.socketpair()
        with ours, theirs:
            with qmp(machine.rundir / "qmp-2.sock") as connection:
                connection.call_with_fd("getfd", 20, theirs.fileno(), fdname="display")
                connection.call("add_client", 20, protocol="@dbus-display", fdname="display")
            self.process = subprocess.Popen([str(PROGRAMS / "host/listener"), str(ours.fileno()), size], pass_fds=[ours.fileno()],
                                            stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True)

    def tell(self, text, seconds=HANG):
        self.process.stdin.write(text.encode() + b"\n")
        self.process.stdin.flush()
        ready, _, _ = select.select([self.process.stdout], [], [], seconds)
        said = self.process.stdout.readline().decode().strip() if ready else f"nothing for {seconds} s"
        check(said == text, f"{text}: the display says {said}")

    def stop(self):
        self.process.kill()
        self.process.wait()
        self.process.stdin.close()
        self.process.stdout.close()


class Guest:
    """One boot. A desktop is a program on a scanout of its own, a client one without any."""

    def __init__(self, desktops, rundir, gpu_properties="", alone=None):
        """alone: the prefix of a QEMU, which may lack the series, without exportd and control device."""
        self.system = System(desktops, os.environ.get("ACCEL", ""), 0, rundir)
        self.machine = self.system.machine
        self.machine.autostart = 0
        self.machine.desktop_image = Path(os.environ["HELIX_GPU"]) / "desktop.sqfs"
        self.machine.gpu_properties = gpu_properties
        self.events_socket = f"{rundir}/qmp-events.sock"
        self.machine.extra += ["-qmp", f"unix:{self.events_socket},server=on,wait=off"]
        self.alone = alone is not None
        self.display = None
        if self.alone:
            self.machine.qemu = Path(alone) / "bin/qemu-system-x86_64"
            self.machine.extra += ["-L", os.environ["HELIX_QEMU"] + "/share/qemu"]
            self.machine.control = False
            if self.machine.qemu.parents[1] != Path(os.environ["HELIX_QEMU"]):
                self.machine.environment["LD_PRELOAD"] = str(PROGRAMS / "host/no-export.so")
        self.agent = self.system.agent

    def boot(self):
        if self.alone:
            self.machine.stop()     # one that did not come up
            self.machine.start()
        else:
            self.system.start()
        self.machine.wait_agent(BOOT)
        check_in = self.agent.check
        check_in("mkdir -p /run/gpu/bin /run/gpu/frames /run/gpu/log")
        for path in sorted(path for path in PROGRAMS.iterdir() if path.is_file()):
            self.put(f"/run/gpu/bin/{path.name}", path.read_bytes())
        self.put("/run/gpu/enter", ENTER.encode())
        check_in(f"for i in $(seq 240); do mountpoint -q {IMAGE} && [ -e /dev/helix/scanout15 ] && exit; sleep 0.5; done; exit 1", HANG)
        check_in(f"for d in dev proc sys run; do mount --rbind /$d {IMAGE}/$d; done")

    def put(self, path, data):
        self.agent.run(f"base64 -d > {path}; chmod 755 {path}", HANG, base64.b64encode(data))

    def events(self):
        return Events(self.events_socket)

    def enable(self, outputs):
        """Without a control device: until the guest has seen it, for QEMU 10.0.13 may lose one of two such changes."""
        self.display = Display(self.machine)

        def enabled(n):
            self.display.tell(f"enable {n}")
            # What the kernel has been told of is in sysfs once somebody asks.
            return self.agent.run(f"cd /sys/class/drm/card0-Virtual-{n + 1} && for i in $(seq 20); do echo detect > status; "
                                  "grep -qx connected status && exit; sleep 0.1; done; exit 1", HANG).status == 0
        for n in outputs:
            wait_for(lambda: enabled(n), f"the guest sees output {n}")

    def stop(self):
        if self.display:
            self.display.stop()
        self.system.stop()
        Path(self.events_socket).unlink(missing_ok=True)

    # --- programs ---

    def start(self, unit, words, scanout=None, size="320x240"):
        run = ["/run/gpu/enter", *map(str, words)]
        if scanout is not None:
            run = ["helixctl", "run", "--scanout", str(scanout), "--size", size, "--label", unit, "--", *run]
        self.agent.check(f"rm -f /run/gpu/frames/{unit}; systemd-run --quiet --unit={unit} -p StandardOutput=truncate:/run/gpu/log/{unit} "
                         f"-p RemainAfterExit=yes -E HELIX_FRAMES=/run/gpu/frames/{unit} {shlex.join(run)}", HANG)

    def start_desktop(self, n, fps, program="desktop"):
        self.start(f"desktop-{n}", [program, f"desktop-{n}", COLOURS[n - 1], fps], n)

    def stop_units(self, *units):
        """Ends them, if they have not ended; what they said stays in their logs."""
        self.agent.check(f"systemctl stop {' '.join(units)}; systemctl reset-failed {' '.join(units)} 2>/dev/null; true", HANG)

    def state(self, unit):
        """(is it running, how it ended: the status of its program, or the number of a signal in words)."""
        text = self.agent.check(f"systemctl show -p SubState -p ExecMainCode -p ExecMainStatus {unit}")
        of = dict(line.split("=", 1) for line in text.split())
        if of["SubState"] in ("running", "start"):
            return True, None
        return False, int(of["ExecMainStatus"]) if of["ExecMainCode"] == "1" else f"signal {of['ExecMainStatus']}"

    def ended(self, unit):
        """How it ended, once it has."""
        wait_for(lambda: not self.state(unit)[0], lambda: f"{unit} has ended: {self.log(unit)}")
        return self.state(unit)[1]

    def log(self, unit, lines=20):
        return self.agent.check(f"tail -n {lines} /run/gpu/log/{unit} 2>/dev/null; journalctl -q --no-pager -o cat -u {unit} | tail -n {lines}")

    def pictures(self, scanouts, record):
        """{scanout: the last frame of its stream, decoded}: what a viewer sees."""
        record = Path(record)
        record.mkdir(parents=True, exist_ok=True)
        for old in record.iterdir():
            old.unlink()
        which = [word for n in scanouts for word in ("--scanout", str(n))]
        done = subprocess.run(
            [str(self.system.viewer_binary), "--url", self.system.exportd.url, *which, "--wait", "60", "--for", "3",
             "--record", str(record), "--output", str(record / "report.json"), "--quiet"],
            stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=HANG)
        found = {}
        for n in scanouts:
            stream, image = record / f"scanout-{n}.h264", record / f"scanout-{n}.png"
            check(stream.exists(), f"no frame of scanout {n}; the viewer ended with status {done.returncode}: {done.stderr[-400:]}")
            subprocess.run(["ffmpeg", "-loglevel", "error", "-y", "-f", "h264", "-i", str(stream), "-update", "1", str(image)],
                           stdin=subprocess.DEVNULL, check=True, timeout=HANG)
            with Image.open(image) as picture:
                found[n] = picture.convert("RGB")
        return found

    # --- what is counted ---

    def counters(self):
        """(the guest's clock, {unit: frames or what else its program counts})."""
        text = self.agent.check("cd /run/gpu/frames && cut -d' ' -f1 /proc/uptime && for f in *; do [ ! -s $f ] || echo $f; done && "
                                "echo = && find . -type f -size +0 -printf '%P\\n' | LC_ALL=C sort | xargs -r od -An -v -tu8 -w8", HANG)
        clock, *rest = text.split()
        split = rest.index("=")
        return float(clock), dict(zip(sorted(rest[:split]), map(int, rest[split + 1:])))

    def rates(self, seconds):
        """{unit: per second}, over so many of the guest's seconds."""
        text = self.agent.check(f"/run/gpu/bin/rates /run/gpu/frames {round(seconds * 1000)}", HANG)
        (_, took), *counted = (line.split() for line in text.splitlines())
        return {unit: int(count) / float(took) for unit, count in counted}

    def all_go_on(self, units, frames=3, seconds=HANG):
        """Every one of them counts on from here."""
        _, before = self.counters()
        missing = []

        def gone_on():
            _, now = self.counters()
            missing[:] = [u for u in units if now.get(u, 0) < before.get(u, 0) + frames]
            return not missing
        wait_for(gone_on, lambda: f"{frames} more frames of {', '.join(missing)}: " + "".join(self.log(u, 3) for u in missing[:3]), seconds)

    # --- the host's side ---

    def cpus_halted(self):
        """How many of the guest's CPUs are halted at this moment, and how many there are."""
        text = self.machine.qmp("human-monitor-command", **{"command-line": "info registers -a"})
        states = re.findall(r"\bHLT=([01])", text)
        return states.count("1"), len(states)

    def render_servers(self):
        return render_servers(self.machine)

    def new_render_server(self, before, unit):
        """The one (context, PID) that was not there before."""
        return wait_for(lambda: next(iter(self.render_servers().items() - before.items()), None),
                        lambda: f"a render server for {unit}: {self.log(unit)}")

    def query_gpu(self):
        return self.machine.qmp("query-virtio-gpu")[0]

    def contexts(self):
        """{name: id}: what the guest calls a context is the name of its process."""
        return {c["name"]: c["id"] for c in self.query_gpu()["contexts"]}

    def set_gpu(self, name, value):
        return self.machine.qmp("qom-set", path="/machine/peripheral/gpu/virtio-backend", property=name, value=value)

    def has_gpu_property(self, name):
        """Whether this QEMU is one with the series."""
        try:
            rows = self.machine.qmp("qom-list", path="/machine/peripheral/gpu/virtio-backend")
        except RemoteError:
            return False
        return any(row["name"] == name for row in rows)

    def leases(self):
        return {row["scanout"]: row for row in json.loads(self.agent.check("helixctl list --json", HANG))}
