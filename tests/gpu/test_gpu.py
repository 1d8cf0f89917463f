#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""Whole guests whose desktops, and other programs, draw with the GPU: none waits for another.

Four boots, the last one of QEMU without the series; cases in order. Prints TAP. What
injects a fault needs the QEMU of the series and is skipped, with the reason, on another.
Runs in the build root, with the environment of scripts/with-parts and HELIX_GPU.
"""
import os
import re
import signal
import sys
import time
from pathlib import Path

sys.dont_write_bytecode = True
HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))
from guest import COLOURS, HANG, VENUS, Guest, build_programs, check, wait_for  # noqa: E402
from report import Skip, run  # noqa: E402  from where guest has it

DESKTOPS = int(os.environ.get("DESKTOPS") or 15)
WATCHED = 4     # with the watchdog; what it does does not depend on how many
FPS = 5         # of each: fifteen that draw all they can leave no CPU for what is tried beside them
RUN, RUN_WATCHED, RUN_SILENT, RUN_STOCK = (Path(f"build/gpu-run{which}") for which in ("", "-watched", "-silent", "-stock"))


def note(text):
    print(f"# {text}", flush=True)


def rgb(colour):
    return tuple(bytes.fromhex(colour))


def near(pixel, colour, distance=40):
    return all(abs(a - b) < distance for a, b in zip(pixel, colour))


def looks_right(picture, colour):
    """The ground of a desktop's colour in its lower half; in the upper the bar as well."""
    check(picture.size == (320, 240), f"the picture is {picture.size}")
    lower = [picture.getpixel((x, y)) for x in range(8, 320, 16) for y in range(136, 240, 16)]
    wrong = [p for p in lower if not near(p, rgb(colour))]
    check(len(wrong) <= len(lower) // 20, f"{len(wrong)} of {len(lower)} pixels of the lower half are not {rgb(colour)}: {wrong[:5]}")
    upper = [picture.getpixel((x, 60)) for x in range(2, 320, 4)]
    bar = sum(near(p, (255, 255, 255)) for p in upper)
    check(4 <= bar <= 12, f"of {len(upper)} pixels across the bar {bar} are white: {upper[::8]}")


class Idle:
    """A guest that does nothing but wait for one fence."""

    TRIES = 4   # what is looked for is a matter of luck here, and of none in the case after it

    def __init__(self, guest):
        self.guest = guest

    def completes(self):
        """Each round is some 100 ms of the host's GPU, which the guest sleeps through."""
        for _ in range(self.TRIES):
            if self.looks_halted():
                return
        raise Skip(f"the host is too busy: in {self.TRIES} runs no look found every CPU halted")

    def looks_halted(self):
        """Whether every CPU was halted at any time while the fences were waited for."""
        self.guest.start("idle", ["fence", "idle", 30, 1024, 60])
        seen = halted = 0
        deadline = time.monotonic() + HANG
        while self.guest.state("idle")[0] or not seen:
            check(time.monotonic() < deadline, f"the fences were not all signalled after {HANG} s")
            for _ in range(20):
                now, all_of_them = self.guest.cpus_halted()
                seen += 1
                halted += now == all_of_them
        status = self.guest.state("idle")[1]
        check(status == 0, f"the program ended with {status}: {self.guest.log('idle')}")
        note(f"every CPU was halted in {halted} of {seen} looks")
        self.guest.stop_units("idle")
        return halted

    def held(self):
        """The same without any luck: the fence is pending for as long as it takes to see every CPU halted."""
        guest = self.guest
        needs(guest, "x-hold-fences")
        guest.start("held", ["fence", "held", 1000000])
        wait_for(lambda: guest.counters()[1].get("held", 0) > 3, lambda: "rounds: " + guest.log("held"))
        context = guest.contexts()["held"]
        guest.set_gpu("x-hold-fences", context)
        try:
            wait_for(lambda: pending(guest, context), "a fence of the context is pending")
            wait_for(lambda: guest.cpus_halted()[0] == guest.cpus_halted()[1], "every CPU is halted", every=0.01)
            before = guest.counters()[1]["held"]
            time.sleep(1)
            check(guest.counters()[1]["held"] == before, "it went on while its fences were held")
        finally:
            guest.set_gpu("x-hold-fences", 0)
        guest.all_go_on(["held"], 3)
        guest.stop_units("held")


def every_cpu_kicks(guest):
    """Submits from every CPU at once, round after round: whatever the device was at, it hears of each."""
    guest.start("kick", ["kick", "kick", 200])
    status = guest.ended("kick")
    check(status == 0, f"the program ended with {status}: {guest.log('kick')}")
    note(guest.log("kick", 1).splitlines()[0])
    guest.stop_units("kick")


def needs(guest, name):
    if not guest.has_gpu_property(name):
        raise Skip(f"the GPU of this QEMU has no property {name}")


def pending(guest, context):
    return next((c["pending-fences"] for c in guest.query_gpu()["contexts"] if c["id"] == context), 0)


class Desktops:
    """So many, of which the last one draws with Vulkan and the others with OpenGL ES."""

    def __init__(self, guest, count, fps=FPS):
        self.guest = guest
        self.count = count
        self.fps = fps
        self.numbers = range(1, count + 1)
        self.unheld = None

    def units(self, but=()):
        return [f"desktop-{n}" for n in self.numbers if n not in but]

    def present(self):
        for n in self.numbers:
            self.guest.start_desktop(n, self.fps, "vkdesktop" if n == self.count else "desktop")
        self.guest.all_go_on(self.units(), 10)

    def seen(self):
        for n, picture in self.guest.pictures(self.numbers, "build/gpu-pictures").items():
            try:
                looks_right(picture, COLOURS[n - 1])
            except AssertionError as error:
                raise AssertionError(f"desktop {n}: {error}") from None

    def rate(self):
        """Frames per second of all, before anything is held; the figures of the others are told against it."""
        rates = self.guest.rates(8)
        self.unheld = {u: rates[u] for u in self.units()}
        note(f"frames per second of {len(self.unheld)} desktops: {min(self.unheld.values()):.1f} the slowest, {sum(self.unheld.values()):.0f} in all")

    def compare(self, text, but):
        rates = self.guest.rates(8)
        others = self.units(but)
        ours, before = (sum(r[u] for u in others) for r in (rates, self.unheld))
        slowest = min(rates[u] / self.unheld[u] for u in others)
        note(f"{text}: the other {len(others)} have {ours / before:.2f} of the frames that they had, the slowest of them {slowest:.2f}")

    def others_go_on(self, text, but, restarted):
        """What must hold while something does not go on: the others do, and desktops come and go."""
        guest = self.guest
        if self.unheld:
            self.compare(text, but)
        guest.all_go_on(self.units(but), 10)
        unit = f"desktop-{restarted}"
        guest.stop_units(unit)
        wait_for(lambda: guest.leases()[restarted]["state"] == "free", f"scanout {restarted} is free after its desktop's end")
        guest.start_desktop(restarted, self.fps)
        guest.all_go_on(self.units(but), 10)

    def one_held(self):
        """One context's fences are answered no more."""
        guest, held = self.guest, 3
        needs(guest, "x-hold-fences")
        context = guest.contexts()[f"desktop-{held}"]
        guest.set_gpu("x-hold-fences", context)
        try:
            wait_for(lambda: pending(guest, context), "a fence of the context is pending")
            self.others_go_on("the fences of one context held", {held}, 5)
            check(pending(guest, context), "no fence of the held context is pending any more")
        finally:
            guest.set_gpu("x-hold-fences", 0)
        guest.all_go_on(self.units(), 10)

    def one_server_stopped(self):
        """The host's process of one Venus context stands still, and with it whatever it was asked for."""
        guest, held = self.guest, self.count
        servers = guest.render_servers()
        check(len(servers) == 1, f"one desktop draws with Vulkan, there are render servers {servers}")
        (pid,) = servers.values()
        os.kill(pid, signal.SIGSTOP)
        try:
            time.sleep(1)
            before = guest.counters()[1][f"desktop-{held}"]
            self.others_go_on("the render server of one context stopped", {held}, 6)
            after = guest.counters()[1][f"desktop-{held}"]
            check(after <= before + 1, f"desktop {held} presented {after - before} frames without its render server")
            # Mesa does not wait for ever: it gives a server up that shows no life for some seconds.
            note(f"the desktop itself ended with {guest.ended(f'desktop-{held}')}: {guest.log(f'desktop-{held}', 2).splitlines()[-1]}")
        finally:
            try:
                os.kill(pid, signal.SIGCONT)
            except ProcessLookupError:      # with its context
                pass
        guest.stop_units(f"desktop-{held}")
        guest.start_desktop(held, self.fps, "vkdesktop")
        guest.all_go_on(self.units(), 10)

    def flooded(self):
        """One process submits without end; the ring is full all the time."""
        guest = self.guest
        guest.start("flood", ["flood", "flood"])
        wait_for(lambda: guest.counters()[1].get("flood", 0) > 1000, lambda: "submits of the flood: " + guest.log("flood"))
        self.others_go_on("one process floods the ring", (), 7)
        first = guest.counters()[1]["flood"]
        wait_for(lambda: guest.counters()[1]["flood"] > first + 1000, "the flood goes on as well")
        guest.stop_units("flood")

    def viewer_stopped(self):
        """The daemon that all listeners belong to stands still: the guest goes on, and so do the streams afterwards."""
        exportd = self.guest.system.exportd.process
        exportd.send_signal(signal.SIGSTOP)
        try:
            time.sleep(3)
            if self.unheld:
                self.compare("nobody reads what the display sends", ())
            self.guest.all_go_on(self.units(), 10)
        finally:
            exportd.send_signal(signal.SIGCONT)
        self.seen()


def results(guest, unit):
    """How many right ones a compute job says it has had."""
    found = re.findall(r"^right (\d+)$", guest.agent.check(f"tail -n 3 /run/gpu/log/{unit}"), re.M)
    return int(found[-1]) if found else 0


class Venus:
    """Vulkan jobs on the side, several at once."""

    def __init__(self, guest, desktops):
        self.guest = guest
        self.desktops = desktops

    def jobs(self):
        units = [f"compute-{i}" for i in (1, 2, 3)]
        for unit in units:
            self.guest.start(unit, ["compute", unit, 20, 65536, 200])
        for unit in units:
            status = self.guest.ended(unit)
            check(status == 0 and results(self.guest, unit) == 20, f"{unit} ended with {status}: {self.guest.log(unit)}")
        self.guest.stop_units(*units)

    def server_killed(self):
        guest = self.guest
        for unit in ("spared-1", "killed", "spared-2"):
            before = guest.render_servers()
            guest.start(unit, ["compute", unit, 1000000, 65536, 50])
            server = guest.new_render_server(before, unit)
            if unit == "killed":
                victim = server[1]
            wait_for(lambda: results(self.guest, unit) > 2, lambda: f"results of {unit}: {guest.log(unit)}")
        os.kill(victim, signal.SIGKILL)
        status = guest.ended("killed")
        note(f"the client ended with {status}: {guest.log('killed', 2).splitlines()[-1]}")
        check(status not in (0, 4), f"the client whose render server died ended with {status}: {guest.log('killed')}")
        for unit in ("spared-1", "spared-2"):
            after = results(self.guest, unit)
            wait_for(lambda: results(self.guest, unit) > after + 2, lambda: f"more results of {unit}: {guest.log(unit)}")
        guest.stop_units("killed", "spared-1", "spared-2")
        for unit in ("spared-1", "spared-2"):
            check("ended after" in guest.log(unit), f"{unit} did not end well: {guest.log(unit)}")
        self.desktops.guest.all_go_on(self.desktops.units(), 10)

    def again(self):
        self.guest.start("afterwards", ["compute", "afterwards", 5, 65536, 50])
        check(self.guest.ended("afterwards") == 0, self.guest.log("afterwards"))
        self.guest.stop_units("afterwards")


class Watchdog:
    """
    A machine whose GPU does not wait for a context for ever.

    QEMU keeps only so many fences that the guest takes for signalled already, because
    later ones of other contexts are; see x-hold-fences. Slow desktops have fewer than that
    within the time of the watchdog.
    """

    TIMEOUT = 3000
    FPS = 1
    PROPERTIES = f"{VENUS},fence-timeout={TIMEOUT},fence-timeout-action=kill"

    def __init__(self, guest, desktops, held):
        self.guest = guest
        self.desktops = desktops
        self.held = held

    def killed(self):
        guest, unit = self.guest, f"desktop-{self.held}"
        context = guest.contexts()[unit]
        events = guest.events()
        guest.set_gpu("x-hold-fences", context)
        try:
            said = events.wait("VIRTIO_GPU_CONTEXT_STALLED", lambda data: data["context"] == context)
        finally:
            guest.set_gpu("x-hold-fences", 0)
            events.close()
        note(str(said))
        check(said["action"] == "kill" and said["name"] == unit and said["stalled"] >= self.TIMEOUT, f"the event says {said}")
        check(self.held in said["scanouts"], f"the event names scanouts {said['scanouts']}, the context shows on {self.held}")
        stalled = [e["data"] for e in events.seen if e["event"] == "VIRTIO_GPU_CONTEXT_STALLED"]
        check(all(data["context"] == context for data in stalled), f"other contexts were reported as well: {stalled}")
        wait_for(lambda: not pending(guest, context), "no fence of the context is pending any more")
        info = next((c for c in guest.query_gpu()["contexts"] if c["id"] == context), None)
        check(info is None or info["killed"] and info["memory"] == 0, f"the context that was killed: {info}")

    def others(self):
        self.guest.all_go_on(self.desktops.units({self.held}), 5)
        for unit in self.desktops.units({self.held}):
            check(self.guest.state(unit)[0], f"{unit} has ended: {self.guest.log(unit)}")

    def server_stopped(self):
        """The host's process of a Venus context stands still, and with it a fence that a process waits for in the kernel."""
        guest, unit = self.guest, "stalled"
        before = guest.render_servers()
        guest.start(unit, ["venus", unit])
        context, pid = guest.new_render_server(before, unit)
        wait_for(lambda: guest.counters()[1].get(unit, 0) > 2, lambda: f"rounds of {unit}: {guest.log(unit)}")
        events = guest.events()
        os.kill(pid, signal.SIGSTOP)
        try:
            said = events.wait("VIRTIO_GPU_CONTEXT_STALLED", lambda data: data["context"] == context)
            note(str(said))
            check(said["action"] == "kill" and said["name"] == unit, f"the event says {said}")
            wait_for(lambda: pid not in guest.render_servers().values(), "the render server ends with its context")
        finally:
            events.close()
            try:
                os.kill(pid, signal.SIGCONT)
            except ProcessLookupError:
                pass
        guest.all_go_on([unit])     # what it waited for is signalled, and what it asks for from now on
        info = next(c for c in guest.query_gpu()["contexts"] if c["id"] == context)
        check(info["killed"] and info["memory"] == 0, f"the context that was killed: {info}")
        guest.stop_units(unit)
        wait_for(lambda: context not in guest.contexts().values(), "the context is gone with its process")
        guest.start("afterwards", ["compute", "afterwards", 5, 65536, 50])
        check(guest.ended("afterwards") == 0, guest.log("afterwards"))
        guest.stop_units("afterwards")
        self.others()

    def anew(self):
        guest, unit = self.guest, f"desktop-{self.held}"
        guest.stop_units(unit)
        wait_for(lambda: guest.leases()[self.held]["state"] == "free", f"scanout {self.held} is free")
        guest.start_desktop(self.held, self.FPS)
        guest.all_go_on(self.desktops.units(), 5)
        self.desktops.seen()


class Silent:
    """
    A machine of which one output has a client of the display that answers nothing, which the
    other desktops do not notice; without the series they stop.

    The only case of this folder that is decided by figures: a QEMU 10.0.13 lets the others
    draw for a moment each second, when it gives up on one update and has not begun the next.
    """

    COUNT = 3
    FPS = 30
    SILENT = 2

    def __init__(self, prefix, rundir):
        self.guest = Guest(self.COUNT, rundir, alone=prefix)
        self.others = [f"desktop-{n}" for n in range(1, self.COUNT + 1) if n != self.SILENT]

    def start(self):
        self.guest.boot()
        self.guest.enable(range(1, self.COUNT + 1))
        for n in range(1, self.COUNT + 1):
            self.guest.start_desktop(n, self.FPS)
        self.guest.all_go_on(self.others, 10)

    def frames(self):
        rates = self.guest.rates(5)
        return sum(rates[unit] for unit in self.others)

    def share(self):
        """What the others have while the client is silent, of what they have before and after."""
        before = self.frames()
        self.guest.display.tell(f"listen {self.SILENT}")
        try:
            time.sleep(1)
            during = self.frames()
            self.meanwhile()
        finally:
            self.guest.display.tell(f"leave {self.SILENT}")
        self.guest.all_go_on(self.others, 10)
        after = self.frames()
        note(f"frames per second of the {len(self.others)} others: {before:.1f}, {during:.1f} while one client is silent, {after:.1f}")
        return during / max(before, after)

    def meanwhile(self):
        pass

    def others_stop(self):
        check(self.share() < 1 / 3, "the others have more than a third of their frames: this has not shown what is wrong without the series")


class NotSilenced(Silent):
    """The same with the series."""

    def go_on(self):
        self.share()

    def meanwhile(self):
        guest, restarted = self.guest, self.COUNT
        guest.all_go_on(self.others, 10)
        guest.stop_units(f"desktop-{restarted}")
        guest.start_desktop(restarted, self.FPS)
        guest.all_go_on(self.others, 10)


def all_end(guest, desktops):
    guest.stop_units(*desktops.units())
    for n in desktops.numbers:
        wait_for(lambda: guest.leases()[n]["state"] == "free", f"scanout {n} is free")


def kernel_quiet(guest):
    found = [line for line in guest.agent.check("dmesg").splitlines()
             if re.search(r"\bBUG\b|WARNING:|Oops|general protection|hung task|blocked for more|refcount_t|use-after-free", line)]
    check(not found, "\n".join(found[:20]))


def first_boot():
    guest = Guest(DESKTOPS, RUN, VENUS)
    idle, desktops = Idle(guest), Desktops(guest, DESKTOPS)
    venus = Venus(guest, desktops)
    try:
        status = run([
            ("a guest with virgl and Venus", guest.boot),
            ("every CPU halted: a pending fence is signalled", idle.completes),
            ("every CPU halted: a fence that was held back is signalled when it is released", idle.held),
            ("every CPU rings the device's doorbell at once: each fence is signalled", lambda: every_cpu_kicks(guest)),
            (f"{DESKTOPS} desktops present frames", desktops.present),
            ("a viewer sees each of them, drawn by OpenGL ES or Vulkan", desktops.seen),
            ("they go on", desktops.rate),
            ("one context held for ever: the others go on, desktops start and stop", desktops.one_held),
            ("one render server stopped: the others go on, desktops start and stop", desktops.one_server_stopped),
            ("one process floods the ring: the others go on, desktops start and stop", desktops.flooded),
            ("a display that nobody reads from: the desktops go on", desktops.viewer_stopped),
            ("Vulkan: three compute jobs at once have right results", venus.jobs),
            ("Vulkan: a render server is killed: its client ends, the others' results are right", venus.server_killed),
            ("Vulkan: new contexts can be made", venus.again),
            ("every desktop gives its scanout back", lambda: all_end(guest, desktops)),
            ("the guest's kernel has nothing to complain about", lambda: kernel_quiet(guest)),
        ])
        return status, guest.has_gpu_property("fence-timeout")
    finally:
        guest.stop()


def second_boot():
    guest = Guest(WATCHED, RUN_WATCHED, Watchdog.PROPERTIES)
    desktops = Desktops(guest, WATCHED, Watchdog.FPS)
    watchdog = Watchdog(guest, desktops, 2)
    try:
        return run([
            ("a guest with a watchdog for contexts", guest.boot),
            ("watchdog: desktops present frames", desktops.present),
            ("watchdog: a context whose fences are held is reported and killed", watchdog.killed),
            ("watchdog: the other desktops never notice", watchdog.others),
            ("watchdog: a Venus context whose render server stopped is reported and killed, others are not", watchdog.server_stopped),
            ("watchdog: its scanout is given to a new desktop, and all are seen", watchdog.anew),
            ("watchdog: every desktop gives its scanout back", lambda: all_end(guest, desktops)),
        ])
    finally:
        guest.stop()


def without_watchdog():
    raise Skip("the GPU of this QEMU has no property fence-timeout")


def silent_boots():
    ours = NotSilenced(os.environ["HELIX_QEMU"], RUN_SILENT)
    try:
        status = run([
            ("a guest whose display's client is not exportd, desktops present frames", ours.start),
            ("the display of one desktop is never answered: the others go on, desktops start and stop", ours.go_on),
        ])
    finally:
        ours.guest.stop()
    stock = Silent(os.environ["HELIX_QEMU_STOCK"], RUN_STOCK)
    try:
        return run([
            ("10.0.13: the same guest, desktops present frames", stock.start),
            ("10.0.13: the display of one desktop is never answered: the others stop", stock.others_stop),
        ]) or status
    finally:
        stock.guest.stop()


def main():
    build_programs()
    status, watchdog = first_boot()
    if not watchdog:
        status |= run([("watchdog: a context without progress is reported and killed", without_watchdog)])
        return status
    return status | second_boot() | silent_boots()


if __name__ == "__main__":
    sys.exit(main())
