# SPDX-License-Identifier: GPL-2.0-only
"""What can be done to a desktop and to what it rests on, and what must be left of it afterwards.

A case has a desktop of its own, strikes at it or at what all share, and says what must be
true then. Whoever runs it looks at everything else: the other desktops, every scanout.
"""
import os
import random
import shutil
import signal
import time
from pathlib import Path

from fleet import LIMIT_MIB, Desk, check
from vm.jsonsocket import RemoteError  # from where fleet has it

LEASED, FREE = "leased", "free"


class Case:
    """One blow. kind: of the desktop that it needs for itself, None if it strikes at what all share."""

    kind = "draw"
    ready = True        # it strikes when its desktop draws; else while that starts

    def __init__(self, fleet, rng):
        self.fleet = fleet
        self.rng = rng
        self.desk = Desk(self.kind) if self.kind else None

    def __str__(self):
        return self.__doc__

    def pause(self, most=1.0):
        time.sleep(self.rng.uniform(0, most))

    def strike(self):
        raise NotImplementedError

    def after(self):
        """What is to hold while nothing has been cleared away yet; what it says goes into the log."""

    # --- in the guest ---

    def guest(self, command):
        return self.fleet.check(command)

    def kill(self, *pids):
        self.guest("kill -KILL " + " ".join(map(str, pids)))

    def becomes(self, state):
        """What it had, as the module says; blank as well, as the kernel shows it, once it is free."""
        fleet, name = self.fleet, self.desk.name

        def so():
            look = fleet.look()
            row = next((row for row in look.scanouts.values() if row["label"] == name and row["state"] != FREE), None)
            if state == FREE:
                n = self.desk.scanout
                return not row and (n is None or look.scanouts[n]["state"] != FREE or not look.active(n))
            return row and row["state"] == state
        fleet.wait(so, lambda: f"the scanout of {name} is {state}: {fleet.look().states()}: {fleet.says(self.desk)}")

    def strike_at(self, words, longest_us):
        """Kills, a random moment after it appears, what lives for a moment; what it says of that."""
        unit = f"strike-{self.desk.name}"
        self.guest(f"systemd-run --quiet --unit={unit} -p RemainAfterExit=yes -p StandardOutput=file:/run/churn/{unit} "
                   f"/run/churn/bin/strike {self.rng.randrange(longest_us)} {words}")
        self.fleet.launch(self.desk)
        self.fleet.wait(lambda: self.fleet.ask(f"systemctl show -P SubState {unit}").out.strip() in ("exited", "failed"),
                        f"{words} was there to be killed")
        return self.guest(f"cat /run/churn/{unit}; systemctl stop {unit}; systemctl reset-failed {unit} 2>/dev/null; rm /run/churn/{unit}").strip()


class Compositor(Case):
    """SIGKILL of the compositor; its container lives on, and shows nothing"""
    kind = "session"

    def strike(self):
        owner = self.fleet.owner(self.desk)
        # Weston is the child that has clients of its own.
        self.guest(f"kill -KILL $(pgrep -P {owner} -x weston)")

    def after(self):
        fleet, n = self.fleet, self.desk.scanout
        fleet.wait(lambda: not fleet.look().active(n), lambda: f"scanout {n} is blank")
        self.becomes(LEASED)


class Init(Case):
    """SIGKILL of the container's first process"""

    def strike(self):
        self.kill(self.fleet.owner(self.desk))

    def after(self):
        self.becomes(FREE)


class Shim(Case):
    """SIGKILL of conmon: its container goes on; then of the container, which nobody sees end"""

    def strike(self):
        owner = self.fleet.owner(self.desk)
        self.guest(f"kill -KILL $(ps -o ppid= -p {owner})")
        before = self.fleet.look().flips[self.desk.scanout]
        self.fleet.wait(lambda: self.fleet.look().flips[self.desk.scanout] > before + 2, f"{self.desk.name} goes on without conmon")
        self.kill(owner)

    def after(self):
        self.becomes(FREE)


class Starting(Case):
    """SIGKILL while a container starts"""
    ready = False
    words = None
    longest_us = 1000000

    def strike(self):
        self.said = self.strike_at(self.words.format(name=self.desk.name), self.longest_us)

    def after(self):
        return self.said


class Hook(Starting):
    """SIGKILL of the hook that acquires the scanout, while it runs"""
    words = "helixctl cdi hook"
    longest_us = 400000


class Runtime(Starting):
    """SIGKILL of crun while it makes the container"""
    words = "crun create"


class StartingShim(Starting):
    """SIGKILL of conmon while the container starts"""
    words = "conmon --api-version {name}"


class Shared(Case):
    """What all share"""
    kind = None


class Broker(Shared):
    """SIGKILL of helix-leased"""

    def strike(self):
        self.old = self.guest("systemctl show -P MainPID helix-leased").strip()
        self.guest("systemctl kill -s KILL helix-leased")

    def after(self):
        self.fleet.wait(lambda: self.guest("systemctl show -P MainPID helix-leased").strip() not in ("0", self.old), "there is a new broker")


class BrokerUpgrade(Broker):
    """helix-leased replaced by another copy of its program, and restarted"""

    def strike(self):
        self.old = self.guest("systemctl show -P MainPID helix-leased").strip()
        # /usr cannot be written: podman's is laid over it.
        self.guest("f=/usr/sbin/helix-leased; ! mountpoint -q $f || umount --lazy $f; cp $f /run/churn/helix-leased.new && "
                   "mv /run/churn/helix-leased.new /run/churn/helix-leased && mount --bind /run/churn/helix-leased $f && "
                   "systemctl restart --no-block helix-leased")

    def after(self):
        super().after()
        self.fleet.wait(lambda: self.fleet.ask('[ "/proc/$(systemctl show -P MainPID helix-leased)/exe" -ef /run/churn/helix-leased ]').status == 0,
                        "the broker is the new copy")


class Exportd(Shared):
    """SIGKILL of helix-exportd; another one comes"""

    def strike(self):
        exportd = self.fleet.exportd
        exportd.process.send_signal(signal.SIGKILL)
        exportd.process.wait()
        self.pause()
        exportd.start()
        self.back()

    def back(self):
        self.fleet.wait(lambda: self.fleet.exportd.live() >= set(self.fleet.desks), "exportd has every desktop again")


class ExportdUpgrade(Exportd):
    """helix-exportd ended, and another copy of its program started"""

    def strike(self):
        exportd = self.fleet.exportd
        copy = Path(exportd.rundir) / "helix-exportd-upgraded"
        copy.unlink(missing_ok=True)
        shutil.copy(self.fleet.built, copy)
        exportd.stop()
        exportd.binary = copy
        exportd.start()
        self.back()


class Viewer(Shared):
    """SIGKILL of a viewer of all desktops"""

    def strike(self):
        fleet = self.fleet
        if not fleet.watched():
            fleet.watch(len(fleet.desks))
        self.viewer = next(v for v in fleet.viewers if v.process.poll() is None)
        fleet.wait(lambda: all(d["viewers"] for d in fleet.exportd.desktops() if d["state"] == "live"), "every desktop has a viewer")
        self.viewer.process.kill()
        self.viewer.process.wait()

    def after(self):
        fleet = self.fleet
        fleet.viewers.remove(self.viewer)
        left = sum(v.process.poll() is None for v in fleet.viewers)
        fleet.wait(lambda: all(d["viewers"] <= left for d in fleet.exportd.desktops()), "exportd has noticed")
        fleet.watch(len(fleet.desks))


class RenderServer(Case):
    """SIGKILL of the process of virglrenderer that draws for a desktop with Vulkan"""
    kind = "vulkan"

    def strike(self):
        fleet = self.fleet
        fleet.owner(self.desk)
        servers = fleet.render_servers()
        check(len(servers) == 1, f"one desktop draws with Vulkan, there are render servers {servers}")
        os.kill(next(iter(servers.values())), signal.SIGKILL)

    def after(self):
        # It ends when its GPU is lost, and its container with it.
        self.becomes(FREE)


class PodmanKill(Case):
    """podman kill"""

    def strike(self):
        self.guest(f"podman kill {self.desk.name}")

    def after(self):
        self.becomes(FREE)


class PodmanRemove(Case):
    """podman rm --force"""

    def strike(self):
        self.guest(f"podman rm --force --time 0 {self.desk.name}")

    def after(self):
        self.becomes(FREE)


class Frozen(Case):
    """podman pause: revoked while it is frozen"""

    def strike(self):
        fleet, desk = self.fleet, self.desk
        self.guest(f"podman pause {desk.name}")
        self.pause()
        fleet.timely(f"helixctl revoke --timeout 100 {desk.scanout}")
        # Its scanout may be somebody else's from here on.
        self.becomes(FREE)
        check(fleet.inspect(desk.name, "Status") == "paused", f"{desk.name} is {fleet.inspect(desk.name, 'Status')}")
        self.guest(f"podman unpause {desk.name}")


class OutOfMemory(Case):
    """more memory than its control group may have: the kernel kills it"""
    kind = "memory"
    ready = False

    def strike(self):
        fleet, desk = self.fleet, self.desk
        fleet.launch(desk)
        fleet.comes_to(desk, lambda: fleet.inspect(desk.name, "Status") == "exited", lambda: f"it has ended: {fleet.says(desk)}")

    def after(self):
        self.becomes(FREE)
        check(self.fleet.inspect(self.desk.name, "OOMKilled") == "true", f"it was not killed for that: {self.fleet.says(self.desk)}")


class Hidden(Case):
    """a tenant whose grandchild has the node and outlives its parent; then the container's first process is killed"""
    kind = "hide"

    def strike(self):
        before = self.fleet.counted(self.desk)
        self.fleet.wait(lambda: self.fleet.counted(self.desk) > before, "the grandchild draws")
        self.kill(self.fleet.owner(self.desk))

    def after(self):
        self.becomes(FREE)


class HiddenOutside(Case):
    """the same in the guest's own PID namespace: the first process ends by itself, the grandchild keeps the node open"""
    kind = "hide-outside"
    ready = False

    def strike(self):
        self.fleet.launch(self.desk)
        self.fleet.comes_to(self.desk, lambda: self.fleet.counted(self.desk) >= 3, lambda: f"it has drawn: {self.fleet.says(self.desk)}")

    def after(self):
        self.becomes(FREE)


class Hostile(Case):
    """Somebody who does what he can, until he is killed"""
    most = 2.0

    def strike(self):
        self.pause(self.most)
        self.kill(self.fleet.owner(self.desk))

    def after(self):
        self.becomes(FREE)


class Deaf(Hostile):
    """a tenant that asks for events and reads none"""
    kind = "deaf"


class Maps(Hostile):
    """a tenant that maps a buffer as often as it is let"""
    kind = "maps"


class Modesets(Hostile):
    """a tenant that sets modes in a loop"""
    kind = "modesets"


class Buffers(Case):
    """a tenant that makes buffers without end: its control group bounds it"""
    kind = "buffers"
    ready = False

    def strike(self):
        fleet, desk = self.fleet, self.desk
        fleet.launch(desk)
        # Killed for want of memory, or refused more: it grows no further.
        seen = [-1, 0]

        def stopped():
            had = fleet.counted(desk)
            seen[:] = [had, seen[1] + 1 if had and had == seen[0] else 0]
            return seen[1] > 3
        fleet.comes_to(desk, stopped, lambda: f"it has {seen[0]} MiB, and goes on: {fleet.says(desk)}")
        self.had = seen[0]

    def after(self):
        check(self.had <= LIMIT_MIB, f"it got {self.had} MiB of buffers in a control group of {LIMIT_MIB}")
        return f"it got {self.had} MiB of buffers in a control group of {LIMIT_MIB}"


# In the order in which one round has them; longer runs take them as they come.
CASES = (Compositor, Init, Shim, StartingShim, Runtime, Hook, Broker, BrokerUpgrade, Exportd, ExportdUpgrade, Viewer,
         RenderServer, PodmanKill, PodmanRemove, Frozen, OutOfMemory, Hidden, HiddenOutside, Deaf, Maps, Modesets, Buffers)
# What even the shortest run has: all else rests on these.
ALWAYS = (Compositor, Init, Broker, Exportd)


def blows(fleet, rng, cases):
    """Some cases at once: their desktops are started together, and they strike in random order, at random moments.

    What they say of what they saw.
    """
    made = [case(fleet, rng) for case in cases]
    desks = [case.desk for case in made if case.desk]
    late = fleet.quarantines()
    try:
        said = struck(fleet, rng, made)
    finally:
        if desks:
            fleet.remove(*desks)
    fleet.others_go_on()
    fleet.accounted()
    fleet.nobody_stuck()
    # By the module's own clock. Nothing can be turned off while exportd is away; that it waits for that is right.
    late = fleet.quarantines() - late
    check(not late or any(isinstance(case, Exportd) for case in made), f"{late} times a scanout was not off within {fleet.quiesce_ms} ms")
    return said


def struck(fleet, rng, made):
    ready = [case.desk for case in made if case.desk and case.ready]
    fleet.launch(*ready)
    fleet.drawing(*ready)
    for desk in ready:
        del fleet.desks[desk.scanout]       # it is not one of those that go on
    rng.shuffle(made)
    for case in made:
        case.pause()
        case.strike()
    return "\n".join(text for text in [case.after() for case in made] if text)


def module_reloaded(fleet):
    """As the page on operations has it for another version: every lease ends, and all can be had again."""
    desks = list(fleet.desks.values())
    check(desks, "nothing draws")
    fleet.check("helixctl unbind --force --timeout 100")
    fleet.remove(*desks)
    fleet.check("systemctl stop helix-leased.socket helix-leased && rmmod helix_lease")
    fleet.check("insmod /usr/lib/helix/helix_lease.ko && systemctl start helix-leased.socket helix-leased")
    fleet.loaded()
    fleet.accounted()
    fleet.all_anew()


def rebooted(fleet, rng):
    """In order, or as if the power had gone: with desktops that draw, and then with none."""
    machine, agent = fleet.machine, fleet.agent
    check(fleet.desks, "nothing draws")
    boot = "cat /proc/sys/kernel/random/boot_id"
    before = fleet.check(boot)
    machine.qmp("set-action", reboot="reset")
    hard = rng.random() < 0.5
    if hard:
        # The disk has no journal, and is not what is tried here.
        fleet.check("sync")
        machine.qmp("system_reset")
    else:
        fleet.check("systemd-run --quiet --on-active=1 systemctl reboot")

    def another():
        machine.check_alive()
        try:
            return agent.alive() and fleet.ask(boot).out not in ("", before)
        except RemoteError:     # it goes down
            return False
    fleet.wait(another, "the guest has started again")
    fleet.booted()
    fleet.accounted()
    fleet.check("podman rm --all --force --time 0")
    fleet.all_anew()
    return "reset" if hard else "rebooted"


def seeded(text):
    seed = int(text) if text else random.SystemRandom().randrange(1 << 31)
    return seed, random.Random(seed)
