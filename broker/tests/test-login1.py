#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""helix-login1 on a bus of its own: its types against those of systemd's, what it answers, who may take what.

usage: test-login1.py HELIX_LOGIN1 SYSTEM_BUS_CONF. Prints TAP.
"""
import ctypes
import os
import signal
import subprocess
import sys
import tempfile
import traceback
import xml.etree.ElementTree as ElementTree
from pathlib import Path

sys.dont_write_bytecode = True
sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tests/e2e"))
import dbus  # noqa: E402
import dbus.bus  # noqa: E402
from report import Skip, check, run, wait_long  # noqa: E402

REAL = "/usr/lib/systemd/systemd-logind"
NAME = "org.freedesktop.login1"
ROOT = "/org/freedesktop/login1"
PROPERTIES = "org.freedesktop.DBus.Properties"
PATHS = {"Manager": ROOT, "Session": f"{ROOT}/session/c1", "Seat": f"{ROOT}/seat/seat0", "User": f"{ROOT}/user/_{os.getuid()}"}
WAIT = 20       # seconds; a guard, nothing is measured
CLONE_NEWNS = 0x20000


def wait_for(condition, text):
    return wait_long(condition, text, WAIT, every=0.02)


def refused(name, function, *arguments):
    """What a call that must fail with the error `name` says."""
    try:
        function(*arguments)
    except dbus.DBusException as error:
        check(error.get_dbus_name() == name, f"failed with {error.get_dbus_name()}: {error}")
        return str(error)
    raise AssertionError(f"succeeded instead of failing with {name}")


def members(xml, interface):
    """(kind, name) -> what decides its type on the bus."""
    found = {}
    for element in ElementTree.fromstring(xml).iter("interface"):
        if element.get("name") != interface:
            continue
        for member in element:
            arguments = tuple((a.get("direction", "out"), a.get("type")) for a in member.findall("arg"))
            changes = tuple(a.get("value") for a in member.findall("annotation")
                            if a.get("name") == "org.freedesktop.DBus.Property.EmitsChangedSignal")
            found[member.tag, member.get("name")] = (member.get("type"), member.get("access"), changes, arguments)
    return found


class Cases:
    def __init__(self, program, configuration, folder):
        self.program = program
        self.folder = folder
        self.address = f"unix:path={folder}/bus"
        text = Path(configuration).read_text().replace("/run/dbus/system_bus_socket", f"{folder}/bus")
        (folder / "bus.conf").write_text(text)
        self.daemons = []
        self.environment = dict(os.environ, DBUS_SYSTEM_BUS_ADDRESS=self.address, XDG_RUNTIME_DIR="/run/user/7",
                                XDG_SESSION_DESKTOP="test")

    def stop(self):
        for pid in self.daemons:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass

    def run(self, *arguments):
        # A file: what goes to the background keeps it open.
        with open(self.folder / "said", "w+", encoding="utf-8") as said:
            done = subprocess.run([self.program, *arguments], env=self.environment, stdin=subprocess.DEVNULL,
                                  stdout=subprocess.PIPE, stderr=said, text=True, timeout=WAIT)
            said.seek(0)
            done.stderr = said.read()
        return done

    def bus(self):
        """A connection of its own."""
        return dbus.bus.BusConnection(self.address)

    def object(self, kind, bus=None):
        return dbus.Interface((bus or self.client).get_object(NAME, PATHS[kind]), f"{NAME}.{kind}")

    def get(self, kind, name):
        return dbus.Interface(self.client.get_object(NAME, PATHS[kind]), PROPERTIES).Get(f"{NAME}.{kind}", name)

    # --- the cases, in order ---

    def options_that_are_none_are_named(self):
        for wrong, said in ((["--frobnicate"], "--frobnicate"), (["x"], '"x"'), (["--runtime", ""], "--runtime")):
            done = self.run(*wrong)
            check(done.returncode == 2 and said in done.stderr, f"{wrong}: {done.returncode}, {done.stderr}")
        for good in ("--help", "--version"):
            done = self.run(good)
            check(done.returncode == 0 and "helix-login1" in done.stdout, f"{good}: {done}")

    def without_a_bus_it_fails_and_says_so(self):
        done = self.run("--daemon", "--runtime", str(self.folder / "systemd"))
        check(done.returncode == 1 and "system bus" in done.stderr, f"{done.returncode}, {done.stderr}")

    def it_serves_when_daemon_returns(self):
        started = subprocess.run(["dbus-daemon", f"--config-file={self.folder}/bus.conf", "--fork", "--print-pid"],
                                 stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=WAIT, check=True)
        self.daemons.append(int(started.stdout))
        done = self.run("--daemon", "--runtime", str(self.folder / "systemd"))
        check(done.returncode == 0, f"{done.returncode}, {done.stderr}")
        self.client = self.bus()
        check(self.client.name_has_owner(NAME), "nobody has the name")
        self.pid = int(dbus.Interface(self.client.get_object("org.freedesktop.DBus", "/org/freedesktop/DBus"),
                                      "org.freedesktop.DBus").GetConnectionUnixProcessID(NAME))
        self.daemons.append(self.pid)

    def a_second_one_is_refused_and_writes_nothing(self):
        session = self.folder / "systemd/sessions/c1"
        session.write_text("another's\n" + (before := session.read_text()))
        done = self.run("--runtime", str(self.folder / "systemd"))
        check(done.returncode == 1 and "a logind runs here" in done.stderr, f"{done.returncode}, {done.stderr}")
        check(session.read_text().startswith("another's"), "the session's file is not what it was")
        session.write_text(before)

    def refused_the_name_it_leaves_no_files(self):
        text = (self.folder / "bus.conf").read_text().replace(f"{self.folder}/bus", f"{self.folder}/strict")
        strict = f'<policy context="mandatory"><deny own="{NAME}"/></policy></busconfig>'
        (self.folder / "strict.conf").write_text(text.replace("</busconfig>", strict))
        bus = subprocess.Popen(["dbus-daemon", f"--config-file={self.folder}/strict.conf", "--nofork", "--print-address"],
                               stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
        self.daemons.append(bus.pid)
        self.environment["DBUS_SYSTEM_BUS_ADDRESS"] = bus.stdout.readline().strip()
        try:
            done = self.run("--runtime", str(self.folder / "refused"))
        finally:
            self.environment["DBUS_SYSTEM_BUS_ADDRESS"] = self.address
            bus.kill()
            bus.communicate()
        check(done.returncode == 1 and "cannot get the name" in done.stderr, f"{done.returncode}, {done.stderr}")
        self.has_no_files("refused")

    def has_no_files(self, runtime):
        check((self.folder / runtime / "sessions").is_dir(), "it did not come as far as the files")
        left = [p for p in (self.folder / runtime).rglob("*") if not p.is_dir()]
        check(not left, f"left behind: {left}")

    def every_type_is_that_of_systemd(self):
        if not os.path.exists(REAL):
            raise Skip(f"there is no {REAL}")
        for kind, path in PATHS.items():
            interface = f"{NAME}.{kind}"
            real = subprocess.run([REAL, f"--bus-introspect={interface}"], capture_output=True, text=True, check=True, timeout=WAIT)
            real = members(real.stdout, interface)
            ours = members(self.client.get_object(NAME, path).Introspect(dbus_interface="org.freedesktop.DBus.Introspectable"),
                           interface)
            check(len(ours) > 10, f"{kind}: {ours}")
            for member, types in ours.items():
                check(real.get(member) == types, f"{kind}: {member} is {types}, systemd's is {real.get(member)}")
            if kind != "Manager":
                missing = {m for m in real if m[0] == "property"} - set(ours)
                check(not missing, f"{kind} lacks {missing}")

    def every_property_has_a_value_of_its_type(self):
        for kind, path in PATHS.items():
            text = self.client.get_object(NAME, path).Introspect(dbus_interface="org.freedesktop.DBus.Introspectable")
            types = {name: what[0] for (tag, name), what in members(text, f"{NAME}.{kind}").items() if tag == "property"}
            values = dbus.Interface(self.client.get_object(NAME, path), PROPERTIES).GetAll(f"{NAME}.{kind}")
            check(set(values) == set(types), f"{kind} answers {set(values) ^ set(types)} otherwise")
        check(self.get("Session", "Seat") == ("seat0", PATHS["Seat"]), self.get("Session", "Seat"))
        check(self.get("Session", "User") == (os.getuid(), PATHS["User"]), self.get("Session", "User"))
        check(self.get("Session", "Active") == 1 and self.get("Session", "State") == "active", "the session is not active")
        check(self.get("Session", "Desktop") == "test", self.get("Session", "Desktop"))
        check(self.get("User", "RuntimePath") == "/run/user/7", self.get("User", "RuntimePath"))
        check(self.get("Seat", "CanGraphical") == 1 and self.get("Seat", "CanTTY") == 0, "what the seat can")
        check(self.get("Seat", "Sessions") == [("c1", PATHS["Session"])], self.get("Seat", "Sessions"))

    def what_is_there_is_found_and_what_is_not_is_named(self):
        manager = self.object("Manager")
        for name in ("c1", "self", "auto", ""):
            check(manager.GetSession(name) == PATHS["Session"], name)
        for pid in (0, os.getpid()):
            check(manager.GetSessionByPID(dbus.UInt32(pid)) == PATHS["Session"], pid)
        check(manager.GetUser(dbus.UInt32(os.getuid())) == PATHS["User"], "the user")
        check(manager.GetSeat("seat0") == PATHS["Seat"], "the seat")
        check(manager.ListSessions()[0][0] == "c1" and manager.ListSeats()[0][0] == "seat0", "the lists")
        check("c9" in refused(f"{NAME}.NoSuchSession", manager.GetSession, "c9"), "the session is not named")
        check("seat9" in refused(f"{NAME}.NoSuchSeat", manager.GetSeat, "seat9"), "the seat is not named")
        check("4321" in refused(f"{NAME}.NoSuchUser", manager.GetUser, dbus.UInt32(4321)), "the user is not named")
        check(manager.GetUserByPID(dbus.UInt32(os.getpid())) == PATHS["User"], "the user of this process")
        refused(f"{NAME}.NoSessionForPID", manager.GetSessionByPID, dbus.UInt32(0x7ffffffe))
        refused(f"{NAME}.NoUserForPID", manager.GetUserByPID, dbus.UInt32(0x7ffffffe))
        for alias in ("self", "auto"):
            other = dbus.Interface(self.client.get_object(NAME, f"{ROOT}/session/{alias}"), PROPERTIES)
            check(other.Get(f"{NAME}.Session", "Id") == "c1", alias)
        for none in ("session/c9", "session", "seat"):
            other = dbus.Interface(self.client.get_object(NAME, f"{ROOT}/{none}", introspect=False), PROPERTIES)
            kind = none.split("/", maxsplit=1)[0].capitalize()
            refused("org.freedesktop.DBus.Error.UnknownObject", other.Get, f"{NAME}.{kind}", "Id")

    def nothing_is_suspended_or_switched_to(self):
        manager = self.object("Manager")
        for what in ("PowerOff", "Reboot", "Suspend", "Hibernate", "RebootToBootLoaderMenu"):
            check(manager.get_dbus_method(f"Can{what}")() == "na", what)
        refused("org.freedesktop.DBus.Error.UnknownMethod", manager.PowerOff, True)
        refused("org.freedesktop.DBus.Error.NotSupported", self.object("Seat").SwitchTo, dbus.UInt32(2))

    def libsystemd_finds_the_session_in_the_files(self):
        session = (self.folder / "systemd/sessions/c1").read_text()
        for line in (f"UID={os.getuid()}", "SEAT=seat0", "TYPE=wayland", "ACTIVE=1", "STATE=active"):
            check(line in session.splitlines(), f"no {line} in {session}")
        check("ACTIVE=c1" in (self.folder / "systemd/seats/seat0").read_text().splitlines(), "the seat's session")
        check("DISPLAY=c1" in (self.folder / f"systemd/users/{os.getuid()}").read_text().splitlines(), "the user's session")

    def devices_are_for_who_has_control(self):
        one, two = self.bus(), self.bus()
        first, second = self.object("Session", one), self.object("Session", two)
        number = dbus.UInt32(226), dbus.UInt32(4093)
        refused(f"{NAME}.NotInControl", first.TakeDevice, *number)
        first.TakeControl(False)
        first.TakeControl(False)
        check("is controlled by" in refused("System.Error.EBUSY", second.TakeControl, False), "who has control is not named")
        refused(f"{NAME}.NotInControl", second.TakeDevice, *number)
        refused(f"{NAME}.NotInControl", second.ReleaseControl)
        check("226:4093" in refused("System.Error.ENODEV", first.TakeDevice, *number), "the device is not named")
        refused(f"{NAME}.DeviceNotTaken", first.ReleaseDevice, *number)
        refused(f"{NAME}.DeviceNotTaken", first.PauseDeviceComplete, *number)
        second.TakeControl(True)
        refused(f"{NAME}.NotInControl", first.ReleaseControl)
        two.close()
        wait_for(lambda: self.takes(first), "control is free when who had it has left")
        first.ReleaseControl()
        one.close()

    @staticmethod
    def takes(session):
        try:
            session.TakeControl(False)
            return True
        except dbus.DBusException:
            return False

    def a_node_is_opened_by_its_number_and_given_back(self):
        """In a /dev of its own making: nodes of memory devices, where those of cards and keyboards are."""
        if os.getuid():
            raise Skip("only root makes nodes")
        read, write = os.pipe()
        child = os.fork()
        if not child:
            status = 1
            try:
                self.with_nodes()
                status = 0
            except BaseException:
                os.write(write, traceback.format_exc().encode()[-4000:])
            os._exit(status)
        os.close(write)
        with os.fdopen(read) as said:
            text = said.read()
        check(os.waitpid(child, 0)[1] == 0, text)

    def with_nodes(self):
        libc = ctypes.CDLL(None, use_errno=True)
        check(libc.unshare(CLONE_NEWNS) == 0, "cannot have mounts of its own")
        check(libc.mount(b"none", b"/", None, 0x4000 | 0x40000, None) == 0, "cannot make mounts private")
        check(libc.mount(b"tmpfs", b"/dev", b"tmpfs", 0, b"mode=755") == 0, os.strerror(ctypes.get_errno()))
        for path, minor in (("null", 3), ("dri/card0", 5), ("input/event3", 7)):
            os.makedirs(os.path.dirname(f"/dev/{path}"), exist_ok=True)
            os.mknod(f"/dev/{path}", 0o20666, os.makedev(1, minor))
        address = f"unix:path={self.folder}/bus2"
        text = (self.folder / "bus.conf").read_text().replace(self.address, address)
        (self.folder / "bus2.conf").write_text(text)
        bus_daemon = subprocess.Popen(["dbus-daemon", f"--config-file={self.folder}/bus2.conf", "--nofork"])
        try:
            wait_for((self.folder / "bus2").exists, "a second bus")
            self.environment["DBUS_SYSTEM_BUS_ADDRESS"] = address
            done = self.run("--daemon", "--runtime", str(self.folder / "systemd2"))
            check(done.returncode == 0, done.stderr)
            bus = dbus.bus.BusConnection(address)
            session = self.object("Session", bus)
            session.TakeControl(False)
            fds = {}
            for minor in (5, 7):
                fd, inactive = session.TakeDevice(dbus.UInt32(1), dbus.UInt32(minor))
                fds[minor] = fd.take()
                check(not inactive, f"1:{minor} is inactive")
                check(os.fstat(fds[minor]).st_rdev == os.makedev(1, minor), f"1:{minor} is {os.fstat(fds[minor])}")
            refused(f"{NAME}.DeviceIsTaken", session.TakeDevice, dbus.UInt32(1), dbus.UInt32(5))
            # Not everything that /dev has is the session's.
            refused("System.Error.ENODEV", session.TakeDevice, dbus.UInt32(1), dbus.UInt32(3))
            session.PauseDeviceComplete(dbus.UInt32(1), dbus.UInt32(5))
            session.ReleaseDevice(dbus.UInt32(1), dbus.UInt32(5))
            refused(f"{NAME}.DeviceNotTaken", session.ReleaseDevice, dbus.UInt32(1), dbus.UInt32(5))
            session.TakeDevice(dbus.UInt32(1), dbus.UInt32(5))
            session.ReleaseControl()
            session.TakeControl(False)
            session.TakeDevice(dbus.UInt32(1), dbus.UInt32(7))
        finally:
            bus_daemon.kill()
            bus_daemon.wait()

    def hints_are_told_to_who_listens(self):
        session = self.object("Session")
        before = self.get("Session", "IdleSinceHint")
        session.SetIdleHint(True)
        for kind in PATHS:
            check(self.get(kind, "IdleHint") == 1, f"{kind} is not idle")
        check(self.get("Session", "IdleSinceHint") > before, "idle since when?")
        session.SetIdleHint(False)
        session.SetLockedHint(True)
        check(self.get("Session", "LockedHint") == 1, "the hint of a lock is not kept")
        session.TakeControl(False)
        session.SetType("x11")
        check(self.get("Session", "Type") == "x11", "the type is not kept")
        check("'y11'" in refused("org.freedesktop.DBus.Error.InvalidArgs", session.SetType, "y11"), "the type is not named")
        session.ReleaseControl()

    def an_inhibitor_is_held_until_it_is_closed(self):
        manager = self.object("Manager")
        held = [manager.Inhibit("sleep", "test", "because", "delay").take() for _ in range(3)]
        check(self.get("Manager", "NCurrentInhibitors") == 3, self.get("Manager", "NCurrentInhibitors"))
        refused("org.freedesktop.DBus.Error.InvalidArgs", manager.Inhibit, "sleep", "test", "because", "often")
        for fd in held:
            os.close(fd)
        wait_for(lambda: self.get("Manager", "NCurrentInhibitors") == 0, "none is held")
        most = int(self.get("Manager", "InhibitorsMax"))
        held = [manager.Inhibit("sleep", "test", "because", "delay").take() for _ in range(most)]
        refused("org.freedesktop.DBus.Error.LimitsExceeded", manager.Inhibit, "sleep", "test", "because", "delay")
        for fd in held:
            os.close(fd)
        wait_for(lambda: self.get("Manager", "NCurrentInhibitors") == 0, "none is held at the end")

    def nonsense_does_not_end_it(self):
        session, manager = self.object("Session"), self.object("Manager")
        for method, arguments in ((session.TakeControl, ("yes",)), (session.TakeDevice, (dbus.UInt32(1),)),
                                  (manager.GetUser, ("root",)), (manager.Inhibit, ())):
            try:
                method(*arguments, signature="".join("s" if isinstance(a, str) else "u" for a in arguments))
                raise AssertionError(f"{method} took {arguments}")
            except dbus.DBusException:
                pass
        check(self.get("Session", "Id") == "c1", "it does not answer any more")

    def it_ends_when_told_and_takes_its_files_along(self):
        os.kill(self.pid, signal.SIGTERM)
        wait_for(lambda: not self.client.name_has_owner(NAME), "the name is free")
        wait_for(lambda: not (self.folder / "systemd/sessions/c1").exists(), "the session's file is gone")

    def who_waited_for_it_has_gone_and_so_does_it(self):
        with open(self.folder / "said", "w+", encoding="utf-8") as said:
            os.kill(self.daemons[0], signal.SIGSTOP)
            try:
                parent = subprocess.Popen([self.program, "--daemon", "--runtime", str(self.folder / "waited")], env=self.environment,
                                          stdin=subprocess.DEVNULL, stderr=said)
                children = Path(f"/proc/{parent.pid}/task/{parent.pid}/children")
                wait_for(lambda: children.read_text() or parent.poll() is not None, "it has gone to the background")
                self.daemons.append(int(children.read_text()))
                parent.kill()
                parent.wait()
            finally:
                os.kill(self.daemons[0], signal.SIGCONT)
            wait_for(lambda: "cannot tell that it serves" in (self.folder / "said").read_text(), "it says whom it cannot tell")
        self.has_no_files("waited")
        check(not self.client.name_has_owner(NAME), "it has the name")

    def it_ends_with_its_bus(self):
        process = subprocess.Popen([self.program, "--runtime", str(self.folder / "systemd")], env=self.environment,
                                   stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        try:
            wait_for(lambda: self.client.name_has_owner(NAME), "it serves again")
            os.kill(self.daemons[0], signal.SIGKILL)
            said = process.communicate(timeout=WAIT)[1]
        finally:
            process.kill()
        check(process.returncode == 1 and "bus has gone" in said, f"{process.returncode}, {said}")


def main():
    with tempfile.TemporaryDirectory() as folder:
        cases = Cases(os.path.abspath(sys.argv[1]), sys.argv[2], Path(folder))
        names = [name for name in vars(Cases) if name.count("_") > 2 and not name.startswith("_")]
        try:
            return run([(name.replace("_", " "), getattr(cases, name)) for name in names])
        finally:
            cases.stop()


if __name__ == "__main__":
    sys.exit(main())
