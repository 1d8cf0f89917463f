# SPDX-License-Identifier: GPL-2.0-only
"""What live desktops cost and how old their frames are: `make bench BENCHES=streams`.

Two boots. In the first, fifteen desktops on the machine that `make run` has: idle, then
1, 4, 8 and 15 of them moving, with helix-viewer on all and with Chromium on the first. In
the second, two guests with four desktops each, one of them on Debian's QEMU, whose VNC
server serves the same pictures, by turns.

The desktops are bench/moving.c: a window of text of 640x400 on a screen of 1280x720, typed or
scrolled in, that wants 30 pictures a second. They cost the guest next to nothing but the
copy, so that what is measured is what comes after it; how many pictures a guest under
emulation really draws is measured beside.
"""
import concurrent.futures
import json
import os
import re
import shlex
import statistics
import subprocess
import time
import urllib.request
from pathlib import Path

import rfb
from browser import Browser
from guest import COLOURS, HANG, Guest
from report import wait_for
from vm.machine import MachineError

MOST = 15
COUNTS = (1, 4, 8, MOST)
WANTED_FPS = 30
SIZE = (1280, 720)
SCENES = {"typing": "USR1", "scrolling": "USR2"}    # and the signal that begins it
STILL = "HUP"
VNC_DESKTOPS = 4
VNC_ENCODINGS = {"lossless": rfb.LOSSLESS, "jpeg": rfb.JPEG}
ROUNDS = 2
WINDOW = int(os.environ.get("FOR") or 12)   # seconds of each figure
START = 240         # seconds for a thing to come, on a machine that does much else
ACROSS = 0.5        # of a second: how often something is looked for
PARTS = ("capture", "encode", "send", "network", "decode", "paint", "total")
QUANTILES = ("p50", "p95", "p99")


def say(text):
    print(f"[bench] {text}", flush=True)


# --- what processes cost ---

def task_seconds(pid, task):
    """The CPU time of a thread; 0 if it has ended."""
    try:
        return int(Path(f"/proc/{pid}/task/{task}/schedstat").read_text().split()[0]) / 1e9
    except OSError:
        return 0


def process_seconds(pid):
    """The CPU time of a process, of threads that ended too."""
    return time.clock_gettime((~pid << 3) | 2)      # clock_getcpuclockid(3)


class Meter:
    """CPU time of QEMU and of exportd between two moments, in % of one CPU.

    QEMU's is in two: `guest`, the threads of its CPUs, which are the guest and, under
    emulation, what emulates it; and `qemu`, all others: devices, rendering, display.
    """

    def __init__(self, machine, exportd=None):
        self.qemu = machine.process.pid
        self.cpus = [cpu["thread-id"] for cpu in machine.qmp("query-cpus-fast")]
        self.exportd = exportd.process.pid if exportd else None
        self.begun, self.before = time.monotonic(), self._now()

    def _now(self):
        guest = sum(task_seconds(self.qemu, task) for task in self.cpus)
        now = {"guest": guest, "qemu": process_seconds(self.qemu) - guest}
        if self.exportd:
            now["exportd"] = process_seconds(self.exportd)
        return now

    def read(self):
        took, now = time.monotonic() - self.begun, self._now()
        return {name: 100 * (now[name] - self.before[name]) / took for name in now} | {"seconds": took}


# --- desktops ---

class Desktops:
    """One boot with `count` desktops of bench/moving.c, which stand still."""

    def __init__(self, name, count, program, alone=None):
        self.numbers = range(1, count + 1)
        self.program = program
        self.guest = Guest(count, f"build/bench/{name}", alone=alone)
        self.machine = self.guest.machine
        self.exportd = self.guest.system.exportd
        self.scratch = self.guest.system.rundir

    def __enter__(self):
        begun = time.monotonic()
        try:
            self.boot()
            self.guest.put("/run/gpu/bin/moving", self.program.read_bytes())
            self.enable()
            for n in self.numbers:
                self.guest.start(self.unit(n), ["moving", self.unit(n), COLOURS[n - 1], WANTED_FPS], n, "x".join(map(str, SIZE)))
            self.wait_live()
            time.sleep(10)          # what a guest does after its start is over
        except BaseException:
            self.guest.stop()
            raise
        say(f"{len(self.numbers)} desktops after {time.monotonic() - begun:.0f} s")
        return self

    def __exit__(self, *_):
        self.guest.stop()

    @staticmethod
    def unit(n):
        return f"desktop-{n}"

    def boot(self):
        """A second time if need be: a kernel under emulation may panic when it patches itself on a busy machine."""
        try:
            self.guest.boot()
        except MachineError as error:
            say(f"{error}; once more")
            self.guest.stop()
            self.guest.boot()

    def enable(self):
        """Outputs are enabled by who is given them."""

    def wait_live(self):
        wait_for(lambda: self.exportd.live() >= set(self.numbers), START,
                 lambda: f"live are {sorted(self.exportd.live())}; the guest: {self.guest.log(self.unit(1))}", ACROSS)

    def tell(self, signal, count=None):
        """Desktops 1 to `count` do what this signal says from now on, all others stand still."""
        moving = [n for n in self.numbers if n <= (len(self.numbers) if count is None else count)]
        still = [n for n in self.numbers if n not in moving]
        words = [shlex.join(["pkill", f"-{name}", "-f", "^/run/gpu/bin/moving (" + "|".join(map(self.unit, numbers)) + ") "])
                 for name, numbers in ((signal, moving), (STILL, still)) if numbers]
        self.guest.agent.check(" && ".join(words), START)

    def drawing(self):
        """How many pictures a second all of them draw, from now for most of a window, by the guest's clock: a function that waits for it."""
        pool = concurrent.futures.ThreadPoolExecutor(1)
        rates = pool.submit(self.guest.rates, WINDOW * 0.8)
        pool.shutdown(wait=False)
        return lambda: sum(rates.result(HANG).get(self.unit(n), 0) for n in self.numbers)

    def restart_exportd(self):
        """So that it knows of no frame from before."""
        self.exportd.stop()
        self.exportd.start()
        self.wait_live()

    def served(self):
        """(frames, bytes) of all desktops since exportd was started."""
        rows = self.exportd.desktops()
        return sum(row["frames"] for row in rows), sum(row["bytes"] for row in rows)

    def settle(self):
        """Until exportd has nothing to send any more."""
        last = [self.served(), time.monotonic()]

        def quiet():
            now = self.served()
            if now != last[0]:
                last[:] = now, time.monotonic()
            return time.monotonic() - last[1] > 3
        wait_for(quiet, START, "exportd still sends, and the desktops stand still", ACROSS)

    def viewer(self, count, seconds):
        return Viewer(self, range(1, count + 1), seconds)


class Viewer:
    """helix-viewer on some desktops. Use as a context manager; measuring() returns when its time has begun."""

    def __init__(self, desktops, scanouts, seconds):
        self.binary, self.url = desktops.guest.system.viewer_binary, desktops.exportd.url
        self.log, self.output = desktops.scratch / "viewer.log", desktops.scratch / "viewer.json"
        self.scanouts, self.seconds = scanouts, seconds

    def __enter__(self):
        which = [word for n in self.scanouts for word in ("--scanout", str(n))]
        self.output.unlink(missing_ok=True)
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen(
                [str(self.binary), "--url", self.url, *which, "--wait", str(START), "--for", str(self.seconds),
                 "--output", str(self.output)], stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.terminate()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def said(self):
        return self.log.read_text(errors="replace")

    def measuring(self):
        wait_for(lambda: self.process.poll() is not None or "measuring for" in self.said(), START + 10,
                 lambda: f"no frame of each desktop: {self.said()[-400:]}", 0.05)
        if self.process.poll() is not None:
            raise AssertionError(f"helix-viewer ended: {self.said()[-400:]}")

    def report(self):
        """What it wrote, when its time is over."""
        self.process.wait(self.seconds + 60)
        rows = json.loads(self.output.read_text())["desktops"]
        if len(rows) != len(self.scanouts) or any(row["violations"] for row in rows):
            raise AssertionError(f"helix-viewer: {self.said()[-400:]}")
        return rows


# --- rows ---

def row(name, value, unit, digits=1, baseline=None, **of):
    """A figure; `of` says what it is of, for those who draw it."""
    found = {"name": name, "value": round(value, digits), "unit": unit, "of": of}
    if baseline is not None:
        found["baseline"] = round(baseline, digits)
        found["ratio"] = round(value / baseline, 3) if baseline else None
    return found


# --- idle ---

def idle(desktops):
    """Fifteen that stand still: without exportd, with it and nobody watching, and watched; by turns."""
    found = {"alone": [], "unwatched": [], "watched": []}
    frames, kbit = [], []

    def take(what, exportd):
        meter = Meter(desktops.machine, exportd)
        time.sleep(WINDOW)
        found[what].append(meter.read())

    for turn in range(ROUNDS):
        say(f"idle: {MOST} still desktops, round {turn + 1} of {ROUNDS}")
        desktops.exportd.stop()
        time.sleep(3)
        take("alone", None)
        desktops.exportd.start()
        desktops.wait_live()
        time.sleep(3)
        take("unwatched", desktops.exportd)
        with desktops.viewer(MOST, 3600) as viewer:
            viewer.measuring()
            desktops.settle()
            before = desktops.served()
            take("watched", desktops.exportd)
            after = desktops.served()
        frames.append(after[0] - before[0])
        kbit.append((after[1] - before[1]) * 8 / 1000 / found["watched"][-1]["seconds"])

    def mean(what, who):
        return statistics.fmean(took[who] for took in found[what])
    rows = []
    for what in ("unwatched", "watched"):
        of = {"figure": "idle", "state": what, "desktops": MOST}
        rows.append(row(f"idle_exportd_{what}", mean(what, "exportd"), "% of one CPU", 2, **of, who="exportd"))
        for who in ("qemu", "guest"):
            rows.append(row(f"idle_{who}_{what}", mean(what, who), "% of one CPU", 2, mean("alone", who), **of, who=who))
    rows.append(row("idle_frames_watched", sum(frames) / (WINDOW * ROUNDS), "1/s", 2))
    rows.append(row("idle_kbit_watched", statistics.fmean(kbit), "kbit/s", 2))
    return rows


# --- moving ---

def moving(desktops, count, scene):
    """`count` desktops that move, watched in full by helix-viewer."""
    desktops.restart_exportd()
    desktops.tell(SCENES[scene], count)
    with desktops.viewer(count, WINDOW) as viewer:
        viewer.measuring()
        meter, before, drawing = Meter(desktops.machine, desktops.exportd), desktops.served()[0], desktops.drawing()
        report, cost = viewer.report(), meter.read()
        encoded, drawn = (desktops.served()[0] - before) / cost["seconds"], drawing()
    fps = [line["fps"] for line in report]
    of = {"scene": scene, "desktops": count}
    name = f"{scene}_{count}"
    rows = [row(f"fps_total_{name}", sum(fps), "1/s", 1, drawn, figure="fps", **of),
            row(f"fps_slowest_{name}", min(fps), "1/s", 1, statistics.fmean(fps), **of),
            row(f"kbit_{name}", sum(line["kbit_s"] for line in report), "kbit/s", 0, figure="kbit", **of)]
    for who in ("exportd", "qemu", "guest"):
        rows.append(row(f"cpu_{who}_{name}", cost[who], "% of one CPU", 1, figure="cpu", who=who, **of))
    if encoded:
        for who in ("exportd", "qemu"):
            rows.append(row(f"ms_per_frame_{who}_{name}", cost[who] * 10 / encoded, "ms of CPU", 2, figure="cost", who=who, **of))
        # Of a CPU that does nothing else, the guests' CPUs not counted.
        per_frame = (cost["exportd"] + cost["qemu"]) / 100 / encoded
        rows.append(row(f"desktops_per_core_{name}", 1 / per_frame / WANTED_FPS, f"at {WANTED_FPS} frames/s", 2, figure="sizing", **of))
    delivered = [line["latency_ms"] for line in report if line["latency_ms"]]
    for quantile in QUANTILES if delivered else ():
        # of the desktop in the middle, and of the worst
        values = sorted(line[quantile] for line in delivered)
        rows.append(row(f"latency_received_{quantile}_{name}", statistics.median(values), "ms", 1,
                        figure="received", quantile=quantile, **of))
        rows.append(row(f"latency_received_worst_{quantile}_{name}", values[-1], "ms", 1, quantile=quantile, **of))
    say(f"{count} {scene}: {sum(fps):.0f} frames/s of {drawn:.0f} drawn, exportd {cost['exportd']:.0f} %, "
        f"QEMU {cost['qemu']:.0f} %, guest {cost['guest']:.0f} %")
    return rows


def painted(desktops, browser, count, scene="scrolling"):
    """`count` desktops that move, the first in Chromium, in full, the others at helix-viewer."""
    desktops.restart_exportd()
    desktops.tell(SCENES[scene], count)
    others = Viewer(desktops, range(2, count + 1), 3600) if count > 1 else None
    try:
        if others:
            others.__enter__().measuring()
        browser.open(f"{desktops.exportd.url}#scanout=1")

        def frames():
            return browser.painted().get(1, 0)
        wait_for(lambda: frames() > 3, START, lambda: f"Chromium paints nothing: {browser.desktops()}, {browser.console()}", ACROSS)
        before, begun = frames(), time.monotonic()
        time.sleep(WINDOW)
        fps = (frames() - before) / (time.monotonic() - begun)
        desktop = next(found["id"] for found in desktops.exportd.desktops() if found["scanout"] == 1)
        with urllib.request.urlopen(f"{desktops.exportd.url}api/desktops/{desktop}/stats", timeout=20) as answer:
            latency = json.load(answer)["latency"] or {}
    finally:
        if others:
            others.__exit__()
        browser.open("about:blank")
    name = f"{scene}_{count}"
    of = {"scene": scene, "desktops": count}
    rows = [row(f"fps_painted_{name}", fps, "1/s", 1, figure="painted", **of)]
    for part in PARTS:
        for quantile in QUANTILES if part in latency else ():
            rows.append(row(f"latency_{part}_{quantile}_{name}", latency[part][quantile], "ms", 1,
                            figure="latency", part=part, quantile=quantile, **of))
    total = latency.get("total", {})
    say(f"{count} {scene}, the first in Chromium: {fps:.1f} frames/s painted, flush to paint "
        + " ".join(f"{quantile} {total.get(quantile, 0):.0f} ms" for quantile in QUANTILES))
    return rows


def live(program):
    """The machine of `make run`: what idle desktops cost, then more and more that move."""
    rows = []
    with Desktops("streams", MOST, program) as desktops:
        rows += idle(desktops)
        for scene in SCENES:
            for count in COUNTS:
                rows += moving(desktops, count, scene)
        desktops.tell(STILL)
        with Browser() as browser:
            for count in COUNTS:
                rows += painted(desktops, browser, count)
    return rows


# --- QEMU's own VNC server ---

def on_2d(machine, display):
    """Without GL, which costs either server that the pictures are read back: they are memory of QEMU then."""
    plain = machine.command_line

    def command_line():
        argv = [re.sub(r"^virtio-gpu-gl-pci,", "virtio-gpu-pci,", word) for word in plain()]
        argv[argv.index("-display") + 1] = display
        return argv
    machine.command_line = command_line


class Vnc(Desktops):
    """Served by the VNC server of another QEMU, and by nothing else."""

    def __init__(self, program):
        super().__init__("vnc", VNC_DESKTOPS, program, alone=os.environ["HELIX_QEMU_DEBIAN"])
        self.machine.environment.clear()
        on_2d(self.machine, "none")
        for n in self.numbers:
            self.machine.extra += ["-vnc", f"unix:{self.socket(n)},display=gpu,head={n},lossy=on"]

    def socket(self, n):
        return self.scratch / f"vnc-{n}.sock"

    def enable(self):
        for n in self.numbers:
            client = rfb.connect(self.socket(n), START)

            def enabled():
                client.resize(*SIZE)
                # What the kernel has been told of is in sysfs once somebody asks.
                return self.guest.agent.run(f"cd /sys/class/drm/card0-Virtual-{n + 1} && for i in $(seq 20); do echo detect > status; "
                                            "grep -qx connected status && exit; sleep 0.1; done; exit 1", HANG).status == 0
            wait_for(enabled, START, f"the guest sees output {n}", ACROSS)
            client.close()

    def wait_live(self):
        wait_for(lambda: all(self.guest.counters()[1].get(self.unit(n)) for n in self.numbers), START,
                 lambda: f"every desktop has drawn: {self.guest.log(self.unit(1))}", ACROSS)

    def __exit__(self, *arguments):
        super().__exit__(*arguments)
        for n in self.numbers:
            self.socket(n).unlink(missing_ok=True)


def by_vnc(desktops, encodings):
    """(frames/s, kbit/s, cost, pictures drawn/s) with a VNC viewer on each desktop."""
    watchers = []
    try:
        for n in desktops.numbers:
            watchers.append(rfb.Watcher(rfb.connect(desktops.socket(n), START, encodings)).__enter__())
        for watcher in watchers:
            if not watcher.first.wait(START):
                raise AssertionError("QEMU's VNC server sent no picture")
        time.sleep(2)
        meter, drawing = Meter(desktops.machine), desktops.drawing()
        before = [watcher.counters() for watcher in watchers]
        time.sleep(WINDOW)
        counted = [watcher.counters().minus(was) for watcher, was in zip(watchers, before)]
        cost, drawn = meter.read(), drawing()
    finally:
        for watcher in watchers:
            watcher.__exit__()
    took = cost["seconds"]
    return (sum(c.updates for c in counted) / took, sum(c.bytes for c in counted) * 8 / 1000 / took,
            cost["qemu"], drawn)


def by_exportd(desktops):
    """The same with exportd and helix-viewer; the cost is QEMU's and exportd's."""
    desktops.exportd.start()
    try:
        desktops.wait_live()
        with desktops.viewer(len(desktops.numbers), WINDOW) as viewer:
            viewer.measuring()
            meter, drawing = Meter(desktops.machine, desktops.exportd), desktops.drawing()
            report, cost = viewer.report(), meter.read()
            drawn = drawing()
    finally:
        desktops.exportd.stop()
    return (sum(line["fps"] for line in report), sum(line["kbit_s"] for line in report),
            cost["qemu"] + cost["exportd"], drawn)


def vnc(program):
    """exportd next to QEMU's own VNC server: the same guest twice, the same moving pictures, by turns."""
    rows = []
    mine = Desktops("vnc-ours", VNC_DESKTOPS, program)
    on_2d(mine.machine, "dbus,p2p=on")
    with mine, Vnc(program) as theirs:
        mine.exportd.stop()
        for scene, signal in SCENES.items():
            found = {"exportd": [], **{codec: [] for codec in VNC_ENCODINGS}}
            for turn in range(ROUNDS):
                say(f"{VNC_DESKTOPS} {scene}: exportd next to QEMU's VNC server, round {turn + 1} of {ROUNDS}")
                mine.tell(signal)
                found["exportd"].append(by_exportd(mine))
                mine.tell(STILL)
                theirs.tell(signal)
                for codec, encodings in VNC_ENCODINGS.items():
                    found[codec].append(by_vnc(theirs, encodings))
                theirs.tell(STILL)
            means = {name: [statistics.fmean(column) for column in zip(*turns)] for name, turns in found.items()}
            for codec in VNC_ENCODINGS:
                rows += compared(scene, codec, means["exportd"], means[codec])
    return rows


def compared(scene, codec, ours, theirs):
    of = {"figure": "vnc", "scene": scene, "codec": codec, "desktops": VNC_DESKTOPS}
    rows = [row(f"vnc_{codec}_{what}_{scene}", ours[i], unit, 1, theirs[i], **of, what=what)
            for i, (what, unit) in enumerate((("fps", "1/s"), ("kbit", "kbit/s"), ("cpu", "% of one CPU"), ("drawn", "1/s")))]
    if ours[0] and theirs[0]:
        rows.append(row(f"vnc_{codec}_ms_per_frame_{scene}", ours[2] * 10 / ours[0], "ms of CPU", 2, theirs[2] * 10 / theirs[0],
                        **of, what="ms_per_frame"))
        rows.append(row(f"vnc_{codec}_kbyte_per_frame_{scene}", ours[1] / 8 / ours[0], "kB", 2, theirs[1] / 8 / theirs[0],
                        **of, what="kbyte_per_frame"))
    return rows
