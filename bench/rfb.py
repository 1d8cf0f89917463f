# SPDX-License-Identifier: GPL-2.0-only
"""A viewer of QEMU's VNC server that looks at nothing: RFB 3.8 as RFC 6143 has it, far
enough to be sent what a viewer is sent. It asks for the next update as soon as it has one,
and counts. Rectangles are skipped, not decoded: their lengths are all that it reads.

No password and no encryption, over a Unix socket or loopback only.
"""
import socket
import struct
import threading
import time
from dataclasses import dataclass

RAW, COPYRECT, ZLIB, TIGHT, ZRLE = 0, 1, 6, 7, 16
CURSOR, DESKTOP_SIZE, LAST_RECT, EXTENDED_DESKTOP_SIZE = -239, -223, -224, -308
COMPRESS_LEVEL_2, QUALITY_LEVEL_6 = -254, -26
# As viewers ask: Tight at a low level of effort first.
LOSSLESS = (TIGHT, ZRLE, ZLIB, COPYRECT, RAW, COMPRESS_LEVEL_2, CURSOR, LAST_RECT, EXTENDED_DESKTOP_SIZE, DESKTOP_SIZE)
JPEG = (*LOSSLESS, QUALITY_LEVEL_6)     # where the server finds that it pays, and allows it
NAMES = {RAW: "raw", COPYRECT: "copyrect", ZLIB: "zlib", TIGHT: "tight", ZRLE: "zrle"}
TIGHT_UNCOMPRESSED = 12         # bytes: fewer are sent as they are
PATIENCE = 30                   # seconds without a byte that was asked for


class RfbError(Exception):
    """The server said no, or what no server says."""


@dataclass
class Counters:
    updates: int = 0            # messages with pixels in them
    rectangles: int = 0
    bytes: int = 0              # all that came, headers included

    def minus(self, before):
        return Counters(self.updates - before.updates, self.rectangles - before.rectangles, self.bytes - before.bytes)


class Client:
    def __init__(self, sock, encodings=LOSSLESS):
        self.sock = sock
        self.sock.settimeout(PATIENCE)
        self.counters = Counters()
        self.encodings_seen = {}
        self.width = self.height = 0
        self.buffer = memoryview(bytearray(1 << 16))
        self._handshake()
        self.sock.sendall(struct.pack("!Bxxx4B3H3B3x", 0, 32, 24, 0, 1, 255, 255, 255, 16, 8, 0) +     # 32 bits a pixel
                          struct.pack(f"!BxH{len(encodings)}i", 2, len(encodings), *encodings))

    def close(self):
        self.sock.close()

    # --- bytes ---

    def _read(self, count):
        data = bytearray()
        while len(data) < count:
            part = self.sock.recv(count - len(data))
            if not part:
                raise RfbError("the server hung up")
            data += part
        self.counters.bytes += count
        return bytes(data)

    def _skip(self, count):
        self.counters.bytes += count
        while count:
            part = self.sock.recv_into(self.buffer, min(count, len(self.buffer)))
            if not part:
                raise RfbError("the server hung up")
            count -= part

    def _unpack(self, layout):
        return struct.unpack(layout, self._read(struct.calcsize(layout)))

    # --- the beginning ---

    def _handshake(self):
        version = self._read(12)
        if version[:4] != b"RFB " or version < b"RFB 003.008\n":
            raise RfbError(f"not a server of RFB 3.8: {version!r}")
        self.sock.sendall(b"RFB 003.008\n")
        count = self._read(1)[0]
        if not count:
            raise RfbError(self._reason())
        if 1 not in self._read(count):
            raise RfbError("the server wants a password")
        self.sock.sendall(b"\1")
        if self._unpack("!I") != (0,):
            raise RfbError(self._reason())
        self.sock.sendall(b"\1")            # beside others
        self.width, self.height, length = self._unpack("!HH16xI")
        self._skip(length)

    def _reason(self):
        return self._read(self._unpack("!I")[0]).decode(errors="replace")

    # --- messages ---

    def ask(self, incremental=True):
        self.sock.sendall(struct.pack("!BBHHHH", 3, incremental, 0, 0, self.width, self.height))

    def resize(self, width, height):
        """The desktop should have this size: what enables an output that is off."""
        self.sock.sendall(struct.pack("!BxHHBx", 251, width, height, 1) + struct.pack("!IHHHHI", 0, 0, 0, width, height, 0))

    def receive(self):
        """One message; True if it was an update, with pixels or without."""
        kind = self._read(1)[0]
        if kind == 0:
            self._update()
        elif kind == 1:
            self._skip(6 * self._unpack("!xHH")[1])
        elif kind == 3:
            self._skip(self._unpack("!3xI")[0])
        elif kind != 2:
            raise RfbError(f"a message of type {kind}")
        return kind == 0

    def _update(self):
        rectangles, = self._unpack("!xH")
        pixels = 0
        while rectangles:
            rectangles -= 1
            _, _, width, height, encoding = self._unpack("!HHHHi")
            if encoding == LAST_RECT:
                break
            pixels += self._rectangle(width, height, encoding)
        self.counters.rectangles += pixels
        self.counters.updates += pixels > 0

    def _rectangle(self, width, height, encoding):
        """Whether it had pixels of the desktop."""
        if encoding == RAW:
            self._skip(width * height * 4)
        elif encoding == COPYRECT:
            self._skip(4)
        elif encoding in (ZLIB, ZRLE):
            self._skip(self._unpack("!I")[0])
        elif encoding == TIGHT:
            self._tight(width, height)
        elif encoding == CURSOR:
            self._skip(width * height * 4 + (width + 7) // 8 * height)
        elif encoding == EXTENDED_DESKTOP_SIZE:
            self.width, self.height = width, height
            self._skip(self._unpack("!B3x")[0] * 16)
        elif encoding == DESKTOP_SIZE:
            self.width, self.height = width, height
        else:
            raise RfbError(f"a rectangle of encoding {encoding}, which was not asked for")
        if encoding not in NAMES:
            return False
        self.encodings_seen[NAMES[encoding]] = self.encodings_seen.get(NAMES[encoding], 0) + 1
        return True

    def _tight(self, width, height):
        control = self._read(1)[0] >> 4
        if control == 8:                    # one colour
            self._skip(3)
        elif control == 9:                  # JPEG
            self._skip(self._compact())
        elif control > 9:
            raise RfbError(f"Tight compression {control}")
        else:
            self._skip_tight_stream(self._tight_size(control, width, height))

    def _tight_size(self, control, width, height):
        """Bytes of the rectangle before compression."""
        which = self._read(1)[0] if control & 4 else 0
        if which == 1:                      # a palette
            colours = self._read(1)[0] + 1
            self._skip(colours * 3)
            return (width + 7) // 8 * height if colours == 2 else width * height
        if which not in (0, 2):
            raise RfbError(f"Tight filter {which}")
        return width * height * 3

    def _skip_tight_stream(self, size):
        self._skip(size if size < TIGHT_UNCOMPRESSED else self._compact())

    def _compact(self):
        value = 0
        for shift in (0, 7, 14):
            byte = self._read(1)[0]
            value |= (byte & (0x7F if shift < 14 else 0xFF)) << shift
            if shift == 14 or not byte & 0x80:
                return value


def connect(path, seconds=PATIENCE, encodings=LOSSLESS):
    """A Client of the server at this Unix socket."""
    deadline = time.monotonic() + seconds
    while True:
        sock = socket.socket(socket.AF_UNIX)
        try:
            sock.connect(str(path))
            return Client(sock, encodings)
        except OSError:
            sock.close()
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)


class Watcher:
    """A client and the thread that watches with it. Use as a context manager."""

    def __init__(self, client):
        self.client = client
        self.error = None
        self.first = threading.Event()      # a whole picture has come, or never will
        self.closing = False
        self.thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.closing = True
        try:
            self.client.sock.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass                            # the server hung up first
        self.thread.join(PATIENCE)
        self.client.close()

    def _watch(self):
        try:
            self.client.ask(incremental=False)
            # Nothing comes from a desktop that stands still.
            self.client.sock.settimeout(None)
            while True:
                if self.client.receive():
                    self.client.ask()
                if self.client.counters.updates:
                    self.first.set()
        except (RfbError, OSError) as error:
            self.error = None if self.closing else error
        finally:
            self.first.set()

    def counters(self):
        """What came so far; a failure of the thread is told here."""
        if self.error:
            raise RfbError(str(self.error))
        now = self.client.counters
        return Counters(now.updates, now.rectangles, now.bytes)
