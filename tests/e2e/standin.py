#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""A stand-in for helix-exportd: replays H.264, or AV1, made by ffmpeg, needs no VM.

For working on the page, and for the page's error paths which the real server
cannot be made to show. It is NOT helix-exportd: no capture, no live encoder, no
rate control; input, clipboard and touch only go into a list, and a request for
control waits for its answer for ever. What it says is the protocol of
Documentation/stream-protocol.rst; with plain=True, only what its first servers
said.

  standin.py --desktops 4 --port 8801      serve until interrupted
"""

import argparse
import asyncio
import concurrent.futures
import http
import json
import mimetypes
import os
import pathlib
import random
import secrets
import struct
import subprocess
import tempfile
import threading
import time
from urllib.parse import parse_qs, urlsplit

from websockets.asyncio.server import broadcast, serve
from websockets.datastructures import Headers
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response
from websockets.protocol import State

from patterns import BACKGROUNDS

WEB = pathlib.Path(__file__).resolve().parents[2] / "qemu-side" / "exportd" / "web"
CSP = "default-src 'self'; img-src 'self' blob:; object-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
LOOP_SECONDS = 2
THUMB = (480, 270)
THUMB_FPS = 10
INPUT = ("key", "move", "rel", "button", "wheel", "touch", "clipboard", "resize", "release")
ROLES = ("view", "control", "admin")
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


def make_av1(scanout, width, height, directory):
    """[(is_key, bytes)]: one desktop's background in AV1, as temporal units."""
    path = pathlib.Path(directory) / f"{scanout}-{width}x{height}.obu"
    subprocess.run(
        ["ffmpeg", "-v", "error", "-y", "-f", "lavfi", "-i",
         f"color=c=0x{BACKGROUNDS[scanout][1:]}:s={width}x{height}:r={THUMB_FPS}", "-t", "1", "-pix_fmt", "yuv420p",
         "-c:v", "libsvtav1", "-preset", "12", "-svtav1-params", "pred-struct=1:lp=1", "-f", "obu", str(path)],
        check=True, timeout=120, env={**os.environ, "SVT_LOG": "0"})
    return split_temporal_units(path.read_bytes())


def split_temporal_units(data):
    """[(is_key, bytes)] of an AV1 stream in the low-overhead format."""
    units, at = [], 0
    while at < len(data):
        start, kind, extended = at, data[at] >> 3 & 15, data[at] >> 2 & 1
        at += 1 + extended
        size = shift = 0
        while True:
            byte, at = data[at], at + 1
            size |= (byte & 0x7F) << shift
            shift += 7
            if not byte & 0x80:
                break
        at += size
        if kind == 2:               # a temporal delimiter
            units.append([False, b""])
        units[-1][0] |= kind == 1   # a sequence header
        units[-1][1] += data[start:at]
    return [tuple(unit) for unit in units]


def thumb_size(width, height):
    """The largest size within THUMB that has this shape, even on both sides."""
    scale = min(THUMB[0] / width, THUMB[1] / height, 1)
    return tuple(max(2, int(side * scale) // 2 * 2) for side in (width, height))


def percentiles(values):
    """{"p50": ms, ...} of microseconds, None of none."""
    if not values:
        return None
    ordered = sorted(values)
    return {f"p{p}": ordered[min(len(ordered) - 1, len(ordered) * p // 100)] / 1000 for p in (50, 95, 99)}


def told_time(message):
    """The answer to who asks for the time."""
    return json.dumps({"type": "time", "client": message["client"], "server": time.monotonic_ns() // 1000})


class Viewer:
    """One WebSocket that watches a desktop."""

    def __init__(self, socket, number, role, rung):
        self.socket, self.number, self.role, self.rung = socket, number, role, rung
        self.codecs = ["h264"]      # it can decode
        self.tile = False           # it shows the desktop as one of many
        self.restart = True         # the next frame is a key frame
        self.told = None            # the last config; None: it is to be told again
        self.captured = {}          # sequence number -> when, of the last frames

    async def say(self, **message):
        await self.socket.send(json.dumps(message))


class Desktop:
    """What the stand-in says of one scanout; the tests change its fields."""

    def __init__(self, scanout, units, thumb, width, height):
        self.scanout = scanout
        self.name = f"Desktop {scanout}"
        self.units = {"full": units, "thumb": thumb}
        self.width, self.height = width, height
        self.codec = "avc1.42C01F"
        self.av1 = None             # (codec, units) for those who can decode it
        self.state = "live"
        self.keeps_size = False     # it is told another, and its compositor does nothing
        self.takes = {"touch": False, "absolute": True, "clipboard": True, "resize": True}
        self.garbage = 0            # so many of the next access units are sent broken
        self.paused = False         # an idle desktop: nothing is sent
        self.busy = False           # nobody else is let in
        self.silent = False         # who comes is told nothing
        self.turned_away = 0        # so many were not let in, or told nothing
        self.frames = 0
        self.received = []          # the viewers' messages, but not what "time" and "watch" say
        self.viewers = []
        self.controller = None      # the number of a viewer
        self.cursor = None          # the binary message
        self.ends_in = None         # seconds until it ends, as nobody uses it
        self.kept = 0               # so often was said that it is to be kept
        self.latencies = []         # microseconds, as the viewers told

    @property
    def sockets(self):
        return {viewer.socket for viewer in self.viewers}

    def rungs(self):
        """What is being watched, for tests."""
        return sorted(viewer.rung for viewer in self.viewers)

    def tiles(self):
        """How many who are sent the full picture show it as one of many."""
        return sum(viewer.tile for viewer in self.viewers if viewer.rung == "full")


def allow_post():
    """Lets the WebSocket library take a POST without a body, as GET with "method=POST" in its query."""
    parse = Request.parse.__func__

    def parse_any(cls, read_line):
        def reading(most):
            line = yield from read_line(most)
            if line.startswith(b"POST "):
                method, path, protocol = line.split(b" ", 2)
                line = b"GET " + path + b"?method=POST " + protocol
            elif line.lower().startswith(b"content-length: 0"):
                line = b"x-" + line
            return line
        return parse(cls, reading)
    Request.parse = classmethod(parse_any)


allow_post()


class StandIn:
    """The server, in a thread of its own. Use as a context manager."""

    def __init__(self, desktops=4, port=0, width=1280, height=720, fps=30, plain=False):
        self.fps = fps
        self.port = port
        self.plain = plain          # a server before rungs, times, roles and tokens
        self.tokens = None          # {token: role}; a value that is no role is why it is refused
        self.once = {}              # {token for one use: the one that takes its place}
        self.tickets = {}           # ticket -> role, each opens one socket
        self.asked = 0              # tickets that were given
        self.refused = 0            # tokens that were not good
        self.times = 0              # so often was the time asked for where the list is
        self.role = "admin"         # of a viewer, where no token is needed
        self.numbers = 0
        self.desktops = {}
        self.hidden = {}            # desktops that are gone and may come back
        self.event_sockets = set()
        self.csp = CSP
        with tempfile.TemporaryDirectory() as directory, concurrent.futures.ThreadPoolExecutor(2) as pool:
            def make(scanout):
                full = make_stream(scanout, width, height, fps, directory)
                thumb = [] if plain else make_stream(scanout, *thumb_size(width, height), THUMB_FPS, directory)
                return scanout, full, thumb
            for scanout, full, thumb in pool.map(make, range(1, desktops + 1)):
                self.desktops[scanout] = Desktop(scanout, full, thumb, width, height)
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
                                      subprotocols=["helix.v1"], compression=None, max_size=140 << 10)
            self.port = self.server.sockets[0].getsockname()[1]
        self.call(start())

    def down(self):
        """The server goes, with all its connections, as a killed process would."""
        async def stop():
            self.server.close()
            for socket in self.server.connections | self.event_sockets | {s for d in self.desktops.values() for s in d.sockets}:
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
            self.tell()
        self.call(end())

    def back(self, scanout):
        async def begin():
            self.desktops[scanout] = self.hidden.pop(scanout)
            self.tell()
        self.call(begin())

    def end_in(self, scanout, seconds):
        """Nobody uses it: it ends in so many seconds; None: it does not."""
        async def change():
            self.desktops[scanout].ends_in = seconds
            self.tell()
        self.call(change())

    def drop_streams(self, scanout):
        async def drop():
            for socket in list(self.desktops[scanout].sockets):
                socket.transport.abort()
        self.call(drop())

    def say(self, scanout, binary=None, **message):
        """To all who watch this desktop."""
        async def tell():
            for viewer in list(self.desktops[scanout].viewers):
                await viewer.socket.send(binary if binary is not None else json.dumps(message))
        self.call(tell())

    def show_cursor(self, scanout, width, height, hot_x, hot_y, rgba):
        desktop = self.desktops[scanout]
        desktop.cursor = struct.pack("<BBHIHHhh", 2, 0, 0, 1, width, height, hot_x, hot_y) + rgba
        self.say(scanout, binary=desktop.cursor)

    def refuse_all(self, reason):
        """Every token stops being good for this reason, and who is connected is closed."""
        async def close():
            self.tokens = {token: reason for token in self.tokens}
            for socket in [*self.event_sockets, *(s for d in self.desktops.values() for s in d.sockets)]:
                await socket.close(4401, "token ended")
        self.call(close())

    # Serving

    def listed(self):
        return [{**({} if self.plain else {"id": f"vm:{d.scanout}", "vm": "vm", "controller": d.controller,
                                           "latency": percentiles(d.latencies),
                                           "idle": {"state": "used" if d.ends_in is None else "ending", "ends_in": d.ends_in}}),
                 "scanout": d.scanout, "name": d.name, "width": d.width, "height": d.height, "state": d.state,
                 "frames": d.frames, "bytes": 0, "fps": float(self.fps), "encoder": "stand-in",
                 "viewers": len(d.viewers)} for _, d in sorted(self.desktops.items())]

    def tell(self):
        # Never waits: a page that goes away must not hold up who tells it so.
        broadcast(self.event_sockets, json.dumps({"type": "desktops", "desktops": self.listed()}))

    def request(self, connection, request):
        url = urlsplit(request.path)
        if url.path == "/ws":
            return None if self.admit(connection) else connection.respond(http.HTTPStatus.UNAUTHORIZED, "no ticket\n")
        if url.path.startswith("/api/") and not self.plain:
            if self.tokens is not None:
                token = request.headers.get("Authorization", "").removeprefix("Bearer ")
                verdict = self.tokens.get(token, "signature" if token else "missing")
                if verdict not in ROLES:
                    self.refused += 1
                    status = 429 if verdict in ("failures", "connections", "tickets") else 401
                    return self.json({"error": {"code": verdict, "message": "not let in"}}, status)
            if url.path == "/api/ticket" and "method=POST" in url.query:
                self.asked += 1
                ticket = secrets.token_urlsafe(16)
                self.tickets[ticket] = self.tokens[token] if self.tokens is not None else self.role
                answer = {"ticket": ticket, "expires_in": 30}
                if self.tokens is not None and token in self.once:
                    answer["token"] = self.once[token]
                    self.tokens = {**self.tokens, answer["token"]: self.tokens[token], token: "used"}
                return self.json(answer)
            if url.path.endswith("/keep") and "method=POST" in url.query:
                desktop = self.desktops[int(url.path.split("/")[-2].removeprefix("vm:"))]
                desktop.kept, desktop.ends_in = desktop.kept + 1, None
                self.tell()
                return self.json({"status": "kept"})
            if url.path.endswith("/stats"):
                part = {"p50": 1.5, "p95": 2.5, "p99": 3.5}
                return self.json({"latency": {"capture": part, "encode": part, "send": part, "network": part}})
        if url.path == "/api/desktops":
            return self.json(self.listed())
        name = "index.html" if url.path == "/" else url.path[1:]
        file = WEB / name
        if "/" in name or not file.is_file():
            return connection.respond(http.HTTPStatus.NOT_FOUND, "no such file\n")
        return self.response(file.read_bytes(), mimetypes.guess_type(name)[0] or "application/octet-stream")

    def admit(self, connection):
        """Takes the ticket out of the subprotocols; says whether this socket may be opened."""
        offered = [p.strip() for p in connection.request.headers.get("Sec-WebSocket-Protocol", "").split(",")]
        tickets = [p.removeprefix("helix.ticket.") for p in offered if p.startswith("helix.ticket.")]
        role = self.tickets.pop(tickets[0], None) if tickets else self.role if self.tokens is None else None
        connection.helix_role = role
        return role is not None

    def json(self, value, status=200):
        return self.response(json.dumps(value).encode(), "application/json", status)

    def response(self, body, kind, status=200):
        return Response(status, http.HTTPStatus(status).phrase, Headers({
            "Content-Type": kind, "Content-Length": str(len(body)), "Content-Security-Policy": self.csp,
            "Cache-Control": "no-cache", "Connection": "close"}), body)

    def find(self, query):
        """The desktop that a socket asks for, or None."""
        scanout = query.get("scanout", query.get("desktop", ["0"]))[0].removeprefix("vm:")
        return self.desktops.get(int(scanout)) if scanout.isdigit() else None

    async def stream(self, socket):
        query = parse_qs(urlsplit(socket.request.path).query, keep_blank_values=True)
        try:
            if "events" in query:
                await self.events(socket)
                return
            desktop = self.find(query)
            if desktop is None:
                await socket.send(json.dumps({"type": "error", "code": "no-desktop", "message": "no such desktop"}))
                await socket.close(1000, "no such desktop")
                return
            if desktop.busy:
                desktop.turned_away += 1
                await socket.send(json.dumps({"type": "error", "code": "busy", "message": "too many viewers"}))
                await socket.close(1013, "busy")
                return
            if desktop.silent:
                desktop.turned_away += 1
                await socket.wait_closed()
                return
            self.numbers += 1
            rung = "full" if self.plain else query.get("rung", ["full"])[0]
            viewer = Viewer(socket, self.numbers, socket.helix_role, rung)
            viewer.tile = query.get("tile") == ["1"]
            viewer.codecs = query.get("codecs", ["h264"])[0].split(",")
            desktop.viewers.append(viewer)
            reader = asyncio.create_task(self.read(desktop, viewer))
            try:
                self.tell()
                await self.replay(desktop, viewer)
            finally:
                reader.cancel()
                desktop.viewers.remove(viewer)
                if desktop.controller == viewer.number:
                    self.give_seat(desktop, None)
                self.tell()
        except (ConnectionClosed, OSError):
            pass

    async def events(self, socket):
        self.event_sockets.add(socket)
        try:
            await socket.send(json.dumps({"type": "desktops", "desktops": self.listed()}))
            async for text in socket:
                message = json.loads(text)
                if message["type"] == "time" and not self.plain:
                    self.times += 1
                    await socket.send(told_time(message))
        finally:
            self.event_sockets.discard(socket)

    async def read(self, desktop, viewer):
        try:
            async for text in viewer.socket:
                await self.understand(desktop, viewer, json.loads(text))
        except ConnectionClosed:
            pass

    async def understand(self, desktop, viewer, message):
        kind = message["type"]
        if self.plain and kind not in ("key", "move", "button", "wheel", "release", "keyframe", "ack"):
            await viewer.say(type="error", code="bad-message", message=f"type {kind} is not known")
            desktop.received.append(message)
            return
        if kind == "time":
            await viewer.socket.send(told_time(message))
            return
        if kind == "watch":
            viewer.tile = message.get("tile", False)
            viewer.rung, viewer.restart, viewer.told = message["rung"], True, None
            return
        if not self.plain and kind in INPUT and not self.may_input(desktop, viewer, kind):
            return
        desktop.received.append(message)
        if kind == "keyframe":
            viewer.restart = True
        elif kind == "ack" and "painted" in message and message["seq"] in viewer.captured:
            desktop.latencies = [*desktop.latencies, message["painted"] - viewer.captured[message["seq"]]][-200:]
        elif kind == "control":
            await self.control(desktop, viewer, message)
        elif kind == "resize":
            await self.resize(desktop, viewer, message["width"], message["height"])

    # Control

    def may_input(self, desktop, viewer, kind):
        if desktop.controller is None and viewer.role != "view" and kind == "move":
            return True             # pointing is not yet using
        if desktop.controller is None and viewer.role != "view" and kind != "release":
            self.give_seat(desktop, viewer.number)
        if desktop.controller == viewer.number:
            return True
        if kind != "release":
            broadcast({viewer.socket}, json.dumps({"type": "error", "code": "not-controller",
                                                   "message": "another viewer has control"}))
        return False

    def give_seat(self, desktop, number):
        desktop.controller = number
        for viewer in desktop.viewers:
            self.tell_role(desktop, viewer)
        self.tell()

    def tell_role(self, desktop, viewer):
        broadcast({viewer.socket}, json.dumps({"type": "role", "role": viewer.role, "viewer": viewer.number,
                                               "controller": desktop.controller}))

    async def control(self, desktop, viewer, message):
        by_number = {v.number: v for v in desktop.viewers}
        action = message["action"]
        holder = by_number.get(desktop.controller)
        if action == "request" and holder and holder is not viewer:
            await holder.say(type="control", action="request", viewer=viewer.number)
        elif action == "request" or (action == "take" and viewer.role == "admin"):
            self.give_seat(desktop, viewer.number)
            await viewer.say(type="control", action="granted")
        elif action == "release" and holder is viewer:
            self.give_seat(desktop, None)
        elif action in ("grant", "deny") and holder is viewer and message.get("viewer") in by_number:
            asker = by_number[message["viewer"]]
            if action == "grant":
                self.give_seat(desktop, asker.number)
            await asker.say(type="control", action="granted" if action == "grant" else "denied")

    async def resize(self, desktop, viewer, width, height):
        """Really another stream: encoded anew, off the loop."""
        if desktop.keeps_size:
            await viewer.say(type="resized", width=width, height=height, status="ok")
            return
        width, height = width // 2 * 2, height // 2 * 2

        def encode():
            with tempfile.TemporaryDirectory() as directory:
                return {"full": make_stream(desktop.scanout, width, height, self.fps, directory),
                        "thumb": make_stream(desktop.scanout, *thumb_size(width, height), THUMB_FPS, directory)}
        desktop.units = await asyncio.to_thread(encode)
        desktop.width, desktop.height = width, height
        for other in desktop.viewers:
            other.restart = True
        await viewer.say(type="resized", width=width, height=height, status="ok")
        self.tell()

    # Pictures

    def config(self, desktop, viewer):
        rung = viewer.rung
        width, height = thumb_size(desktop.width, desktop.height) if rung == "thumb" else (desktop.width, desktop.height)
        config = {"type": "config", "scanout": desktop.scanout, "name": desktop.name, "codec": desktop.codec,
                  "width": width, "height": height, "encoder": "stand-in"}
        if desktop.av1 and "av1" in viewer.codecs:
            config["codec"] = desktop.av1[0]
        if not self.plain:
            config.update(rung=rung, desktop_width=desktop.width, desktop_height=desktop.height,
                          bitrate_kbit=2000, fps=THUMB_FPS if rung == "thumb" else self.fps, **desktop.takes)
        return config

    async def replay(self, desktop, viewer):
        await viewer.say(type="state", state=desktop.state, message="")
        if not self.plain:
            self.tell_role(desktop, viewer)
        if desktop.state == "waiting":
            while desktop.state == "waiting" and viewer.socket.state is State.OPEN:
                await asyncio.sleep(0.1)
            await viewer.say(type="state", state="live", message="")
        if desktop.cursor:
            await viewer.socket.send(desktop.cursor)
        seq = position = 0
        due = time.monotonic()
        # Who watches nothing is sent nothing, by which one would notice that it is gone.
        while viewer.socket.state is State.OPEN:
            rung = viewer.rung
            fps = THUMB_FPS if rung == "thumb" else self.fps
            if rung != "none" and not (desktop.paused and not viewer.restart):
                config = self.config(desktop, viewer)
                if viewer.restart or config != viewer.told:
                    viewer.restart, position = False, 0
                if config != viewer.told:
                    viewer.told = config
                    await viewer.say(**config)
                units = desktop.av1[1] if config["codec"].startswith("av01.") else desktop.units[rung]
                key, data = units[position % len(units)]
                if desktop.garbage:
                    desktop.garbage -= 1
                    data = GARBAGE
                captured = viewer.captured[seq] = time.monotonic_ns() // 1000
                viewer.captured.pop(seq - 64, None)
                header = struct.pack("<BBHIQII", 1, int(key), 0, seq, captured, config["width"], config["height"])
                await viewer.socket.send(header + data)
                seq += 1
                position += 1
                desktop.frames += 1
            due = max(due + 1 / fps, time.monotonic() - 1)
            await asyncio.sleep(max(0, due - time.monotonic()))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--desktops", type=int, default=4)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--size", default="1280x720")
    parser.add_argument("--fps", type=int, default=30)
    parser.add_argument("--plain", action="store_true", help="only what the first servers said")
    options = parser.parse_args()
    width, height = map(int, options.size.split("x"))
    with StandIn(options.desktops, options.port, width, height, options.fps, options.plain) as standin:
        print(f"listening {standin.url}", flush=True)
        try:
            threading.Event().wait()
        except KeyboardInterrupt:
            pass


if __name__ == "__main__":
    main()
