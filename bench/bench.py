#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""`make bench`: writes build/bench/results.json, an array of objects with name,
value, unit and, where there is something to compare with, baseline and ratio;
each with the commit and the machine it was measured on, and how many processes
wanted its CPUs before and after; and plots of those that plot.py has one for.

Runs in the build root, with the environment of scripts/with-parts.
usage: bench.py [module|desktops|video|streams|gpu|memory]...
"""
import json
import os
import re
import statistics
import subprocess
import sys
import time
from pathlib import Path

sys.dont_write_bytecode = True
TOP = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(TOP / "scripts"))
sys.path.insert(0, str(TOP / "tests/gpu"))
sys.path.insert(0, str(TOP / "tests/e2e"))
from vm.export import Viewer  # noqa: E402
from vm.jsonsocket import RemoteError  # noqa: E402
from vm.machine import MachineError, accelerator  # noqa: E402
from vm.system import System  # noqa: E402
from guest import VENUS, Guest, build_programs, wait_for  # noqa: E402
import memory  # noqa: E402
import plot  # noqa: E402
import rfb  # noqa: E402
import streams  # noqa: E402

OUT = TOP / "build/bench"
DESKTOPS = int(os.environ.get("DESKTOPS") or 4)
SECONDS = int(os.environ.get("FOR") or 30)
TICK = os.sysconf("SC_CLK_TCK")


def say(text):
    print(f"[bench] {text}", flush=True)


def machine():
    """What decides the figures, in words; no names."""
    cpuinfo = Path("/proc/cpuinfo").read_text()
    model = re.search(r"^model name\s*:\s*(.*)$", cpuinfo, re.M)
    memory = int(re.search(r"^MemTotal:\s+(\d+)", Path("/proc/meminfo").read_text(), re.M).group(1)) // 1048576
    gpu = "GPU render node" if Path("/dev/dri/renderD128").exists() else "no GPU (llvmpipe)"
    return (f"{model.group(1) if model else 'x86-64'}, {os.cpu_count()} CPUs, {memory} GiB, {gpu}, "
            f"guest under {accelerator(os.environ.get('ACCEL', ''))}")


def compile_guest_programs(names, headers="selftests"):
    flags = subprocess.run(["pkg-config", "--cflags", "--libs", "libdrm"], check=True, capture_output=True, text=True)
    for name in names:
        subprocess.run(["cc", "-std=gnu11", "-D_GNU_SOURCE", "-O2", "-Wall", "-Wextra", "-Werror",
                        "-Wno-unused-parameter", "-Wno-sign-compare", "-Wno-missing-field-initializers",
                        f"-I{TOP}/uapi", f"-I{TOP}/{headers}",
                        "-o", str(OUT / name), str(TOP / f"bench/{name}.c"), *flags.stdout.split()], check=True)


def in_small_guest(programs, *arguments):
    """Runs programs in the selftests' small guest, where nothing else runs; the rows that they print."""
    kernel = Path(os.environ["HELIX_KERNEL_6_12"])
    release = (kernel / "release").read_text().strip()
    compile_guest_programs(programs)
    say(", ".join(programs) + " " + " ".join(a for a in arguments if not a.startswith("build/")))
    done = subprocess.run(
        [str(TOP / "selftests/run-guest"), "--qemu", os.environ["HELIX_QEMU"],
         "--kernel", os.environ["HELIX_BASE"] + "/vmlinuz", "--modules", str(kernel / "tree/usr/lib/modules" / release),
         "--ko", "build/module/6.12.ko", "--tests", str(OUT), "--only", " ".join(programs),
         "--work", str(OUT / "guest"), *arguments],
        stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=1200)
    (OUT / "guest.log").write_text(done.stdout + done.stderr)
    rows = []
    for line in done.stdout.splitlines():
        found = re.match(r"^(?:# )?(\{.*\})$", line)
        if found:
            rows.append(json.loads(found.group(1)))
        elif line.startswith("# ") and " next to " in line:     # what a program has to say of its rows
            say(line[2:])
    if done.returncode or not rows:
        raise SystemExit(f"bench: {programs} did not end well:\n{done.stdout[-3000:]}{done.stderr[-1000:]}")
    return rows


def module():
    """The module by itself: with its host, and without the control device."""
    return (in_small_guest(["lease-latency"], "--exportd", "build/user/qemu-side/exportd/helix-exportd") +
            in_small_guest(["lease-latency", "node-overhead", "stall-times"], "--host", "none"))


def cpu_seconds(pid):
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICK


def desktops():
    """Frames that reach a viewer, and what they cost on the host."""
    say(f"{DESKTOPS} desktops for {SECONDS} s")
    system = System(DESKTOPS, os.environ.get("ACCEL", ""), 0, rundir="build/bench/run")
    rows = []
    try:
        system.start()
        system.wait_live()
        live_s = time.time() - system.machine.started
        deadline = time.monotonic() + 300
        while not all(system.renderers().values()) and time.monotonic() < deadline:
            time.sleep(2)
        time.sleep(20)      # the terminals and what moves have started
        pids = {"qemu": system.machine.process.pid, "exportd": system.exportd.process.pid}
        before = {name: cpu_seconds(pid) for name, pid in pids.items()}
        begun = time.monotonic()
        viewer = Viewer(system.viewer_binary, system.exportd.url, DESKTOPS, SECONDS, 60, time.time(),
                        OUT / "viewer.json", OUT / "viewer.log")
        while not viewer.done():
            time.sleep(0.2)
        took = time.monotonic() - begun
        report = viewer.report()
        fps = [d["fps"] for d in report["desktops"]]
        if len(fps) != DESKTOPS:
            raise SystemExit(f"bench: {len(fps)} of {DESKTOPS} desktops delivered frames, see {OUT}/viewer.log")
        rows.append({"name": f"live_{DESKTOPS}_desktops", "value": round(live_s, 1), "unit": "s"})
        rows.append({"name": f"fps_{DESKTOPS}_desktops_total", "value": round(sum(fps), 2), "unit": "1/s"})
        rows.append({"name": f"fps_{DESKTOPS}_desktops_slowest", "value": round(min(fps), 2), "unit": "1/s"})
        rows.append({"name": f"fps_{DESKTOPS}_desktops_median", "value": round(statistics.median(fps), 2), "unit": "1/s"})
        for name, pid in pids.items():
            share = 100 * (cpu_seconds(pid) - before[name]) / took
            rows.append({"name": f"cpu_{name}", "value": round(share, 1), "unit": "% of one CPU"})
        rate = sum(d["kbit_s"] for d in report["desktops"])
        rows.append({"name": f"bitrate_{DESKTOPS}_desktops_total", "value": round(rate, 1), "unit": "kbit/s"})
    finally:
        system.stop()
    return rows


def percentile(values, p):
    ordered = sorted(values)
    return ordered[(len(ordered) - 1) * p // 100]


def compared(name, unit, ours, base, digits=1):
    """A row of our value and the one that it is compared with."""
    return {"name": name, "value": round(ours, digits), "unit": unit, "baseline": round(base, digits),
            "ratio": round(ours / base, 4) if base else 0}


def wakeups(guest, seconds):
    """How often QEMU's main loop woke up, per second."""
    status = Path(f"/proc/{guest.machine.process.pid}/status")

    def count():
        return int(re.search(r"^voluntary_ctxt_switches:\s+(\d+)", status.read_text(), re.M).group(1))
    before = count()
    time.sleep(seconds)
    return (count() - before) / seconds


def fences(rounds=3, each=100):
    """From a submit until the guest has its fence: on ours and on QEMU without the series, the same guest by turns."""
    say(f"fences: {rounds} rounds of {each}, next to QEMU without the series")
    machines = {"ours": Guest(1, "build/bench/gpu"), "stock": Guest(1, "build/bench/gpu-stock", alone=os.environ["HELIX_QEMU_STOCK"])}
    jobs = {"small": (64, 1), "large": (512, 20)}       # pixels of a side, layers
    times = {job: {name: [] for name in machines} for job in jobs}
    idle = {name: [] for name in machines}
    for guest in machines.values():
        # It wakes the main loop 250 times a second for nothing: Documentation/qemu-series.rst
        guest.machine.extra += ["-machine", "hpet=off"]
    try:
        for guest in machines.values():
            guest.boot()
        time.sleep(10)      # what a guest does after its start is over
        for _ in range(rounds):
            for name, guest in machines.items():
                for job, (size, layers) in jobs.items():
                    said = guest.agent.check(f"/run/gpu/enter fence fence {each} {size} {layers}", 300)
                    # The first few compile shaders.
                    times[job][name] += [float(us) for us in re.findall(r"^us ([\d.]+)$", said, re.M)][5:]
                time.sleep(2)
                idle[name].append(wakeups(guest, 5))
    finally:
        for guest in machines.values():
            guest.stop()
    rows = [compared(f"fence_{job}_p{p}", "us", *(percentile(times[job][name], p) for name in machines)) for job in jobs for p in (50, 99)]
    rows.append(compared("idle_wakeups", "1/s", *(statistics.median(idle[name]) for name in machines)))
    return rows


# What gets in the way of desktops that draw as fast as they can, and which of them it is at.
IN_THE_WAY = {
    "one_held": "the fences of one are never answered",
    "one_display_silent": "a client of the display of one of them never answers",
    "unmap": "a process takes host memory and gives it back without end",
    "flood": "a process fills the ring with submits",
    "cpu_hog": "a process uses the CPU and no GPU: what of the loss is CPU",
}
VICTIM = 2
WINDOW = 4          # the guest's seconds of each
ROUNDS = 2
COUNTS = (4, 8)
START = 180         # seconds for desktops to come, on a machine that does much else
BUDGET = 300        # seconds of so many desktops: what has not been measured then is left out


class Crowd:
    """One boot of one QEMU, in which more and more desktops draw as fast as they can."""

    def __init__(self, name, prefix, most):
        self.name = name
        self.guest = Guest(most, f"build/bench/crowd-{name}", VENUS, alone=prefix)
        self.desktops = []

    def grow(self, count):
        for n in range(len(self.desktops) + 1, count + 1):
            self.guest.start_desktop(n, 1000)
            self.desktops.append(f"desktop-{n}")
        self.guest.all_go_on(self.desktops, 20, START)
        self.until = time.monotonic() + BUDGET
        self.quiet = []                                     # rates of each desktop, with nothing in the way
        self.kept = {what: [] for what in IN_THE_WAY}       # (all others', the slowest other's) share of the frames before and after

    def window(self):
        rates = self.guest.rates(WINDOW)
        return {unit: rates[unit] for unit in self.desktops}

    def begin(self, what):
        guest = self.guest
        if what == "one_held":
            guest.set_gpu("x-hold-fences", guest.contexts()[f"desktop-{VICTIM}"])
        elif what == "one_display_silent":
            guest.display.tell(f"listen {VICTIM}")
        elif what == "cpu_hog":
            guest.agent.check("systemd-run --quiet --unit=hog sh -c 'while :; do :; done'")
        else:
            guest.start("hog", [what, "hog"])
            wait_for(lambda: guest.counters()[1].get("hog", 0) > 10, lambda: f"{what} works: {guest.log('hog')}")
        time.sleep(1)

    def end(self, what):
        if what == "one_held":
            self.guest.set_gpu("x-hold-fences", 0)
        elif what == "one_display_silent":
            self.guest.display.tell(f"leave {VICTIM}")
        else:
            self.guest.stop_units("hog")
        time.sleep(1)

    def round(self):
        """Each of them between two windows with nothing in the way."""
        before = self.window()
        for what in IN_THE_WAY:
            if what == "one_held" and not self.guest.has_gpu_property("x-hold-fences"):
                continue
            if time.monotonic() > self.until:
                say(f"{self.name}: no time is left for more")
                return
            self.begin(what)
            try:
                during = self.window()
            finally:
                self.end(what)
            after = self.window()
            self.quiet += [before, after]
            others = [unit for unit in self.desktops if unit != f"desktop-{VICTIM}" or not what.startswith("one_")]
            usual = {unit: max(0.1, (before[unit] + after[unit]) / 2) for unit in others}
            self.kept[what].append((sum(during[u] for u in others) / sum(usual.values()), min(during[u] / usual[u] for u in others)))
            say(f"{self.name}, {len(self.desktops)} desktops, {what}: {sum(during[u] for u in others):.0f} frames a second of "
                f"{sum(usual.values()):.0f}")
            before = after

    def even(self):
        """How even the frames of equal desktops are: the slowest against the fastest, and Jain's index, 1 when all are equal."""
        mean = [statistics.fmean(window[unit] for window in self.quiet) for unit in self.desktops]
        return min(mean) / max(mean), sum(mean) ** 2 / (len(mean) * sum(rate * rate for rate in mean)), sum(mean)


def fairness():
    """What others have while one desktop, or one process, is in the way: ours next to QEMU without the series."""
    for what, text in IN_THE_WAY.items():
        say(f"{what}: {text}")
    found = {(name, count): ({what: [] for what in IN_THE_WAY}, None) for name in ("ours", "stock") for count in COUNTS}
    for name, prefix in (("ours", os.environ["HELIX_QEMU"]), ("stock", os.environ["HELIX_QEMU_STOCK"])):
        crowd = Crowd(name, prefix, max(COUNTS))
        try:
            crowd.guest.boot()
            crowd.guest.enable(range(1, max(COUNTS) + 1))
            for count in COUNTS:
                crowd.grow(count)
                for _ in range(ROUNDS):
                    crowd.round()
                if crowd.quiet:
                    found[name, count] = crowd.kept, crowd.even()
        except (AssertionError, RemoteError) as error:      # what was measured stays
            say(f"{name}: {error}")
        finally:
            crowd.guest.stop()
    rows = []
    for count in COUNTS:
        (ours, our_even), (stock, stock_even) = found["ours", count], found["stock", count]
        if our_even and stock_even:
            for name, unit, digits, our, their in zip(("slowest_of_fastest", "jain_index", "frames"), ("", "", "1/s"), (3, 3, 1),
                                                      our_even, stock_even):
                rows.append(compared(f"{name}_of_{count}_desktops", unit, our, their, digits))
        for what in IN_THE_WAY:
            for which, name in enumerate(("others", "slowest_other")):
                row = {"name": f"frames_of_{name}_{what}_{count}_desktops", "unit": "of those before and after"}
                if ours[what]:
                    row["value"] = round(statistics.median(pair[which] for pair in ours[what]), 3)
                    if stock[what]:
                        row["baseline"] = round(statistics.median(pair[which] for pair in stock[what]), 3)
                        row["ratio"] = round(row["value"] / max(row["baseline"], 0.001), 1)
                    rows.append(row)
    return rows


def video():
    """What a frame costs the export daemon, next to libx264 alone."""
    say("encoding, next to libx264 alone")
    done = subprocess.run(["build/user/bench/encode-cost"], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=600)
    if done.returncode:
        raise SystemExit(f"bench: encode-cost: {done.stderr[-1000:]}")
    return [json.loads(line) for line in done.stdout.splitlines()]


def live():
    """Desktops that are watched: what they cost and how old their frames are, next to QEMU's own VNC server."""
    build_programs()
    compile_guest_programs(["moving"], "tests/gpu")
    rows = streams.live(OUT / "moving")
    try:
        rows += streams.vnc(OUT / "moving")
    except (AssertionError, MachineError, RemoteError, OSError, rfb.RfbError) as error:     # what was measured stays
        say(f"next to VNC: {error}")
    return rows


def gpu():
    """The GPU's commands and fences, without the module's part in it."""
    build_programs()
    return fences() + fairness()


BENCHES = {"module": module, "desktops": desktops, "video": video, "streams": live, "gpu": gpu,
           "memory": lambda: memory.measure(say, OUT)}


def main():
    wanted = sys.argv[1:] or list(BENCHES)
    if any(name not in BENCHES for name in wanted):
        raise SystemExit(f"bench: there are {', '.join(BENCHES)}")
    os.chdir(TOP)
    OUT.mkdir(parents=True, exist_ok=True)
    subprocess.run(["git", "config", "--global", "--replace-all", "safe.directory", "*"], check=True)
    commit = subprocess.run(["git", "describe", "--always", "--dirty", "--abbrev=40"], capture_output=True, text=True).stdout.strip()
    where = machine()
    results = []
    for name in wanted:
        before = os.getloadavg()[0]
        rows = BENCHES[name]()
        for row in rows:
            row["load"] = [round(before, 1), round(os.getloadavg()[0], 1)]
        results += rows
    for row in results:
        row["commit"] = commit
        row["machine"] = where
        row["cpus"] = os.cpu_count()
        row["accel"] = accelerator(os.environ.get("ACCEL", ""))
    (OUT / "results.json").write_text(json.dumps(results, indent=2) + "\n")
    for row in results:
        ratio = f"  ({row['ratio']} of {row['baseline']})" if "ratio" in row else ""
        say(f"{row['name']}: {row['value']} {row['unit']}{ratio}")
    say("wrote build/bench/results.json")
    for path in plot.plot(results, OUT):
        say(f"wrote {path.relative_to(TOP)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
