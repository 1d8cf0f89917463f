#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""`make bench`: writes build/bench/results.json, an array of objects with name,
value, unit and, where there is something to compare with, baseline and ratio;
each with the commit and the machine it was measured on.

Runs in the build root, with the environment of scripts/with-parts.
usage: bench.py [module|desktops|video|gpu]...
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
from vm.machine import accelerator  # noqa: E402
from vm.system import System  # noqa: E402
from guest import VENUS, Guest, build_programs  # noqa: E402
from test_gpu import Desktops  # noqa: E402

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


def compile_guest_programs(names):
    flags = subprocess.run(["pkg-config", "--cflags", "--libs", "libdrm"], check=True, capture_output=True, text=True)
    for name in names:
        subprocess.run(["cc", "-std=gnu11", "-D_GNU_SOURCE", "-O2", "-Wall", "-Wextra", "-Werror",
                        "-Wno-unused-parameter", "-Wno-sign-compare", f"-I{TOP}/uapi", f"-I{TOP}/selftests",
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
        rate = sum(d["bytes"] for d in report["desktops"]) * 8 / 1000 / report["measured_s"]
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


def held_and_flooded(rounds=2, seconds=6):
    """Fifteen desktops as fast as they can, while one is in the way, against the same moments before: the others' frames."""
    say("15 desktops, one of them held; flooded")
    guest = Guest(15, "build/bench/gpu", VENUS)
    every = Desktops(guest, 15, fps=1000)
    others = [f"desktop-{n}" for n in range(2, 15)]
    rates = {}

    def measure(name, units, begin, end):
        before = sum(rate for unit, rate in guest.rates(seconds).items() if unit in units)
        begin()
        try:
            time.sleep(1)
            rates.setdefault(name, []).append((sum(rate for unit, rate in guest.rates(seconds).items() if unit in units), before))
        finally:
            end()

    try:
        guest.boot()
        every.present()
        hold = guest.has_gpu_property("x-hold-fences")
        for _ in range(rounds):
            if hold:
                context = guest.contexts()["desktop-1"]
                measure("others_while_one_held", others, lambda: guest.set_gpu("x-hold-fences", context),
                        lambda: guest.set_gpu("x-hold-fences", 0))
            measure("desktops_while_flooded", every.units(), lambda: guest.start("flood", ["flood", "flood"]),
                    lambda: guest.stop_units("flood"))
    finally:
        guest.stop()
    return [compared(f"frames_of_{name}", "1/s", *(statistics.median(side) for side in zip(*pairs))) for name, pairs in rates.items()]


def video():
    """What a frame costs the export daemon, next to libx264 alone."""
    say("encoding, next to libx264 alone")
    done = subprocess.run(["build/user/bench/encode-cost"], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=600)
    if done.returncode:
        raise SystemExit(f"bench: encode-cost: {done.stderr[-1000:]}")
    return [json.loads(line) for line in done.stdout.splitlines()]


def gpu():
    """The GPU's commands and fences, without the module's part in it."""
    build_programs()
    return fences() + held_and_flooded()


BENCHES = {"module": module, "desktops": desktops, "video": video, "gpu": gpu}


def main():
    wanted = sys.argv[1:] or list(BENCHES)
    if any(name not in BENCHES for name in wanted):
        raise SystemExit(f"bench: there are {', '.join(BENCHES)}")
    os.chdir(TOP)
    OUT.mkdir(parents=True, exist_ok=True)
    subprocess.run(["git", "config", "--global", "--replace-all", "safe.directory", "*"], check=True)
    commit = subprocess.run(["git", "describe", "--always", "--dirty", "--abbrev=40"], capture_output=True, text=True).stdout.strip()
    where = machine()
    results = [row for name in wanted for row in BENCHES[name]()]
    for row in results:
        row["commit"] = commit
        row["machine"] = where
    (OUT / "results.json").write_text(json.dumps(results, indent=2) + "\n")
    for row in results:
        ratio = f"  ({row['ratio']} of {row['baseline']})" if "ratio" in row else ""
        say(f"{row['name']}: {row['value']} {row['unit']}{ratio}")
    say("wrote build/bench/results.json")
    return 0


if __name__ == "__main__":
    sys.exit(main())
