#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""A stand-in for helix-exportd: replays H.264 made by ffmpeg, needs no VM.

For working on the page, and for the page's error paths which the real server
cannot be made to show. It is NOT helix-exportd: no capture, no encoder, no rate
control, and its input only goes into a list. What it says is the protocol of
Documentation/stream-protocol.rst.

  standin.py --desktops 4 --port 8801      serve until interrupted
"""

import argparse
import asyncio
import concurrent.futures
import http
import json
import mimetypes
import pathlib
import random
import struct
import subprocess
import tempfile
import threading
import time
from urllib.parse import parse_qs, urlsplit

from websockets.asyncio.server import serve
from websockets.datastructures import Headers
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Response

from patterns import BACKGROUNDS

WEB = pathlib.Path(__file__).resolve().parents[2] / "qemu-side" / "exportd" / "web"
CSP = "default-src 'self'; object-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
LOOP_SECONDS = 2
# A slice whose header says nothing sensible: ffmpeg conceals much, but not this.
GARBAGE = b"\0\0\0\1\x41" + random.Random(1).randbytes(400)


def make_stream(scanout, width, height, fps, directory):
    """Encodes a short loop of one desktop's background with something that moves."""
    path = pathlib.Path(directory) / f"{scanout}-{width}x{height}.h264"
    colour = "0x" + BACKGROUNDS[scanout][1:]
    graph = (f"color=c={colour}:s={width}x{height}:r={fps}[bg];"
             f"testsrc2=s={width // 4 // 2 * 2}x{height // 4 // 2 * 2}:r={fps}[box];"
             f"[bg][box]overlay=x='20+(W-w-40)*(0.5+0.5*sin(2*PI*t/{LOOP_SECONDS}))':y=H/2,format=yuv420p")
    subprocess.run(
        ["ffmpeg", "-v", "error", "-y", "-filter_complex", graph, "-t", str(LOOP_SECONDS), "-an",
         "-c:v", "libx264", "-preset", "ultrafast", "-tune", "zerolatency", "-profile:v", "baseline",
         "-threads", "1", "-x264-params", f"keyint={fps}:scenecut=0:aud=1:repeat-headers=1:bframes=0",
         "-f", "h264", str(path)],
        check=True, timeout=120)
    return split_access_units(path.read_bytes())


def split_access_units(data):
    """[(is_key, bytes)] of an Annex B stream with access unit delimiters."""
    starts = []
    at = data.find(b"\0\0\1")
    nals = []
    while at >= 0:
        nals.append((at - 1 if at and data[at - 1] == 0 else at, data[at + 3] & 31))
        at = data.find(b"\0\0\1", at + 3)
    for offset, kind in nals:
        if kind == 9:
            starts.append([offset, False])
        elif kind == 5:
            starts[-1][1] = True
    ends = [start for start, _ in starts[1:]] + [len(data)]
    return [(key, data[start:end]) for (start, key), end in zip(starts, ends)]


class Desktop:
    """What the stand-in says of one scanout; the tests change its fields."""

    def __init__(self, scanout, units, width, height):
        self.scanout = scanout
        self.name = f"Desktop {scanout}"
        self.units = units
        self.width, self.height = width, height
        self.codec = "avc1.42C01F"
        self.state = "live"
        self.garbage = 0            # so many of the next access units are sent broken
        self.paused = False         # an idle desktop: nothing is sent
        self.frames = 0
        self.received = []          # the viewers' messages
        self.sockets = set()


class StandIn:
    """The server, in a thread of its own. Use as a context manager."""

    def __init__(self, desktops=4, port=0, width=1280, height=720, fps=30):
        self.fps = fps
        self.port = port
        self.desktops = {}
        self.hidden = {}            # desktops that are gone and may come back
        self.event_sockets = set()
        self.csp = CSP
        with tempfile.TemporaryDirectory() as directory, concurrent.futures.ThreadPoolExecutor(2) as pool:
            made = pool.map(lambda n: (n, make_stream(n, width, height, fps, directory)), range(1, desktops + 1))
            for scanout, units in made:
                self.desktops[scanout] = Desktop(scanout, units, width, height)
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self.thread.start()
        self.server = None
        self.up()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}/"

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.down()
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join(10)

    def call(self, coroutine):
        return asyncio.run_coroutine_threadsafe(coroutine, self.loop).result(30)

    # What a test can make happen

    def up(self):
        async def start():
            self.server = await serve(self.stream, "127.0.0.1", self.port, process_request=self.request,
                                      subprotocols=["helix.v1"], compression=None, max_size=4096)
            self.port = self.server.sockets[0].getsockname()[1]
        self.call(start())

    def down(self):
        """The server goes, with all its connections, as a killed process would."""
        async def stop():
            self.server.close()
            for socket in [*self.event_sockets, *(s for d in self.desktops.values() for s in d.sockets)]:
                socket.transport.abort()
            await self.server.wait_closed()
        if self.server:
            self.call(stop())
        self.server = None

    def gone(self, scanout):
        async def end():
            desktop = self.hidden[scanout] = self.desktops.pop(scanout)
            for socket in list(desktop.sockets):
                await socket.send(json.dumps({"type": "state", "state": "gone", "message": "output disabled"}))
                await socket.close(1000)
            await self.tell()
        self.call(end())

    def back(self, scanout):
        async def begin():
            self.desktops[scanout] = self.hidden.pop(scanout)
            await self.tell()
        self.call(begin())

    def drop_streams(self, scanout):
        async def drop():
            for socket in list(self.desktops[scanout].sockets):
                socket.transport.abort()
        self.call(drop())

    # Serving

    def listed(self):
        return [{"scanout": d.scanout, "name": d.name, "width": d.width, "height": d.height, "state": d.state,
                 "frames": d.frames, "bytes": 0, "fps": float(self.fps), "encoder": "stand-in",
                 "viewers": len(d.sockets)} for _, d in sorted(self.desktops.items())]

    async def tell(self):
        text = json.dumps({"type": "desktops", "desktops": self.listed()})
        for socket in list(self.event_sockets):
            await socket.send(text)

    def request(self, connection, request):
        path = urlsplit(request.path).path
        if path == "/ws":
            return None
        if path == "/api/desktops":
            return self.response(json.dumps(self.listed()).encode(), "application/json")
        name = "index.html" if path == "/" else path[1:]
        file = WEB / name
        if "/" in name or not file.is_file():
            return connection.respond(http.HTTPStatus.NOT_FOUND, "no such file\n")
        return self.response(file.read_bytes(), mimetypes.guess_type(name)[0] or "application/octet-stream")

    def response(self, body, kind):
        return Response(200, "OK", Headers({"Content-Type": kind, "Content-Length": str(len(body)),
                                            "Content-Security-Policy": self.csp, "Connection": "close"}), body)

    async def stream(self, socket):
        query = parse_qs(urlsplit(socket.request.path).query, keep_blank_values=True)
        try:
            if "events" in query:
                await self.events(socket)
                return
            desktop = self.desktops.get(int(query.get("scanout", ["0"])[0]))
            if desktop is None:
                await socket.close(1008, "no such scanout")
                return
            desktop.sockets.add(socket)
            reader = asyncio.create_task(self.read(desktop, socket))
            try:
                await self.replay(desktop, socket)
            finally:
                reader.cancel()
                desktop.sockets.discard(socket)
        except (ConnectionClosed, OSError):
            pass

    async def events(self, socket):
        self.event_sockets.add(socket)
        try:
            await socket.send(json.dumps({"type": "desktops", "desktops": self.listed()}))
            async for _ in socket:
                pass
        finally:
            self.event_sockets.discard(socket)

    async def read(self, desktop, socket):
        try:
            async for text in socket:
                desktop.received.append(json.loads(text))
        except ConnectionClosed:
            pass

    def config(self, desktop):
        return json.dumps({"type": "config", "scanout": desktop.scanout, "name": desktop.name,
                           "codec": desktop.codec, "width": desktop.width, "height": desktop.height,
                           "encoder": "stand-in"})

    async def replay(self, desktop, socket):
        while desktop.state == "waiting":
            await asyncio.sleep(0.1)
        codec = desktop.codec
        await socket.send(self.config(desktop))
        await socket.send(json.dumps({"type": "state", "state": "live", "message": ""}))
        seq = position = 0
        due = time.monotonic()
        asked = sum(m.get("type") == "keyframe" for m in desktop.received)
        while True:
            if desktop.codec != codec:
                codec = desktop.codec
                position = 0
                await socket.send(self.config(desktop))
            now_asked = sum(m.get("type") == "keyframe" for m in desktop.received)
            if now_asked > asked:
                asked, position = now_asked, 0
            if not (desktop.paused and seq):
                key, data = desktop.units[position % len(desktop.units)]
                if desktop.garbage:
                    desktop.garbage -= 1
                    data = GARBAGE
                header = struct.pack("<BBHIQII", 1, int(key), 0, seq, time.monotonic_ns() // 1000,
                                     desktop.width, desktop.height)
                await socket.send(header + data)
                seq += 1
                position += 1
                desktop.frames += 1
            due += 1 / self.fps
            await asyncio.sleep(max(0, due - time.monotonic()))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--desktops", type=int, default=4)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--size", default="1280x720")
    parser.add_argument("--fps", type=int, default=30)
    options = parser.parse_args()
    width, height = map(int, options.size.split("x"))
    with StandIn(options.desktops, options.port, width, height, options.fps) as standin:
        print(f"listening {standin.url}", flush=True)
        try:
            threading.Event().wait()
        except KeyboardInterrupt:
            pass


if __name__ == "__main__":
    main()
