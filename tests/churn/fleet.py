# SPDX-License-Identifier: GPL-2.0-only
"""A guest full of desktops in containers, and what is asked of it and of its host after each blow.

Runs in the build root, with the environment of scripts/with-parts, HELIX_CONTAINERS (the
runtimes) and HELIX_GPU (Mesa's Vulkan drivers, and what tests/gpu is built with).
"""
import base64
import itertools
import json
import os
import re
import shlex
import sys
import time
import urllib.request
from pathlib import Path

TOP = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(TOP / part) for part in ("tests/containers", "tests/gpu", "scripts")]
from guest import BOOT, VENUS, render_servers  # noqa: E402
from test_containers import LAY_OVER, Cases as Containers, check  # noqa: E402
from slope import BOUNDS  # noqa: E402
from vm.export import Viewer  # noqa: E402
from vm.jsonsocket import RemoteError, qmp  # noqa: E402
from vm.system import System  # noqa: E402

HANG = 240          # seconds; nothing takes so long unless it never ends
SCANOUTS = 15
PROGRAMS = TOP / "build/churn/bin"
VULKAN_PROGRAMS = TOP / "build/churn/gpu"
SIZE = "640x480"
# What the module may take to turn a scanout off before it calls that a failure, and for a commit before
# its tenant hears of one. Longer than the module's own 5000 and 10000: the host of a test emulates the
# CPUs of several guests at once.
QUIESCE_MS = 30000
# Of who says it: that there was no time, and not that anything is wrong.
LATE = re.compile(r"in time|did not answer in|timed out|timeout|process that connected is gone")
# Of a control group whose desktop draws, next to the usual 100: what these leave, others use to start, to
# end and to look.
WEIGHT = 4
WEIGHED = ["--cpu-shares=1024"]     # so that there is a weight
IMAGE = "/var/lib/helix/images/desktop"
VULKAN_IMAGE = "/run/churn/vulkan"
# Of scanouts without a keyboard there are more than of those with one.
WESTON = "weston --backend=drm --renderer=gl --idle-time=0 --continue-without-input -- weston-simple-egl"
KINDS = {
    "weston": WESTON.split(),
    # Its first process is not the compositor, and outlives it.
    "session": ["sh", "-c", f"{WESTON}; exec sleep 1000000"],
    "draw": ["/run/churn/bin/tenant", "draw", "10"],
    "vulkan": ["/run/churn/bin/vkdesktop", "vulkan", "40a060", "5"],
    "hide": ["sh", "-c", "/run/churn/bin/tenant hide; exec sleep 1000000"],
    # Its grandchild sees the guest's processes, and so is not ended with the first of the container.
    "hide-outside": ["/run/churn/bin/tenant", "hide"],
    "deaf": ["/run/churn/bin/tenant", "deaf"],
    "maps": ["/run/churn/bin/tenant", "maps"],
    "modesets": ["/run/churn/bin/tenant", "modesets"],
    "buffers": ["/run/churn/bin/tenant", "buffers"],
    "memory": ["/run/churn/bin/tenant", "memory"],
}
LIMIT_MIB = 96      # of who takes all it can get
GREEDY = ["--cpus=0.5", *WEIGHED]   # as whoever runs strangers' containers bounds them
OPTIONS = {
    "weston": WEIGHED, "session": WEIGHED, "draw": WEIGHED, "hide": WEIGHED,
    "deaf": GREEDY, "maps": GREEDY, "modesets": GREEDY,
    "vulkan": [*WEIGHED, "--env", "VK_DRIVER_FILES=/usr/share/vulkan/icd.d/virtio_icd.json"],
    "hide-outside": ["--pid=host"],
    "buffers": [f"--memory={LIMIT_MIB}m", f"--memory-swap={LIMIT_MIB}m"],
    "memory": [f"--memory={LIMIT_MIB}m", f"--memory-swap={LIMIT_MIB}m"],
}
# Of what is counted: things, each of which is there or not.
COUNTED = [name for name, (_bound, unit, _what) in BOUNDS.items() if not unit]
numbers = itertools.count(1)


class Late(AssertionError):
    """There was no time for it, by the clock of what is tested: it can be asked for again.

    desk: which did not start, if it is that.
    """

    def __init__(self, text, desk=None):
        super().__init__(text)
        self.desk = desk


class Look:
    """One moment of the guest, as tests/churn/look tells it."""

    def __init__(self, text):
        part = {}
        for line in text.splitlines():
            if line.startswith("== "):
                lines = part[line[3:]] = []
            else:
                lines.append(line)
        self.scanouts = {row["scanout"]: row for row in json.loads("\n".join(part["scanouts"]))}
        self.flips = {int(n): int(flips) for n, flips in re.findall(r"scanout(\d+)/flips:(\d+)", "\n".join(part["flips"]))}
        self.crtcs = dict(re.findall(r"crtc-(\d+)\n\tactive=([01])", "\n".join(part["crtcs"])))
        self.framebuffers = int(part["framebuffers"][0])
        self.clients = int(part["clients"][0])
        self.memory = {key: int(value) for key, value in re.findall(r"^(\w+):\s+(\d+)", "\n".join(part["memory"]), re.M)}
        broker = " ".join(part["broker"])
        self.broker_fds = int(re.search(r"fds (\d+)", broker).group(1))
        rss = re.search(r"VmRSS:\s+(\d+)", broker)
        self.broker_kib = int(rss.group(1)) if rss else None
        self.files = int(part["files"][0].split()[0])
        self.refused = {}       # name of a desk: why its container did not start
        for line in part["refused"]:
            path, _, text = line.partition(":")
            name = path.rpartition("/")[2]
            self.refused[name] = f"{self.refused.get(name, '')}{text}\n"
        self.stuck = {line.split()[0]: line for line in part["stuck"] if line.strip()}

    def active(self, scanout):
        """Whether the kernel shows anything there."""
        return self.crtcs[str(self.scanouts[scanout]["output"])] == "1"

    def states(self):
        return {n: row["state"] for n, row in self.scanouts.items() if row["state"] != "free"}


def translated_kib(process):
    """What an emulator keeps of the guest's code, translated, and Mesa of shaders: anonymous memory that can be executed."""
    found = 0
    executable = False
    for line in Path(f"/proc/{process.pid}/smaps").read_text().splitlines():
        head = re.match(r"[0-9a-f]+-[0-9a-f]+ (\S{4}) \S+ \S+ (\d+)", line)
        if head:
            executable = "x" in head[1] and head[2] == "0"
        elif executable and line.startswith("Anonymous:"):
            found += int(line.split()[1])
    return found


class Desk:
    """A container with a scanout."""

    # Hertz, by which compositors go. More would be the CPU's to emulate and no other test.
    refresh = 10

    def __init__(self, kind):
        self.kind = kind
        self.name = f"{kind}-{next(numbers)}"
        self.scanout = None

    def command(self):
        """Its container's start, and what was said if there was none."""
        words = ["podman", "run", "--detach", "--name", self.name, "--network", "none", "--log-driver", "k8s-file",
                 "--device", "helix.dev/scanout=any", "--annotation", f"helix.dev/size={SIZE}",
                 "--annotation", f"helix.dev/refresh={self.refresh}",
                 "--annotation", f"helix.dev/label={self.name}", "--tmpfs", "/run/user:mode=0700",
                 "--env", "XDG_RUNTIME_DIR=/run/user", "--volume", "/run/churn/bin:/run/churn/bin:ro",
                 "--volume", "/run/churn/frames:/run/churn/frames", "--env", f"HELIX_FRAMES=/run/churn/frames/{self.name}",
                 *OPTIONS.get(self.kind, ()), "--rootfs", f"{VULKAN_IMAGE if self.kind == 'vulkan' else IMAGE}:O", *KINDS[self.kind]]
        said = f"/run/churn/refused/.{self.name}"
        return (f"t=$EPOCHSECONDS; {shlex.join(words)} >{said} 2>&1 && rm {said} || "
                f"{{ echo status $? >>{said}; journalctl --sync; journalctl -q --no-pager -o cat -t helixctl --since=@$t >>{said}; mv {said} /run/churn/refused/{self.name}; }}")


class Fleet(Containers):
    """The machine, its containers, its viewers."""

    def __init__(self, desktops, rundir, patience=1):
        """patience: so many times the usual until something counts as one that never ends."""
        self.hang, self.quiesce_ms = HANG * patience, QUIESCE_MS * patience
        system = System(desktops, os.environ.get("ACCEL", ""), 0, rundir)
        system.machine.autostart = 0
        system.machine.gpu_properties = VENUS
        system.machine.extra += [
            "-drive", f"if=none,id=containers,file={os.environ['HELIX_CONTAINERS']}/containers.sqfs,format=raw,readonly=on",
            "-device", "virtio-blk-pci,drive=containers,addr=0c.0",
            "-drive", f"if=none,id=vulkan,file={os.environ['HELIX_GPU']}/desktop.sqfs,format=raw,readonly=on",
            "-device", "virtio-blk-pci,drive=vulkan,addr=0d.0"]
        super().__init__(system, TOP / "Documentation/containers.rst")
        self.machine = system.machine
        self.exportd = system.exportd
        self.built = system.exportd.binary
        self.desks = {}         # scanout: who is to be there
        self.viewers = []
        self.given_up = set()   # scanouts that stay lost, which has been said

    # --- to ask, and to wait for what is awaited ---

    def wait(self, condition, text):
        """As wait_long(); the guest is left alone for twice as long as a look at it has taken."""
        deadline = time.monotonic() + self.hang
        while True:
            self.machine.check_alive()
            begun = time.monotonic()
            value = condition()
            now = time.monotonic()
            if value:
                return value
            if now > deadline:
                raise AssertionError(f"after {self.hang} s still not: {text() if callable(text) else text}")
            time.sleep(max(0.3, 2 * (now - begun)))

    def check(self, text):
        return self.agent.check(text, self.hang)

    def ask(self, text, stdin=None):
        """The same, however it ends."""
        return self.agent.run(text, self.hang, stdin)

    def timely(self, text):
        """check() of what has a deadline of its own."""
        result = self.ask(text)
        if result.status:
            raise (Late if LATE.search(result.err) else AssertionError)(f"{text}: {result.err.strip()}")

    # --- the machine ---

    def boot(self):
        self.system.start()
        return self.booted()

    def booted(self):
        """What a guest needs that has just started."""
        self.machine.wait_agent(BOOT)
        self.wait(lambda: self.ask(f"[ -e /dev/helix/scanout15 ] && mountpoint -q {IMAGE}").status == 0, f"there are scanouts, and {IMAGE}")
        self.check(LAY_OVER)
        self.check(f"mkdir -p /run/churn/bin /run/churn/frames /run/churn/refused {VULKAN_IMAGE} && mount -o ro /dev/vdd {VULKAN_IMAGE}")
        for path in (PROGRAMS / "tenant", PROGRAMS / "strike", VULKAN_PROGRAMS / "vkdesktop", TOP / "tests/churn/look"):
            self.put(f"/run/churn/bin/{path.name}", path.read_bytes())
        self.loaded()
        return self.check("podman --version; uname -r")

    def put(self, path, data):
        result = self.ask(f"base64 -d >{path} && chmod 755 {path}", base64.b64encode(data))
        check(result.status == 0, f"{path}: {result.err}")

    def loaded(self):
        """The module is there, and nobody has anything of it."""
        self.check(f"cd /sys/module/helix_lease/parameters && echo {self.quiesce_ms} >quiesce_ms && echo {self.quiesce_ms // 2} >commit_ms")
        self.wait(lambda: len(self.scanouts_or_none() or ()) == SCANOUTS, lambda: f"{SCANOUTS} scanouts: {self.scanouts_or_none()}")
        # Runtimes read it, and it is the broker's to write.
        self.wait(lambda: self.ask("grep -qs '\"any\"' /run/cdi/helix.dev-scanout.json").status == 0, "there is a CDI specification")
        self.desks = {}

    def scanouts_or_none(self):
        try:
            return super().scanouts()
        except (RemoteError, ValueError):
            return None

    def scanouts(self):
        return self.wait(self.scanouts_or_none, "helixctl lists scanouts")

    # --- containers ---

    def launch(self, *desks):
        """Has them started, and waits for none."""
        for desk in desks:
            self.check(f"systemd-run --quiet --collect --no-block -p KillMode=none --unit=start-{desk.name} bash -c {shlex.quote(desk.command())}")

    def usable(self):
        """How many desktops there can be."""
        return SCANOUTS - len(self.given_up)

    def find(self, desk):
        """Its row, if it has a scanout."""
        row = next((row for row in self.scanouts().values() if row["label"] == desk.name and row["state"] == "leased"), None)
        if row:
            desk.scanout = row["scanout"]
        return row

    def drawing(self, *desks):
        """Until each of them has a scanout and has shown something there."""
        missing, first, pids = list(desks), {}, []

        def there():
            look = self.look()
            for desk in list(missing):
                self.not_refused(desk, look)
                row = next((r for r in look.scanouts.values() if r["label"] == desk.name and r["state"] == "leased"), None)
                if row:
                    desk.scanout = row["scanout"]
                    # Some turn their output off as often as on.
                    if look.active(desk.scanout) or look.flips[desk.scanout] > first.setdefault(desk, look.flips[desk.scanout]):
                        missing.remove(desk)
                        pids.append(row["owner_pid"])
            return not missing
        self.wait(there, lambda: "these draw: " + "".join(f"\n{desk.name}: {self.says(desk)}" for desk in missing))
        for desk in desks:
            self.desks[desk.scanout] = desk
        self.ask(f"for pid in {' '.join(map(str, pids))}; do read -r group </proc/$pid/cgroup && group=${{group#0::}} && "
                 f"echo {WEIGHT} >/sys/fs/cgroup${{group%.scope*}}.scope/cpu.weight; done")
        return desks

    def not_refused(self, desk, look):
        """Its container has started, or may yet."""
        why = look.refused.get(desk.name)
        if why is not None:
            text = f"{desk.name} did not start: {why.strip()}"
            raise Late(text, desk) if LATE.search(why) else AssertionError(text)

    def comes_to(self, desk, condition, text):
        """Waits for what becomes of a desk, if that starts at all."""
        def so():
            look = self.look()
            return condition() or self.not_refused(desk, look)
        self.wait(so, text)

    def says(self, desk):
        return self.ask(f"podman ps --all --filter name={desk.name} --format '{{{{.Status}}}}'; podman logs {desk.name} 2>&1 | tail -n 5; "
                        f"cat /run/churn/refused/{desk.name}; journalctl -q --no-pager -o cat -t helixctl | tail -n 3").out

    def owner(self, desk):
        """The first process of its container, as it owns the lease."""
        row = self.find(desk)
        check(row, f"{desk.name} has no scanout: {self.says(desk)}")
        return row["owner_pid"]

    def counted(self, desk):
        """What a program of ours has counted."""
        text = self.ask(f"od -An -v -tu8 -w8 /run/churn/frames/{desk.name}").out.split()
        return int(text[0]) if text else 0

    def remove(self, *desks):
        """Whatever is left of it. podman may have seen it end, or not, or be busy with that itself."""
        remove = "podman rm --force --ignore --time 0 " + " ".join(desk.name for desk in desks)
        traces = " ".join(f"/run/churn/{folder}/{desk.name}" for desk in desks for folder in ("frames", "refused"))
        self.wait(lambda: self.ask(f"{remove} && rm -f {traces}").status == 0, lambda: f"{remove}: {self.ask(remove).err}")

    # --- viewers ---

    def watch(self, count, seconds=36000):
        """One of the project's viewers, on all desktops that there are by then."""
        name = self.system.rundir / f"viewer-{next(numbers)}"
        viewer = Viewer(self.system.viewer_binary, self.exportd.url, count, seconds, HANG, time.time(), f"{name}.json", f"{name}.log")
        self.viewers.append(viewer)
        return viewer

    def frames_sent(self):
        """{scanout: frames that exportd has encoded}, all rungs together."""
        with urllib.request.urlopen(self.exportd.url + "metrics", timeout=HANG) as answer:
            text = answer.read().decode()
        sent = {}
        for labels, value in re.findall(r"^helix_exportd_frames_total\{([^}]*)\} (\d+)", text, re.M):
            scanout = int(re.search(r'scanout="(\d+)"', labels).group(1))
            sent[scanout] = sent.get(scanout, 0) + int(value)
        return sent

    def render_servers(self):
        return render_servers(self.machine)

    # --- what must hold ---

    def look(self):
        """Now; or a moment later, if the broker was just ended while it was asked."""
        text = []

        def parsed():
            text[:] = [self.check("/run/churn/bin/look")]
            try:
                return Look(text[0])
            except (ValueError, LookupError, AttributeError):
                return None
        return self.wait(parsed, lambda: f"the guest says how it is: {text[0]}")

    def others_go_on(self, frames=3):
        """Every desktop that nothing was done to draws on, and who watches it is sent that."""
        others = list(self.desks)
        if not self.watched():
            self.watch(len(self.desks))
        before, sent = self.look().flips, self.frames_sent()
        missing = []

        def gone_on():
            look, now = self.look(), self.frames_sent()
            missing[:] = [f"{self.desks[n].name} on {n}, {look.scanouts[n]['state']}" for n in others
                          if look.flips[n] < before[n] + frames or look.scanouts[n]["label"] != self.desks[n].name
                          or now.get(n, 0) < sent.get(n, 0) + frames]
            return not missing
        self.wait(gone_on, lambda: f"{frames} more frames of {', '.join(missing)}")

    def all_anew(self):
        """Nothing is left of what was there before: no output is plugged in, exportd has none live, and a desktop comes."""
        self.wait(lambda: not any(d["state"] == "live" for d in self.exportd.desktops()), "exportd has none live")
        plugged = "grep -lx connected /sys/class/drm/card*-*/status | grep -v Virtual-1/"
        self.wait(lambda: self.ask(plugged).status == 1, lambda: f"only the console's output is there: {self.check(plugged)}")
        desk = Desk("draw")
        self.launch(desk)
        self.drawing(desk)
        self.others_go_on()

    def watched(self):
        return any(viewer.process.poll() is None for viewer in self.viewers)

    def accounted(self):
        """Each scanout is free and blank, or has the desktop that is to be there; nobody waits for anything."""
        wrong = []

        def fine():
            look = self.look()
            wrong[:] = []
            check(set(look.scanouts) == set(range(1, SCANOUTS + 1)), f"there are scanouts {sorted(look.scanouts)}")
            for n, row in look.scanouts.items():
                if n in self.given_up:
                    continue
                desk = self.desks.get(n)
                if desk and (row["state"], row["label"]) != ("leased", desk.name):
                    wrong.append(f"{n} is {row['state']} \"{row['label']}\" and not {desk.name}'s")
                if not desk and (row["state"] != "free" or look.active(n)):
                    wrong.append(f"{n} is {row['state']} \"{row['label']}\" of {row['owner_pid']}, waits for {row['wait_for']} "
                                 f"{row['wait_name']}, {'shows something' if look.active(n) else 'blank'}")
            return not wrong
        self.wait(fine, lambda: "; ".join(wrong))

    def nobody_stuck(self):
        """No task is in D state all the time from now on to the deadline."""
        waiting = self.look().stuck

        def gone():
            now = self.look().stuck
            for task in set(waiting) - set(now):
                del waiting[task]
            return not waiting
        self.wait(gone, lambda: "in D state: " + "; ".join(waiting.values()))

    def quarantines(self):
        return sum(row["quarantines"] for row in self.scanouts().values())

    def count(self):
        """What must not grow from round to round."""
        look = self.look()
        with qmp(self.machine.rundir / "qmp-2.sock", HANG) as connection:
            gpu = connection.call("query-virtio-gpu", HANG)[0]["contexts"]

        def fds(process):
            return len(os.listdir(f"/proc/{process.pid}/fd"))

        def kib(process, what="RssAnon"):
            return int(re.search(rf"^{what}:\s+(\d+)", Path(f"/proc/{process.pid}/status").read_text(), re.M).group(1))
        code = translated_kib(self.machine.process)
        return {"framebuffers": look.framebuffers, "clients": look.clients, "resources": sum(c["resources"] for c in gpu),
                "contexts": len(gpu), "gpu_kib": sum(c["memory"] for c in gpu) >> 10,
                "broker_fds": look.broker_fds, "exportd_fds": fds(self.exportd.process), "qemu_fds": fds(self.machine.process),
                "shmem_kib": look.memory["Shmem"], "available_kib": look.memory["MemAvailable"], "unreclaimable_kib": look.memory["SUnreclaim"],
                "guest_files": look.files, "broker_kib": look.broker_kib, "exportd_kib": kib(self.exportd.process),
                "qemu_code_kib": code, "qemu_kib": kib(self.machine.process) - code}

    def end_all(self):
        """Every desktop and viewer."""
        self.unwatch()
        if self.desks:
            self.remove(*self.desks.values())
        self.desks = {}
        self.accounted()

    def ended(self, before):
        """All have ended, and there is no more than was counted before any came."""
        self.end_all()
        more = {}

        def as_before():
            now = self.count()
            more.clear()
            more.update((name, (before[name], now[name])) for name in COUNTED if now[name] > before[name])
            return not more
        self.wait(as_before, lambda: "more than before: " + ", ".join(f"{name} {n}, not {then}" for name, (then, n) in more.items()))

    def unwatch(self):
        for viewer in self.viewers:
            viewer.stop()
        self.viewers = []

    def stop(self):
        self.unwatch()
        self.system.stop()
