#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""helix-exportd against a real QEMU. The guest is this script: it drives the
control device's registers and rings through QEMU's qtest protocol, so no
kernel is needed and every step is decided here.

usage: with_qemu.py HELIX-EXPORTD   (HELIX_QEMU: where the patched QEMU is installed)
Prints TAP.
"""
import base64
import functools
import http.client
import json
import os
import re
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request

sys.path.append(os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../../tests/e2e"))
from patience import PATIENCE, wait  # noqa: E402
from report import Skip, run, tests_of  # noqa: E402

BAD_MAX = 16  # messages that are none, after which the server hangs up: Documentation/stream-protocol.rst

RING_SLOTS, SLOT, REQS, CMPS = 64, 128, 4096, 4096 + 64 * 128
REQ_HEAD, REQ_TAIL, CMP_HEAD, CMP_TAIL = 0, 64, 128, 192
PING, ENABLE, DISABLE = 0, 1, 2
BAR_REGS, BAR_SHM = 0xE0000000, 0xE0100000
REG_MAGIC, REG_STATUS, REG_GENERATION, REG_DOORBELL = 0x00, 0x0C, 0x14, 0x18
EPERM, ENODEV, EEXIST, EINVAL, ESTALE = 1, 19, 17, 22, 116
GPU = 0x02 << 3


def qemu_command(qemu, folder):
    """The command of a machine with a GPU and a control device, whose sockets are in the folder."""
    def served(name):
        return f"{folder}/{name}.sock,server=on,wait=off"
    return [qemu, "-M", "q35,memory-backend=mem", "-accel", "qtest", "-m", "64", "-nodefaults", "-vga", "none",
            "-object", "memory-backend-memfd,id=mem,size=64M,share=on",
            "-device", "virtio-gpu-gl-pci,id=gpu,max_outputs=16,addr=02.0", "-display", "dbus,p2p=on,gl=on",
            "-chardev", f"socket,id=ctl,path={served('control')}", "-device", "helix-control,chardev=ctl,addr=03.0",
            "-qtest", f"unix:{served('qtest')}", "-qtest-log", "/dev/null", "-qmp", f"unix:{served('qmp')}"]


class Guest:
    """The control device as its driver sees it."""

    def __init__(self, path):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(PATIENCE)
        wait("the qtest socket", lambda: self.sock.connect_ex(path) == 0)
        self.lines = self.sock.makefile("rb")
        self.head = self.tail = self.next_id = 0
        self.find_device()

    def command(self, text):
        self.sock.sendall(text.encode() + b"\n")
        while True:
            line = self.lines.readline()
            if not line:
                raise AssertionError(f"QEMU ended at: {text}")
            if line.startswith(b"OK"):
                return line[2:].strip().decode()
            if not line.startswith(b"IRQ"):
                raise AssertionError(f"qtest: {line!r} to {text}")

    def config(self, register, value=None, slot=3):
        self.command(f"outl 0xcf8 {0x80000000 | slot << 11 | register:#x}")
        if value is None:
            return int(self.command("inl 0xcfc"), 16)
        return self.command(f"outl 0xcfc {value:#x}")

    def find_device(self):
        assert self.config(0) == 0x48581234, "no helix-control device in slot 3"
        self.config(0x10, BAR_REGS)
        self.config(0x18, BAR_SHM)
        self.config(0x1C, 0)
        self.config(0x04, 0x0006)
        assert self.read(BAR_REGS + REG_MAGIC) == 0x434C5848

    def read(self, address):
        return int(self.command(f"readl {address:#x}"), 16)

    def write(self, address, value):
        self.command(f"writel {address:#x} {value:#x}")

    def write_bytes(self, address, data):
        self.command(f"b64write {address:#x} {len(data)} {base64.b64encode(data).decode()}")

    def host(self):
        return self.read(BAR_REGS + REG_STATUS) & 1

    def submit(self, op, output=0, width=0, height=0, scanout=0, generation=0, label="", gpu=None, priority=0,
               refresh=0):
        if gpu is None:
            gpu = 0 if op == PING else GPU
        self.next_id += 1
        raw = struct.pack("<IHHIIIIIIQ32sI52x", self.next_id, op, 0, gpu, output, width, height, refresh, scanout,
                          generation, label if isinstance(label, bytes) else label.encode(), priority)
        assert len(raw) == SLOT
        self.write_bytes(BAR_SHM + REQS + self.head % RING_SLOTS * SLOT, raw)
        self.head += 1
        self.write(BAR_SHM + REQ_HEAD, self.head)
        self.write(BAR_REGS + REG_DOORBELL, 1)
        return self.next_id

    def completion(self):
        wait("a completion", lambda: self.read(BAR_SHM + CMP_HEAD) != self.tail)
        slot = BAR_SHM + CMPS + self.tail % RING_SLOTS * SLOT
        self.tail += 1
        answer = self.read(slot), self.read(slot + 4)
        self.write(BAR_SHM + CMP_TAIL, self.tail)
        return answer

    def ask(self, *args, **kwargs):
        """The status that a request completes with."""
        wanted = self.submit(*args, **kwargs)
        got, status = self.completion()
        assert got == wanted, f"completion of {got}, not of {wanted}"
        return status

    def enable(self, scanout, generation, label="", width=640, height=360, **kwargs):
        return self.ask(ENABLE, output=kwargs.pop("output", scanout), width=width, height=height, scanout=scanout,
                        generation=generation, label=label, **kwargs)


class Gpu:
    """As much of a virtio-gpu driver as it takes to have a cursor."""

    MEMORY, BAR = 0x200000, 0xE1000000
    CREATE_2D, TRANSFER, ATTACH, UPDATE_CURSOR, MOVE_CURSOR = 0x101, 0x105, 0x106, 0x300, 0x301

    def __init__(self, guest):
        self.guest = guest
        caps, at = {}, guest.config(0x34, slot=2) & 0xFF
        while at:
            head = guest.config(at, slot=2)
            if head & 0xFF == 9:
                caps.setdefault(head >> 24, (guest.config(at + 8, slot=2), at))
            at = head >> 8 & 0xFF
        guest.config(0x20, self.BAR, slot=2)
        guest.config(0x24, 0, slot=2)
        guest.config(0x04, 0x0006, slot=2)
        self.common = self.BAR + caps[1][0]
        self.notify = self.BAR + caps[2][0]
        self.multiplier = guest.config(caps[2][1] + 16, slot=2)
        self.set("b", 20, 0)
        self.set("b", 20, 3)
        for word, features in ((0, 0), (1, 1)):     # VIRTIO_F_VERSION_1
            self.set("l", 8, word)
            self.set("l", 12, features)
        self.set("b", 20, 11)
        self.used = {}
        for queue in (0, 1):
            self.set("w", 22, queue)
            self.set("w", 24, 16)
            for register, part in ((32, 0), (40, 0x1000), (48, 0x2000)):
                self.set("l", register, self.ring(queue) + part)
                self.set("l", register + 4, 0)
            self.set("w", 28, 1)
            self.used[queue] = 0
        self.set("b", 20, 15)

    def ring(self, queue):
        return self.MEMORY + queue * 0x10000

    def set(self, size, register, value):
        self.guest.command(f"write{size} {self.common + register:#x} {value:#x}")

    def command(self, queue, kind, body):
        """Sends one command and waits until the device is done with it."""
        ring, data = self.ring(queue), struct.pack("<IIQII", kind, 0, 0, 0, 0) + body
        self.guest.write_bytes(ring + 0x4000, data)
        self.guest.write_bytes(ring, struct.pack("<QIHHQIHH", ring + 0x4000, len(data), 1, 1,
                                                 ring + 0x5000, 24, 2, 0))
        self.guest.write_bytes(ring + 0x1004 + self.used[queue] % 16 * 2, b"\0\0")
        self.used[queue] += 1
        self.guest.write_bytes(ring + 0x1002, struct.pack("<H", self.used[queue]))
        self.guest.command(f"writew {self.notify + queue * self.multiplier:#x} {queue}")
        wait("the GPU", lambda: int(self.guest.command(f"readw {ring + 0x2002:#x}"), 16) == self.used[queue])
        if queue == 0:
            answer = self.guest.read(ring + 0x5000)
            assert answer == 0x1100, f"command {kind:#x}: {answer:#x}"

    def image(self, resource, pixel):
        """A cursor of 64 by 64 pixels of one colour."""
        backing = self.MEMORY + 0x40000
        self.command(0, self.CREATE_2D, struct.pack("<IIII", resource, 1, 64, 64))
        self.guest.command(f"memset {backing:#x} {64 * 64 * 4} 0")
        for at in range(0, 64 * 64 * 4, 1024):
            self.guest.write_bytes(backing + at, struct.pack("<I", pixel) * 256)
        self.command(0, self.ATTACH, struct.pack("<IIQII", resource, 1, backing, 64 * 64 * 4, 0))
        self.command(0, self.TRANSFER, struct.pack("<IIIIQII", 0, 0, 64, 64, 0, resource, 0))

    def cursor(self, resource, x, y, hot_x=0, hot_y=0, move=False):
        self.command(1, self.MOVE_CURSOR if move else self.UPDATE_CURSOR,
                     struct.pack("<IIIIIIII", 0, x, y, 0, resource, hot_x, hot_y, 0))


class LeasePort:
    """What "helixctl host" would be in a guest, at a serial port in the place of a virtio one."""

    DATA, STATUS = 0x3F8, 0x3FD

    def __init__(self, guest, session):
        self.guest = guest
        self.session = session
        self.rest = b""

    def send(self, **message):
        for byte in json.dumps(message).encode() + b"\n":
            self.guest.command(f"outb {self.DATA:#x} {byte:#x}")

    def hello(self):
        self.send(op="hello", version=1, session=self.session)

    def take(self):
        while int(self.guest.command(f"inb {self.STATUS:#x}"), 16) & 1:
            self.rest += bytes([int(self.guest.command(f"inb {self.DATA:#x}"), 16)])
        return b"\n" in self.rest

    def receive(self):
        wait("a word about the leases", self.take)
        line, self.rest = self.rest.split(b"\n", 1)
        return json.loads(line)

    def skip_to_hello(self):
        """Whatever was said before, maybe in part, by exportds that are gone."""
        wait("a hello", lambda: self.take() and self.rest.endswith(b'{"op":"hello","version":1}\n'))
        self.rest = b""

    def expect(self, op, scanout, generation):
        """The next that is said; nothing is passed over."""
        said = self.receive()
        seconds = said.pop("seconds", None)
        assert said == {"op": op, "session": self.session, "scanout": scanout, "generation": generation}, said
        return seconds


class Socket:
    """Just enough of a WebSocket client."""

    def __init__(self, port, query, origin=None, host=None, protocol="helix.v1", sock=None, headers=()):
        self.sock = sock or socket.create_connection(("127.0.0.1", port), PATIENCE)
        host = host or f"127.0.0.1:{port}"
        lines = [f"GET /ws?{query} HTTP/1.1", f"Host: {host}", "Upgrade: websocket", "Connection: Upgrade",
                 "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA=="]
        lines += [f"Sec-WebSocket-Protocol: {protocol}"] if protocol else []
        lines += [f"Origin: {origin}"] if origin else []
        lines += headers
        self.sock.sendall(("\r\n".join(lines) + "\r\n\r\n").encode())
        self.file = self.sock.makefile("rb")
        status = self.file.readline().split()
        self.status = int(status[1]) if len(status) > 1 else None
        self.accepted = self.status == 101
        self.headers = http.client.parse_headers(self.file) if self.status else {}
        self.refusal = None if self.accepted else self.file.read(int(self.headers.get("Content-Length", 0)))

    def receive(self):
        """(opcode, payload); None when the connection ended."""
        header = self.file.read(2)
        if len(header) < 2:
            return None
        length = header[1] & 0x7F
        if length == 126:
            length = struct.unpack(">H", self.file.read(2))[0]
        elif length == 127:
            length = struct.unpack(">Q", self.file.read(8))[0]
        return header[0] & 0x0F, self.file.read(length)

    def text(self):
        while True:
            frame = self.receive()
            if frame is None or frame[0] == 8:
                return None
            if frame[0] == 1:
                return json.loads(frame[1])

    def say(self, kind):
        """The next message of a type."""
        while True:
            said = self.text()
            assert said, f"hung up without a message of type {kind}"
            if said["type"] == kind:
                return said

    def video(self):
        while True:
            frame = self.receive()
            if frame is None or frame[0] == 8:
                return None
            if frame[0] == 2:
                return frame[1]

    def cursor(self):
        """(width, height, hot x, hot y, pixels) of the next cursor."""
        while True:
            data = self.video()
            if data is None or data[0] == 2:
                return data and struct.unpack("<HHHH", data[8:16]) + (data[16:],)

    def pointer(self):
        said = self.text()
        while said["type"] != "pointer":
            said = self.text()
        return said["x"], said["y"]

    def close_code(self):
        while True:
            frame = self.receive()
            if frame is None:
                return None
            if frame[0] == 8:
                return struct.unpack(">H", frame[1][:2])[0] if len(frame[1]) >= 2 else 1005

    def frame(self, opcode, data, final=True):
        mask = b"\0\0\0\0"
        head = bytes([(0x80 if final else 0) | opcode])
        if len(data) < 126:
            head += bytes([0x80 | len(data)])
        elif len(data) < 65536:
            head += b"\xfe" + struct.pack(">H", len(data))
        else:
            head += b"\xff" + struct.pack(">Q", len(data))
        self.sock.sendall(head + mask + data)

    def send(self, message):
        self.frame(1, message if isinstance(message, bytes) else json.dumps(message, separators=(",", ":")).encode())

    def close(self):
        self.file.close()
        self.sock.close()


class Bench:
    def __init__(self, exportd, qemu, options=()):
        self.exportd_path = exportd
        self.options = list(options)
        self.dir = tempfile.mkdtemp(prefix="helix-exportd-")
        self.web = os.path.join(self.dir, "web")
        os.mkdir(self.web)
        with open(os.path.join(self.web, "index.html"), "w", encoding="ascii") as page:
            page.write("<!doctype html>the page")
        os.symlink("/etc/passwd", os.path.join(self.web, "leak.txt"))
        self.log = open(os.path.join(self.dir, "log"), "wb")
        self.port = 0
        self.exportd = None
        # before QEMU, which must then be found by trying again
        self.start_exportd()
        self.qemu = subprocess.Popen(
            [*qemu_command(qemu, self.dir), "-trace", "dbus_kbd_*", "-trace", "dbus_mouse_*",
             "-trace", "virtio_gpu_ui_*", "-trace", "dbus_touch_*", "-trace", "dbus_clipboard_*", "-trace", "input_event_btn", "-trace", "input_event_key_qcode",
             "-chardev", "dbus,id=leases,name=dev.helix.lease", "-device", "isa-serial,chardev=leases",
             "-device", "virtio-tablet-pci,display=gpu,head=0,addr=04.0",
             "-device", "virtio-multitouch-pci,display=gpu,head=0,addr=05.0",
             "-device", "virtio-multitouch-pci,id=touch9,display=gpu,head=9,addr=06.0"],
            stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log)
        self.guest = Guest(f"{self.dir}/qtest.sock")

    def start_exportd(self, *options):
        self.exportd = subprocess.Popen(
            [self.exportd_path, "--qmp", f"{self.dir}/qmp.sock", "--control", f"{self.dir}/control.sock", "--port",
             str(self.port), "--web", self.web, "--console0", "--clipboard", "0", "--verbose", *self.options, *options],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=self.log)
        line = self.exportd.stdout.readline().decode()
        found = re.match(r"listening http://127\.0\.0\.1:(\d+)/$", line)
        assert found, f"said {line!r} and not where it listens"
        self.port = int(found.group(1))

    def restart_exportd(self, *options):
        self.exportd.kill()
        self.exportd.wait()
        self.exportd.stdout.close()
        self.start_exportd(*options)
        wait("the host bit", self.guest.host)

    def get(self, path, method="GET", **headers):
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}{path}", headers=headers, method=method)
        try:
            with urllib.request.urlopen(request, timeout=PATIENCE) as answer:
                return answer.status, answer.read(), answer.headers
        except urllib.error.HTTPError as error:
            return error.code, error.read(), error.headers
        except http.client.RemoteDisconnected:
            return 400, b"", {}     # libwebsockets hangs up on a path it finds malformed

    def desktops(self):
        return {d["scanout"]: d for d in json.loads(self.get("/api/desktops")[1]) if d["scanout"]}

    def input_since(self, mark):
        """What QEMU took from us since the log had `mark` bytes."""
        with open(self.log.name, encoding="utf-8", errors="replace") as log:
            log.seek(mark)
            return re.findall(r"dbus_(kbd_press|kbd_release|mouse_press|mouse_release|mouse_set_pos) \D*(\d+)", log.read())

    def touches_since(self, mark):
        """(kind, slot, x, y) of each finger that QEMU was told of."""
        with open(self.log.name, encoding="utf-8", errors="replace") as log:
            log.seek(mark)
            return [tuple(map(int, found)) for found in re.findall(
                r"dbus_touch_send_event kind=(\d+), num_slot=(\d+), x=(-?\d+), y=(-?\d+)", log.read())]

    def expect_touches(self, mark, *wanted):
        wait(f"touches {wanted}", lambda: len(self.touches_since(mark)) >= len(wanted))
        time.sleep(0.1)     # for what should not come
        assert self.touches_since(mark) == list(wanted), f"QEMU got {self.touches_since(mark)}"

    def said(self, mark, pattern):
        with open(self.log.name, encoding="utf-8", errors="replace") as log:
            log.seek(mark)
            return re.findall(pattern, log.read())

    def mark(self):
        return os.path.getsize(self.log.name)

    def expect_input(self, mark, *wanted):
        wanted = [(kind, str(value)) for kind, value in wanted]
        wait(f"input {wanted}", lambda: len(self.input_since(mark)) >= len(wanted))
        time.sleep(0.1)     # for what should not come
        got = self.input_since(mark)
        assert got == wanted, f"QEMU got {got}"

    def end(self, failed):
        for process in (self.exportd, self.qemu):
            if process and process.poll() is None:
                process.kill()
                process.wait()
        self.log.close()
        if failed:
            with open(self.log.name, "rb") as log:
                for line in log.read().decode(errors="replace").splitlines()[-60:]:
                    print("# " + line)
        shutil.rmtree(self.dir)


def test_waits_for_qemu_and_announces_itself_to_the_guest(b):
    wait("the host bit", b.guest.host)
    assert b.guest.ask(PING) == 0


def test_enable_makes_a_desktop(b):
    assert b.guest.enable(3, 1, "Third <desk>", priority=256) == EINVAL
    assert b.guest.enable(3, 1, "Third <desk>", priority=7) == 0
    desktop = b.desktops()[3]
    assert desktop["priority"] == 7, desktop
    assert desktop["name"] == "Third <desk>" and desktop["encoder"] == "libx264" and desktop["viewers"] == 0, desktop


def test_an_output_that_the_guest_has_not_drawn_on_is_waiting(b):
    time.sleep(0.5)     # QEMU's own text for such an output has come by then
    assert b.desktops()[3]["state"] == "waiting"
    client = Socket(b.port, "scanout=3")
    assert client.text()["state"] == "waiting"
    client.close()


def test_enable_again_renames_it(b):
    assert b.guest.enable(3, 2, "") == 0
    assert b.desktops()[3]["name"] == "Desktop 3"
    assert len(b.desktops()) == 1


def test_a_label_may_be_anything(b):
    for label in (b"\xff" * 32, b"\x01\x1b[2J\n", "\u0085\u202e\u00e4".encode(), b"x" * 32, b"\xc3"):
        assert b.guest.enable(3, 2, label) == 0
        name = b.desktops()[3]["name"]
        assert name and not any(ord(c) < 32 or 0x7F <= ord(c) < 0xA0 for c in name), repr(name)
    assert b.guest.enable(3, 2, "") == 0


def test_requests_that_are_refused(b):
    assert b.guest.enable(0, 1) == EPERM, "the console is not to be touched"
    assert b.guest.enable(4, 1, gpu=0x18) == ENODEV
    assert b.guest.enable(3, 1, output=5) == EEXIST, "two desktops of one number"
    assert b.guest.enable(4, 0) == EINVAL
    assert b.guest.enable(4, 1, width=0) == EINVAL
    assert list(b.desktops()) == [3]


def test_a_late_disable_of_a_former_lease_is_refused(b):
    assert b.guest.ask(DISABLE, output=3, scanout=3, generation=1) == ESTALE
    assert list(b.desktops()) == [3]


def test_a_later_lease_takes_the_number_from_an_output_whose_end_was_not_told(b):
    assert b.guest.enable(9, 20, "Before", output=9) == 0
    client = Socket(b.port, "desktop=vm:9")
    client.text()
    assert b.guest.enable(9, 20, "Twin", output=10) == EEXIST, "the same lease on a second output"
    assert b.guest.enable(9, 21, "After", output=10) == 0
    desktop = b.desktops()[9]
    assert desktop["name"] == "After" and desktop["id"] == "vm:9" and desktop["vm"] == "vm", desktop
    while (said := client.text()).get("state") != "gone":
        assert said, "hung up without a word"
    assert b.guest.ask(DISABLE, output=9, scanout=9, generation=20) == 0, "the left output has no desktop"
    assert b.desktops()[9]["name"] == "After"
    assert b.guest.ask(DISABLE, output=10, scanout=9, generation=21) == 0


def test_an_output_that_gets_another_number_is_another_desktop(b):
    assert b.guest.enable(9, 30, "Before", output=9) == 0
    client = Socket(b.port, "desktop=vm:9")
    client.text()
    assert b.guest.enable(10, 31, "After", output=9) == 0
    assert sorted(b.desktops()) == [3, 10] and b.desktops()[10]["viewers"] == 0, b.desktops()
    while (said := client.text()).get("state") != "gone":
        assert said, "hung up without a word"
    assert b.guest.ask(DISABLE, output=9, scanout=10, generation=31) == 0


def test_refresh_rate_reaches_the_output(b):
    with open(b.log.name, encoding="utf-8", errors="replace") as log:
        if "refresh rates: ours" not in log.read():
            raise Skip("QEMU has no SetUIInfo2")

    def told(mark):
        with open(b.log.name, encoding="utf-8", errors="replace") as log:
            log.seek(mark)
            return re.findall(r"virtio_gpu_ui_info output 3, (\d+x\d+), (\d+) mHz", log.read())

    for refresh, wanted in ((144000, "144000"), (0, "60000")):
        mark = b.mark()
        assert b.guest.enable(3, 4, width=800, height=600, refresh=refresh) == 0
        wait(f"{wanted} mHz", lambda: ("800x600", wanted) in told(mark))


def test_all_fifteen(b):
    for n in range(1, 16):
        assert b.guest.enable(n, 10 + n) == 0
    assert list(b.desktops()) == list(range(1, 16))
    for n in range(4, 16):
        assert b.guest.ask(DISABLE, output=n, scanout=n, generation=10 + n) == 0
    assert list(b.desktops()) == [1, 2, 3]


def test_list_of_desktops_is_told_when_it_changes(b):
    client = Socket(b.port, "events")
    first = client.text()
    assert first["type"] == "desktops" and len(first["desktops"]) >= 3, first
    assert b.guest.enable(7, 1, "Seventh") == 0
    wait("the news of desktop 7", lambda: any(d["name"] == "Seventh" for d in client.text()["desktops"]))
    client.close()


def test_viewer_of_a_desktop_that_goes(b):
    client = Socket(b.port, "scanout=7")
    assert client.text()["type"] == "state"
    assert b.guest.ask(DISABLE, output=7, scanout=7, generation=1) == 0
    while True:
        said = client.text()
        assert said, "hung up without saying that the desktop is gone"
        if said.get("state") == "gone":
            break
    assert client.close_code() == 1000


def test_viewer_of_no_desktop(b):
    for query in ("scanout=99", "scanout=x", "scanout=", "scanout=-1", "scanout=4294967299", "nothing"):
        client = Socket(b.port, query)
        said = client.text()
        assert said["type"] == "error" and said["code"] == "no-desktop", (query, said)
        assert client.close_code() == 1000


def test_key_frame_at_once_on_an_idle_desktop(b):
    wait("the console's picture", lambda: json.loads(b.get("/api/desktops")[1])[0]["state"] == "live")
    for _ in range(2):
        client = Socket(b.port, "scanout=0")
        assert client.text()["state"] == "live"
        config = client.say("config")
        assert config["type"] == "config" and config["codec"].startswith("avc1."), config
        video = client.video()
        kind, flags, zero, _, _, width, height = struct.unpack("<BBHIQII", video[:24])
        assert (kind, flags, zero, width, height) == (1, 1, 0, config["width"], config["height"])
        assert video[24:28] == b"\0\0\0\1" and video[28] & 0x1F == 7, "no parameter set in front"
        client.close()


def test_the_codec_is_one_that_all_who_watch_can_decode(b):
    modern = Socket(b.port, "scanout=0&codecs=h264,av1,vp10")
    config = modern.say("config")
    assert config["codec"].startswith("av01.") and config["encoder"] == "libsvtav1", config
    video = modern.video()
    assert video[1] & 1 and video[24:26] == b"\x12\0", "no temporal unit of AV1"
    plain = Socket(b.port, "scanout=0")
    config = plain.say("config")
    assert config["codec"].startswith("avc1.") and config["encoder"] == "libx264", config
    assert plain.video()[1] & 1
    assert modern.say("config")["codec"] == config["codec"]
    assert modern.video()[1] & 1
    plain.close()
    wait("the other to be gone", lambda: json.loads(b.get("/api/desktops")[1])[0]["viewers"] == 1)
    modern.send({"type": "keyframe"})
    assert modern.say("config")["codec"].startswith("av01.")
    assert modern.video()[1] & 1
    modern.close()


def test_key_frame_on_request(b):
    client = Socket(b.port, "scanout=0")
    client.video()
    client.send({"type": "keyframe"})
    while not client.video()[1] & 1:
        pass
    client.close()


def test_rungs_are_streams_of_their_own(b):
    client = Socket(b.port, "scanout=0")
    full = next(m for m in iter(client.text, None) if m["type"] == "config")
    assert (full["rung"], full["width"]) == ("full", full["desktop_width"]), full
    for rung in ("thumb", "full"):
        client.send({"type": "watch", "rung": "none"})
        client.send({"type": "watch", "rung": rung})
        config = next(m for m in iter(client.text, None) if m["type"] == "config")
        assert config["rung"] == rung and config["desktop_width"] == full["desktop_width"], config
        video = client.video()
        assert video[1] & 1 and struct.unpack("<II", video[16:24]) == (config["width"], config["height"])
        if rung == "thumb":
            assert config["width"] <= 480 and config["height"] <= 270 and config["fps"] <= 10, config
    client.close()


def test_a_stream_begins_with_the_rung_of_its_address(b):
    for rung in ("thumb", "full"):
        client = Socket(b.port, f"desktop=vm:0&rung={rung}")
        config = client.say("config")
        assert config["rung"] == rung, config
        video = client.video()
        assert struct.unpack("<II", video[16:24]) == (config["width"], config["height"])
        client.close()


def test_time_is_answered_with_the_clock_of_the_frames(b):
    client = Socket(b.port, "scanout=3")
    before = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
    client.send({"type": "time", "client": 2**53 - 1})
    said = next(m for m in iter(client.text, None) if m["type"] == "time")
    assert said["client"] == 2**53 - 1, said
    assert before <= said["server"] <= time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000, said
    client.close()


def test_bad_messages_are_answered_and_then_hung_up_on(b):
    client = Socket(b.port, "scanout=3")
    client.send(b"nonsense")
    while client.text()["type"] != "error":
        pass
    # Not one more than it takes: what is under way when the server hangs up would reset the connection.
    for _ in range(BAD_MAX - 1):
        client.send(b"{}")
    assert client.close_code() == 1008


def test_oversize_and_binary_messages_are_hung_up_on(b):
    client = Socket(b.port, "scanout=3")
    client.frame(1, b"x" * 3000, final=False)
    client.frame(0, b"x" * 3000)
    assert client.close_code() == 1009
    client = Socket(b.port, "scanout=3")
    client.frame(2, b"xxxx")
    assert client.close_code() == 1003


def test_input_of_every_kind_is_taken(b):
    client, mark = Socket(b.port, "scanout=0"), b.mark()
    client.video()
    for message in ({"type": "key", "code": "KeyA", "down": True}, {"type": "key", "code": "NoSuchKey", "down": True},
                    {"type": "move", "x": 1e9, "y": -3}, {"type": "button", "button": 2, "down": True},
                    {"type": "wheel", "dx": 0, "dy": 0.5}, {"type": "release"}, {"type": "ack", "seq": 0}):
        client.send(message)
    client.send(b"x")   # its answer comes after all of them
    said = client.text()
    while said["type"] != "error":
        said = client.text()
    assert said["code"] == "bad-message"
    wait("the release", lambda: ("mouse_release", "2") in b.input_since(mark))
    client.close()


def test_keys_and_buttons_reach_the_console(b):
    client, mark = Socket(b.port, "scanout=0"), b.mark()
    for down in (True, True, False, False):     # the guest repeats by itself
        client.send({"type": "key", "code": "ArrowUp", "down": down})
    for number, qemu in ((0, 0), (1, 1), (2, 2), (3, 5), (4, 6)):
        client.send({"type": "button", "button": number, "down": True})
        client.send({"type": "button", "button": number, "down": False})
    b.expect_input(mark, ("kbd_press", 0xC8), ("kbd_release", 0xC8),
                   *[(f"mouse_{what}", n) for n in (0, 1, 2, 5, 6) for what in ("press", "release")])
    client.close()


def test_wheel_counts_whole_steps(b):
    client, mark = Socket(b.port, "scanout=0"), b.mark()
    for steps in (0.5, 0.5, -1.5, -0.5):
        client.send({"type": "wheel", "dx": 0, "dy": steps})
    b.expect_input(mark, *[(f"mouse_{what}", n) for n in (4, 3, 3) for what in ("press", "release")])
    client.close()


def test_what_a_viewer_holds_is_let_go_when_it_goes(b):
    client, mark = Socket(b.port, "scanout=0"), b.mark()
    client.send({"type": "key", "code": "ControlLeft", "down": True})
    client.send({"type": "button", "button": 2, "down": True})
    b.expect_input(mark, ("kbd_press", 0x1D), ("mouse_press", 2))
    mark = b.mark()
    client.close()
    b.expect_input(mark, ("kbd_release", 0x1D), ("mouse_release", 2))


def test_one_viewer_controls_and_hands_over(b):
    first, second, mark = Socket(b.port, "scanout=0"), Socket(b.port, "scanout=0"), b.mark()
    me, you = first.say("role")["viewer"], second.say("role")["viewer"]
    assert me != you
    # pointing at a free desktop is passed on, and takes it from nobody
    second.send({"type": "move", "x": 21, "y": 31})
    b.expect_input(mark, ("mouse_set_pos", 21))
    mark = b.mark()
    for client in (first, second):
        client.send({"type": "key", "code": "KeyB", "down": True})
        if client is first:
            assert second.say("role")["controller"] == me
    assert second.say("error")["code"] == "not-controller"
    second.send({"type": "control", "action": "request"})
    asked = first.say("control")
    assert (asked["action"], asked["viewer"]) == ("request", you), asked
    first.send({"type": "control", "action": "deny", "viewer": you})
    assert second.say("control")["action"] == "denied"
    b.expect_input(mark, ("kbd_press", 0x30))
    first.send({"type": "control", "action": "grant", "viewer": you})
    assert second.say("role")["controller"] == you
    # what the former one held goes up before the next one presses anything
    second.send({"type": "key", "code": "KeyC", "down": True})
    b.expect_input(mark, ("kbd_press", 0x30), ("kbd_release", 0x30), ("kbd_press", 0x2E))
    second.close()
    assert first.say("role")["controller"] == you
    assert first.say("role")["controller"] is None
    b.expect_input(mark, ("kbd_press", 0x30), ("kbd_release", 0x30), ("kbd_press", 0x2E), ("kbd_release", 0x2E))
    first.close()


def expect_error(client, code):
    said = client.text()
    while said["type"] != "error":
        said = client.text()
    assert said["code"] == code, said


def points(*args):
    return {"type": "touch", "points": [{"id": i, "phase": phase, "x": x, "y": y} for i, phase, x, y in args]}


def test_config_says_what_a_desktop_can_take(b):
    client = Socket(b.port, "scanout=0")
    config = client.text()
    while config["type"] != "config":
        config = client.text()
    assert config["touch"] is True and config["absolute"] is True, config
    client.close()


def test_fingers_reach_the_console(b):
    client, mark = Socket(b.port, "scanout=0"), b.mark()
    client.video()
    client.send(points((-7, "begin", 10, 20), (9, "begin", 30, 40)))
    client.send(points((9, "update", 31, 1e9), (1, "update", 5, 5), (2, "end", 5, 5)))
    client.send(points((-7, "end", 11, 21)))
    client.send(points((5, "begin", 1, 2)))     # into the slot that is free again
    height = json.loads(b.get("/api/desktops")[1])[0]["height"]
    b.expect_touches(mark, (0, 0, 10, 20), (0, 1, 30, 40), (1, 1, 31, height - 1), (2, 0, 11, 21), (0, 0, 1, 2))
    mark = b.mark()
    client.close()
    b.expect_touches(mark, (2, 0, 0, 0), (2, 1, 0, 0))


def test_fingers_beyond_the_slots_are_ignored(b):
    client, mark = Socket(b.port, "scanout=0"), b.mark()
    client.video()
    client.send(points(*[(n, "begin", n, 0) for n in range(10)]))
    b.expect_touches(mark, *[(0, n, n, 0) for n in range(10)])
    mark = b.mark()
    client.send(points((10, "begin", 1, 1), (10, "update", 2, 2), (10, "end", 3, 3), (3, "cancel", 4, 4)))
    client.send(points((11, "begin", 5, 5)))
    b.expect_touches(mark, (2, 3, 4, 4), (0, 3, 5, 5))
    mark = b.mark()
    client.send({"type": "release"})
    b.expect_touches(mark, *[(2, n, 0, 0) for n in range(10)])
    client.close()


def test_touch_only_where_the_guest_has_a_screen_for_it(b):
    client, mark = Socket(b.port, "scanout=3"), b.mark()
    client.send(points((1, "begin", 1, 1)))
    expect_error(client, "no-touch")
    client.close()
    assert b.touches_since(mark) == []


def test_relative_moves_only_where_the_pointer_is_relative(b):
    client, mark = Socket(b.port, "scanout=0"), b.mark()
    client.send({"type": "rel", "dx": 1, "dy": 1})
    expect_error(client, "no-relative")
    client.close()
    client = Socket(b.port, "scanout=3")
    for _ in range(4):
        client.send({"type": "rel", "dx": -2.5, "dy": 0.5})
    moved = lambda: [sum(int(n[axis]) for n in b.said(mark, r"dbus_mouse_rel_motion dx=(-?\d+), dy=(-?\d+)"))
                     for axis in (0, 1)]
    wait("ten to the left and two down", lambda: moved() == [-10, 2])
    client.close()


def test_a_window_gives_the_desktop_its_size(b):
    def sizes(mark):
        return b.said(mark, r"virtio_gpu_ui_info output 3, (\d+x\d+)")

    client, mark = Socket(b.port, "scanout=3"), b.mark()
    for width in range(801, 821):
        client.send({"type": "resize", "width": width, "height": 600, "scale": 1.5})
    answers = []
    while len(answers) < 20:
        said = client.text()
        if said["type"] == "resized":
            answers.append((said["width"], said["height"], said["status"]))
    assert sorted(answers)[-1] == (820, 600, "ok"), answers
    assert {status for _, _, status in answers} <= {"ok", "superseded"}, answers
    assert sizes(mark)[-1] == "820x600" and len(sizes(mark)) < 20, sizes(mark)
    mark = b.mark()
    assert b.guest.enable(3, 4, width=1024, height=768) == 0
    wait("the size of the lease", lambda: sizes(mark))
    assert sizes(mark)[-1] == "1024x768", "what the guest asks for itself wins"
    client.close()


def test_the_console_keeps_its_size(b):
    client = Socket(b.port, "scanout=0")
    client.send({"type": "resize", "width": 800, "height": 600})
    expect_error(client, "no-resize")
    client.close()


def test_what_a_viewer_copies_is_offered_to_the_guest(b):
    assert b.said(0, r"dbus_clipboard_register"), "QEMU knows nobody who has a clipboard"
    client, mark = Socket(b.port, "scanout=0"), b.mark()
    client.send({"type": "clipboard", "mime": "text/plain;charset=utf-8", "text": "caf\u00e9\n" * 8192})
    wait("the offer", lambda: b.said(mark, r"dbus_clipboard_grab selection=0 serial=\d+"))
    assert not b.said(mark, "dbus_clipboard_grab_failed")
    client.close()


def test_a_clipboard_belongs_to_one_desktop(b):
    client, mark = Socket(b.port, "scanout=3"), b.mark()
    client.send({"type": "clipboard", "mime": "text/plain;charset=utf-8", "text": "for the other one"})
    expect_error(client, "no-clipboard")
    client.close()
    assert not b.said(mark, "dbus_clipboard_grab")


def test_the_guests_cursor_is_told(b):
    gpu, first, second = Gpu(b.guest), Socket(b.port, "scanout=0"), Socket(b.port, "scanout=0")
    first.video()
    gpu.image(1, 0x80400020)        # premultiplied
    gpu.cursor(1, 100, 50, 7, 9)
    width, height, hot_x, hot_y, pixels = first.cursor()
    assert (width, height, hot_x, hot_y) == (64, 64, 7, 9)
    assert pixels == bytes((0x80, 0, 0x40, 0x80)) * 64 * 64, pixels[:16]
    assert first.pointer() == (107, 59), "it is where its hot spot is"
    # who moved it knows; the others do not
    first.send({"type": "move", "x": 207, "y": 159})
    wait("the move", lambda: b.said(0, r"dbus_mouse_set_pos x=207, y=159"))
    gpu.cursor(1, 200, 150, 7, 9, move=True)
    while second.pointer() != (207, 159):
        pass
    gpu.cursor(1, 300, 250, 7, 9, move=True)
    assert first.pointer() == (307, 259), "a warp is told to all, an echo only to the others"
    late = Socket(b.port, "scanout=0")
    assert late.cursor() == (64, 64, 7, 9, pixels)
    gpu.cursor(0, 300, 250)
    while True:
        hidden = first.cursor()
        if hidden[:2] == (0, 0):
            break
    assert hidden[4] == b""
    for client in (first, second, late):
        client.close()


def test_foreign_pages_and_names_are_refused(b):
    assert not Socket(b.port, "scanout=3", origin="http://evil.example").accepted
    assert not Socket(b.port, "scanout=3", origin="null").accepted
    assert not Socket(b.port, "scanout=3", host="evil.example").accepted
    assert not Socket(b.port, "scanout=3", protocol=None).accepted
    assert not Socket(b.port, "scanout=3", protocol="other").accepted
    assert Socket(b.port, "scanout=3", origin=f"http://127.0.0.1:{b.port}").accepted
    assert b.get("/api/desktops", Host="evil.example")[0] == 403


def test_files(b):
    status, body, headers = b.get("/")
    assert status == 200 and body == b"<!doctype html>the page"
    assert headers["Content-Type"] == "text/html; charset=utf-8"
    assert headers["X-Content-Type-Options"] == "nosniff" and "default-src 'self'" in headers["Content-Security-Policy"]
    for path in ("/nothing", "/../log", "/%2e%2e/log", "/..%2flog", "/leak.txt", "/web/", "//etc/passwd", "/.%00"):
        assert b.get(path)[0] in (400, 403, 404), path


def test_too_many_viewers(b):
    clients = [Socket(b.port, "scanout=3") for _ in range(64)]
    assert all(client.text()["type"] == "state" for client in clients)
    last = Socket(b.port, "scanout=3")
    assert last.text()["code"] == "busy" and last.close_code() == 1013
    last.close()
    for client in clients:
        client.close()
    wait("room again", lambda: b.desktops()[3]["viewers"] == 0)


def test_killed_and_restarted_it_goes_on_with_the_same_rings(b):
    generation = b.guest.read(BAR_REGS + REG_GENERATION)
    b.exportd.kill()
    b.exportd.wait()
    b.exportd.stdout.close()
    wait("the host bit to go", lambda: not b.guest.host())
    unserved = b.guest.submit(PING)
    b.start_exportd()
    wait("the host bit", b.guest.host)
    assert b.guest.completion() == (unserved, 0)
    assert b.guest.read(BAR_REGS + REG_GENERATION) != generation
    assert not b.desktops(), "desktops come back by the guest's word only"
    assert b.guest.enable(3, 2, "Third again") == 0
    assert b.desktops()[3]["name"] == "Third again"


def test_killed_it_leaves_no_key_button_or_finger_down(b):
    client, mark = Socket(b.port, "scanout=0"), b.mark()
    client.video()
    client.send({"type": "key", "code": "ShiftLeft", "down": True})
    client.send({"type": "button", "button": 2, "down": True})
    client.send(points((1, "begin", 1, 1)))
    b.expect_touches(mark, (0, 0, 1, 1))
    assert b.said(mark, r"input_event_btn con \d+, button right, down 1")
    mark = b.mark()
    b.exportd.kill()
    b.exportd.wait()
    b.exportd.stdout.close()
    b.start_exportd()
    wait("the key to go up", lambda: b.said(mark, r"input_event_key_qcode con \d+, key qcode shift, down 0"))
    wait("the button to go up", lambda: b.said(mark, r"input_event_btn con \d+, button right, down 0"))
    wait("the finger to go up", lambda: (2, 0, 0, 0) in b.touches_since(mark))
    wait("the clipboard", lambda: b.said(mark, "dbus_clipboard_register"))
    assert not b.said(mark, r"input_event_btn con \d+, button \w+, down 1")
    wait("the host bit", b.guest.host)
    assert b.guest.enable(3, 2, "Third once more") == 0


def test_what_nobody_uses_is_told_and_then_ended_by_the_guest(b):
    """Each word to the guest is waited for, in its order: how fast that goes does not matter."""
    port = LeasePort(b.guest, "0123456789abcdef")
    assert b.desktops()[3]["idle"] is None
    assert b.get("/api/desktops/vm:3/keep", "POST")[0] == 409
    b.restart_exportd("--idle-after", "601", "--idle-warn", "600")
    assert b.guest.enable(4, 41, "Unused") == 0 and b.guest.enable(6, 61, "Watched") == 0
    watching = Socket(b.port, "scanout=6&rung=full")
    watching.say("role")
    port.skip_to_hello()

    def idle(scanout):
        found = b.desktops()[scanout]["idle"]
        return found["state"], found["ends_in"]

    # nobody in the guest has answered: nothing can be ended, and it says so
    wait("a word that nobody would end it", lambda: idle(4) == ("stuck", None))
    port.hello()
    assert port.expect("ending", 4, 41) == 600
    state, left = idle(4)
    assert state == "ending" and 0 < left <= 600, (state, left)
    assert idle(6) == ("used", None)
    metrics = b.get("/metrics")[1].decode()
    assert re.search(r'^helix_exportd_desktop_ends_in_seconds\{vm="vm",scanout="4"\} [1-9]\d*$', metrics, re.M), metrics
    assert 'desktop_ends_in_seconds{vm="vm",scanout="6"}' not in metrics
    assert 'helix_exportd_vm_ends_leases{vm="vm"} 1' in metrics

    # who only sees it in a grid does not keep it; who opens it does, and who says so
    tile = Socket(b.port, "scanout=4&rung=full&tile=1")
    tile.say("role")
    thumb = Socket(b.port, "scanout=4&rung=thumb")
    thumb.say("role")
    assert idle(4)[0] == "ending"
    tile.send({"type": "watch", "rung": "full"})
    port.expect("kept", 4, 41)
    assert idle(4) == ("used", None)
    tile.send({"type": "watch", "rung": "full", "tile": True})
    assert port.expect("ending", 4, 41) == 600
    assert b.get("/api/desktops/vm:4/keep", "POST")[0] == 200
    port.expect("kept", 4, 41)
    port.expect("ending", 4, 41)
    thumb.send({"type": "key", "code": "KeyA", "down": True})
    thumb.send({"type": "key", "code": "KeyA", "down": False})
    port.expect("kept", 4, 41)
    port.expect("ending", 4, 41)

    # a restart ends nothing early: it is counted and told anew
    b.restart_exportd("--idle-after", "5", "--idle-warn", "4")
    assert b.guest.enable(4, 41, "Unused") == 0 and b.guest.enable(6, 61, "Watched") == 0
    watching = Socket(b.port, "scanout=6&rung=full")
    watching.say("role")
    port.skip_to_hello()
    port.hello()
    assert port.expect("ending", 4, 41) == 4
    mark = b.mark()
    port.expect("revoke", 4, 41)
    assert idle(4) == ("over", 0)
    port.send(op="failed", scanout=4, error="not yet")
    wait("the reason in the log", lambda: b.said(mark, "has not ended scanout 4: not yet"))
    assert b.guest.ask(DISABLE, output=4, scanout=4, generation=41) == 0
    port.send(op="done", scanout=4)
    wait("the word that it is done", lambda: b.said(mark, "has ended scanout 4"))
    assert list(b.desktops()) == [6] and idle(6) == ("used", None)
    assert re.search(r'^helix_exportd_vm_idle_ends_total\{vm="vm"\} 1$', b.get("/metrics")[1].decode(), re.M)


def test_impossible_ring_index_is_survived(b):
    assert b.guest.enable(5, 1) == 0
    b.guest.write(BAR_SHM + REQ_HEAD, b.guest.head + 1000)
    b.guest.write(BAR_REGS + REG_DOORBELL, 1)
    assert 5 in b.desktops()
    assert b.exportd.poll() is None


def test_reset_of_the_machine_closes_all_desktops(b):
    qmp(b, "system_reset")
    wait("the desktops to go", lambda: not b.desktops())
    b.guest.head = b.guest.tail = 0
    b.guest.find_device()
    wait("the host bit", b.guest.host)
    assert b.guest.enable(2, 1, "after the reset") == 0
    assert list(b.desktops()) == [2]


def test_stopping_lets_go_what_viewers_hold(b):
    client, mark = Socket(b.port, "scanout=0"), b.mark()
    client.send({"type": "button", "button": 0, "down": True})
    b.expect_input(mark, ("mouse_press", 0))
    b.exportd.terminate()
    assert b.exportd.wait(PATIENCE) == 0
    b.exportd.stdout.close()
    b.expect_input(mark, ("mouse_press", 0), ("mouse_release", 0))
    b.start_exportd()
    wait("the host bit", b.guest.host)
    assert b.guest.enable(2, 1, "after the restart") == 0


def test_qemu_that_goes_takes_its_desktops_along(b):
    client = Socket(b.port, "scanout=2")
    b.qemu.kill()
    b.qemu.wait()
    while client.text().get("state") != "gone":
        pass
    wait("an empty list", lambda: json.loads(b.get("/api/desktops")[1]) == [])


def test_ends_cleanly_when_told_to(b):
    b.exportd.send_signal(signal.SIGTERM)
    assert b.exportd.wait(PATIENCE) == 0


def qmp(b, command):
    sock = socket.socket(socket.AF_UNIX)
    sock.settimeout(PATIENCE)
    sock.connect(f"{b.dir}/qmp.sock")
    lines = sock.makefile("rb")
    lines.readline()
    for name in ("qmp_capabilities", command):
        sock.sendall(json.dumps({"execute": name}).encode() + b"\n")
        while b'"return"' not in lines.readline():
            pass
    lines.close()
    sock.close()


def run_tests(tests, open_bench, after=lambda bench: None):
    """Every test with one bench, as TAP. after() checks what holds after each."""
    bench, status = None, 1

    def case(test):
        test(bench)
        after(bench)
    try:
        bench = open_bench()
        status = run([(words, functools.partial(case, test)) for words, test in tests])
    except (AssertionError, OSError) as error:
        print(f"Bail out! {error}")
    finally:
        if bench:
            bench.end(status)
    return status


def run_with_qemu(tests, make):
    """run_tests() with make(exportd, qemu), where HELIX_QEMU names a QEMU."""
    qemu = os.environ.get("HELIX_QEMU")
    if not qemu:
        print("1..0 # SKIP HELIX_QEMU is not set")
        return 0
    return run_tests(tests, lambda: make(sys.argv[1], os.path.join(qemu, "bin/qemu-system-x86_64")))


if __name__ == "__main__":
    # AV1 in software, for who says that it can: what a GPU would do
    sys.exit(run_with_qemu(tests_of(globals()), lambda exportd, qemu: Bench(exportd, qemu, ("--encoder", "libsvtav1,auto"))))
