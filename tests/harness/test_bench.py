# SPDX-License-Identifier: GPL-2.0-only
"""What `make bench` measures with: its VNC viewer against a small server, its clocks, its plots.

The server here is a stand-in, of known messages; QEMU's own is in the measurement.
"""
import os
import re
import shutil
import socket
import struct
import sys
import tempfile
import threading
import time
from pathlib import Path

sys.dont_write_bytecode = True
TOP = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(TOP / part) for part in ("bench", "tests/e2e", "tests/gpu", "scripts")]
import plot  # noqa: E402
import rfb  # noqa: E402
import sizing  # noqa: E402
import streams  # noqa: E402
from PIL import Image  # noqa: E402
from report import Skip, check, run  # noqa: E402

WIDTH, HEIGHT = 64, 48
HELLO = b"RFB 003.008\n" + b"\1\1" + bytes(4) + struct.pack("!HH16xI", WIDTH, HEIGHT, 4) + b"test"


def rectangle(encoding, data=b"", width=WIDTH, height=HEIGHT):
    return struct.pack("!HHHHi", 0, 0, width, height, encoding) + data


def update(*rectangles, count=None):
    return struct.pack("!BxH", 0, len(rectangles) if count is None else count) + b"".join(rectangles)


def counted(data):
    """What a client has counted of these messages, all of which it must have read to their last byte."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.sendall(HELLO)
        client = rfb.Client(ours)
        before = rfb.Counters(**vars(client.counters))
        theirs.sendall(data + b"\2")            # a bell ends it
        kinds = []
        while client.counters.bytes - before.bytes < len(data):
            kinds.append(client.receive())
        check(client.counters.bytes - before.bytes == len(data), "it read into the next message")
        check(client.receive() is False and client.counters.bytes - before.bytes == len(data) + 1, "the bell was not next")
        return client, client.counters.minus(before), kinds


def begins_as_a_viewer_does():
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.sendall(HELLO)
        client = rfb.Client(ours)
        client.resize(1280, 720)
        client.ask()
        theirs.settimeout(20)
        said = b""
        while len(said) < 12 + 1 + 1 + 20 + 4 + 4 * len(rfb.LOSSLESS) + 24 + 10:
            said += theirs.recv(4096)
    check(said[:14] == b"RFB 003.008\n\1\1", f"it began with {said[:14]!r}")
    check(said[-34:-10] == struct.pack("!BBHHBB", 251, 0, 1280, 720, 1, 0) + struct.pack("!IHHHHI", 0, 0, 0, 1280, 720, 0),
          f"it resized by {said[-34:-10]!r}")
    check(said[-10:] == struct.pack("!BBHHHH", 3, 1, 0, 0, WIDTH, HEIGHT), f"it asked {said[-10:]!r}")


def every_encoding_ends_where_it_ends():
    sizes = {b"\x0a": 10, b"\xac\x02": 300, b"\x80\x80\x02": 32768}
    tight = [rectangle(rfb.TIGHT, b"\x80" + b"rgb"),                                        # one colour
             rectangle(rfb.TIGHT, b"\x40\x01\x01" + b"rgbrgb" + b"12345678", 16, 4),        # two colours, too little to compress
             rectangle(rfb.TIGHT, b"\x40\x01\x02" + b"rgb" * 3 + b"\x05" + b"z" * 5),       # three
             rectangle(rfb.TIGHT, b"\x90\x04" + b"jpeg"),
             rectangle(rfb.TIGHT, b"\x00" + b"rgb" * 3, 3, 1)]                              # as they are
    tight += [rectangle(rfb.TIGHT, b"\x00" + length + b"z" * size) for length, size in sizes.items()]
    others = [rectangle(rfb.RAW, bytes(WIDTH * HEIGHT * 4)), rectangle(rfb.COPYRECT, bytes(4)),
              rectangle(rfb.ZRLE, struct.pack("!I", 7) + b"z" * 7), rectangle(rfb.ZLIB, struct.pack("!I", 3) + b"zzz")]
    client, count, _ = counted(update(*tight, *others))
    check((count.updates, count.rectangles) == (1, len(tight) + len(others)), f"counted {count}")
    check(client.encodings_seen == {"tight": len(tight), "raw": 1, "copyrect": 1, "zrle": 1, "zlib": 1}, f"{client.encodings_seen}")


def an_update_without_pixels_is_none():
    resized = rectangle(rfb.EXTENDED_DESKTOP_SIZE, b"\1\0\0\0" + bytes(16), 80, 60)
    client, count, kinds = counted(
        update(resized) + update(rectangle(rfb.CURSOR, bytes(8 * 2 * 4 + 2), 8, 2)) + b"\3\0\0\0" + struct.pack("!I", 5) + b"paste" +
        update(rectangle(rfb.RAW, bytes(4), 1, 1), rectangle(rfb.LAST_RECT), count=65535))
    check((count.updates, count.rectangles) == (1, 1), f"counted {count}")
    check(kinds == [True, True, False, True], f"updates: {kinds}")
    check((client.width, client.height) == (80, 60), f"the desktop is {client.width}x{client.height}")


def what_it_cannot_read_is_an_error():
    refused = {
        b"RFB 003.003\n": "not a server", b"HTTP/1.1 400": "not a server",
        b"RFB 003.008\n\0" + struct.pack("!I", 4) + b"busy": "busy", b"RFB 003.008\n\1\2": "password",
        HELLO + update(rectangle(99)): "encoding 99", HELLO + b"\x2a": "type 42", HELLO[:20]: "hung up"}
    for said, why in refused.items():
        ours, theirs = socket.socketpair()
        with ours, theirs:
            theirs.sendall(said)
            theirs.shutdown(socket.SHUT_WR)
            try:
                rfb.Client(ours).receive()
                check(False, f"{said[:20]!r} was taken")
            except rfb.RfbError as error:
                check(why in str(error), f"{said[:20]!r}: {error}")


def watches_from_a_thread_and_asks_again():
    ours, theirs = socket.socketpair()
    asked = []

    def serve():
        theirs.sendall(HELLO)
        reader = theirs.makefile("rb")
        reader.read(12 + 1 + 1 + 20 + 4 + 4 * len(rfb.LOSSLESS))
        for _ in range(3):
            asked.append(reader.read(10)[1])
            theirs.sendall(update(rectangle(rfb.RAW, bytes(4), 1, 1)))
        asked.append(reader.read(10)[1])
    with theirs:
        theirs.settimeout(60)
        server = threading.Thread(target=serve)
        server.start()
        with rfb.Watcher(rfb.Client(ours)) as watcher:
            check(watcher.first.wait(60), "no picture")
            server.join(60)
            check(watcher.counters().updates == 3, f"{watcher.counters()}")
    check(asked == [0, 1, 1, 1], f"incremental were {asked}")


def the_clock_of_a_process_is_its_own():
    before = time.process_time()
    seen = streams.process_seconds(os.getpid())
    after = time.process_time()
    check(before <= seen <= after, f"{before} {seen} {after}")
    mine = streams.task_seconds(os.getpid(), threading.get_native_id())
    if not Path("/proc/self/schedstat").exists():
        raise Skip("this kernel has no schedstat")
    check(0 < mine <= time.process_time(), f"{mine}")


def sample():
    """Rows as streams.py makes them, of every figure that is drawn."""
    rows = []
    for scene in streams.SCENES:
        for n in streams.COUNTS:
            of = {"scene": scene, "desktops": n}
            rows.append(streams.row(f"fps_total_{scene}_{n}", 20 + n, "1/s", 1, 30 * n, figure="fps", **of))
            rows.append(streams.row("kbit", 800 * n, "kbit/s", 0, figure="kbit", **of))
            rows += [streams.row("cost", 2.5, "ms of CPU", 2, figure="cost", who=who, **of) for who in ("exportd", "qemu")]
            rows += [streams.row("cpu", 3 * n, "%", figure="cpu", who=who, **of) for who in ("exportd", "qemu", "guest")]
            rows += [streams.row("latency", 7, "ms", figure="latency", part=part, quantile=quantile, **of)
                     for part in streams.PARTS for quantile in streams.QUANTILES]
        rows += [streams.row("vnc", 4, "", 1, 8, figure="vnc", scene=scene, desktops=4, what=what, codec=codec)
                 for what in plot.VNC for codec in streams.VNC_ENCODINGS]
    for state in ("unwatched", "watched"):
        of = {"figure": "idle", "state": state, "desktops": streams.MOST}
        rows.append(streams.row("idle", 0.5, "%", who="exportd", **of))
        rows += [streams.row("idle", 1.5, "%", 1, 1.2, who=who, **of) for who in ("qemu", "guest")]
    for found in rows:
        found["machine"] = 'a "machine" of {2} CPUs_'
    return rows


def a_figure_has_its_ratio():
    with_base, of_nothing = streams.row("a", 3.14159, "ms", 2, 2, desktops=4), streams.row("b", 1, "ms", 1, 0)
    check((with_base["value"], with_base["baseline"], with_base["ratio"]) == (3.14, 2, 1.571), f"{with_base}")
    check(of_nothing["ratio"] is None and "baseline" not in streams.row("c", 1, "ms"), f"{of_nothing}")


def everything_that_is_measured_is_drawn():
    if not shutil.which("gnuplot"):
        raise Skip("there is no gnuplot")
    with tempfile.TemporaryDirectory() as folder:
        drawn = {path.name: path for path in plot.plot(sample(), folder)}
        wanted = {f"{name}.{suffix}" for suffix in ("png", "svg") for name in (
            "fps-typing", "fps-scrolling", "cpu-typing", "cpu-scrolling", "latency", "idle",
            "vnc-fps", "vnc-ms-per-frame", "vnc-kbyte-per-frame")}
        check(set(drawn) == wanted, f"drawn were {sorted(drawn)}")
        for name, path in drawn.items():
            if name.endswith(".png"):
                with Image.open(path) as picture:
                    picture.load()
                    check(len(picture.convert("RGB").getcolors(1 << 20)) > 2, f"{name} is blank")
        texts = re.findall(r">([^<>]+)<", drawn["latency.svg"].read_text())
        for legend in (*plot.PARTS, "flush to paint, p99", "15 moving"):
            check(any(legend in text for text in texts), f"{legend} is not in latency.svg: {texts}")


def the_tables_have_every_figure():
    rows = sample()
    for make, lines in ((sizing.idle, 3), (sizing.costs, 2 * len(streams.COUNTS)), (sizing.latencies, len(streams.COUNTS)), (sizing.vnc, 6)):
        text = make(rows)
        cells = [line.split() for line in text.splitlines() if line and not line.startswith("=")][1:]
        check(len(cells) == lines, f"{lines} lines are needed: {text}")
        missing = sum(line.count("-") for line in cells)
        check(missing == (make is sizing.idle), f"figures are missing: {text}")
        make([])        # of nothing: nothing, and no failure
    check("13" in sizing.costs(rows) and "6.7" in sizing.costs(rows), f"of 2.5 ms for a frame: {sizing.costs(rows)}")


def what_was_not_measured_is_not_drawn():
    rows = [row for row in sample() if row["of"]["figure"] == "idle"]
    check([chart.name for chart in plot.charts(rows) if chart.columns] == ["idle"], "drawn without figures")
    check(not any(chart.columns for chart in plot.charts([])), "drawn from nothing")


if __name__ == "__main__":
    sys.exit(run([(case.__name__.replace("_", " "), case) for case in (
        begins_as_a_viewer_does, every_encoding_ends_where_it_ends, an_update_without_pixels_is_none,
        what_it_cannot_read_is_an_error, watches_from_a_thread_and_asks_again, the_clock_of_a_process_is_its_own,
        a_figure_has_its_ratio, the_tables_have_every_figure, everything_that_is_measured_is_drawn, what_was_not_measured_is_not_drawn)]))
