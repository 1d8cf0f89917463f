#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""End to end: the page in headless Chromium or Firefox against real desktops in the VM.

Expects helix-exportd at --url with --desktops desktops on scanouts 1..N, each
with the background of patterns.py, something that moves and a terminal which
has the keyboard. Prints TAP; leaves screenshots in --output.

  test_desktops.py --url http://127.0.0.1:8800/ [--browser firefox] [--desktops 4] [--output build/e2e]
"""

import argparse
import itertools
import json
import pathlib
import socket
import sys
import threading
import time
from urllib.parse import urlsplit
from urllib.request import urlopen

import websocket

from browser import Browser
from firefox import Firefox
from link import Link
from patterns import BACKGROUNDS, distance, rgb
from report import Skip, check, run, wait_for

# Everything here is emulated on a few cores: deadlines are for a hang, not for speed.
LIVE_S = 240
REACTION_S = 240
LINK_S = 8                          # of watching beside a slow link, and without
STUCK_S = 12                        # not reading for so long; the server hangs up on a dead peer after 20
TOLERANCE = 16                      # of a channel, for what H.264 does to a flat colour
OWN_SHARE = 0.12                    # of the points must be of the desktop's own background
PAINT = {                           # what a terminal shows for these: (command's colour, seen as)
    "red": (41, (170, 0, 0)),
    "green": (42, (0, 170, 0)),
    "blue": (44, (0, 0, 170)),
}

SHIFTED = {'"': "Quote", "%": "Digit5", "{": "BracketLeft", "}": "BracketRight", "|": "Backslash", ":": "Semicolon", "_": "Minus"}
PLAIN = {" ": "Space", "\n": "Enter", "'": "Quote", "[": "BracketLeft", "]": "BracketRight", "\\": "Backslash",
         ";": "Semicolon", "-": "Minus", "/": "Slash", ".": "Period"}


def key_code(character):
    """(code, shift) of a character on a US keyboard."""
    if character.isalpha():
        return f"Key{character.upper()}", character.isupper()
    if character.isdigit():
        return f"Digit{character}", False
    if character in SHIFTED:
        return SHIFTED[character], True
    return PLAIN[character], False


class Stuck:
    """A WebSocket viewer that joins a desktop and then does not read."""

    def __init__(self, url, scanout):
        parts = urlsplit(url)
        # A small window, so that what is not read stays with the server.
        self.socket = websocket.create_connection(
            f"ws://{parts.netloc}/ws?scanout={scanout}", subprotocols=["helix.v1"], origin=f"http://{parts.netloc}",
            sockopt=((socket.SOL_SOCKET, socket.SO_RCVBUF, 4096),), timeout=20)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.shutdown()

    def ask(self):
        """A key frame is large: the server's buffers fill soon even on a calm desktop."""
        self.socket.send(json.dumps({"type": "keyframe"}))

    def read(self, seconds):
        """[(sequence number, is key)] of the frames which it gets when it reads at last."""
        frames = []
        deadline = time.monotonic() + seconds
        self.socket.settimeout(2)
        while time.monotonic() < deadline:
            try:
                message = self.socket.recv()
            except websocket.WebSocketTimeoutException:
                break
            if isinstance(message, bytes) and message[0] == 1:
                frames.append((int.from_bytes(message[4:8], "little"), bool(message[1] & 1)))
        return frames


class Behind:
    """A viewer at the far end of a slow link, that acknowledges what it gets."""

    def __init__(self, port, scanout):
        self.socket = websocket.create_connection(f"ws://127.0.0.1:{port}/ws?scanout={scanout}",
                                                  subprotocols=["helix.v1"], timeout=20)
        self.frames = []            # (sequence number, is key)
        self.thread = threading.Thread(target=self._read, daemon=True)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.socket.shutdown()
        self.thread.join(20)

    def _read(self):
        while True:
            try:
                message = self.socket.recv()
                if isinstance(message, bytes) and message[:1] == b"\1":
                    seq = int.from_bytes(message[4:8], "little")
                    self.frames.append((seq, bool(message[1] & 1)))
                    self.socket.send(json.dumps({"type": "ack", "seq": seq}))
            except (OSError, websocket.WebSocketException):
                return              # the test hung up, or the case sees that nothing comes any more


class DesktopsTest:
    def __init__(self, browser, url, scanouts, output):
        self.browser = browser
        self.url = url
        self.scanouts = scanouts
        self.output = output

    # Helpers

    def others(self, scanout):
        return [n for n in self.scanouts if n != scanout]

    def share(self, scanout, colour, tolerance):
        """The part of the picture that has this colour."""
        points = self.browser.points(scanout)
        return sum(distance(p, colour) <= tolerance for p in points) / max(1, len(points))

    def painted_share(self, scanout, name):
        """The part of the picture that is as strongly red, or green, as a terminal paints it."""
        strong = PAINT[name][1].index(170)
        points = self.browser.points(scanout)
        hits = sum(p[strong] >= 130 and all(p[i] <= 50 for i in range(3) if i != strong) for p in points)
        return hits / max(1, len(points))

    def open_full(self, scanout):
        self.browser.js("location.hash = `#scanout=${arguments[0]}`", scanout)
        wait_for(lambda: self.browser.js("return window.helix.view") == scanout, REACTION_S,
                 f"the full view of scanout {scanout} did not open")
        self.browser.js("document.querySelector('#stage').focus()")
        self.browser.wait_states(self.scanouts, seconds=LIVE_S)

    def back(self):
        self.browser.js("location.hash = ''")
        wait_for(lambda: self.browser.js("return window.helix.view") == "grid", REACTION_S, "not back in the grid")
        self.browser.wait_states(self.scanouts, seconds=LIVE_S)

    def stroke(self, code, down, shift=False):
        self.browser.driver.execute_cdp_cmd("Input.dispatchKeyEvent", {
            "type": "rawKeyDown" if down else "keyUp", "code": code, "key": code, "modifiers": 8 if shift else 0})

    def type(self, text):
        """Real key events in the browser, with Shift where a US keyboard needs it."""
        for character in text:
            code, shift = key_code(character)
            if shift:
                self.stroke("ShiftLeft", True, True)
            self.stroke(code, True, shift)
            self.stroke(code, False, shift)
            if shift:
                self.stroke("ShiftLeft", False)
            time.sleep(0.03)        # as fast as a person types

    def click_dark(self, scanout):
        """Click into the terminal: the largest thing on a desktop that is black."""
        columns, rows = 40, 24
        points = self.browser.points(scanout, columns, rows)
        dark = [i for i, p in enumerate(points) if max(p) < 24]
        if not dark:
            return
        facts = self.browser.desktops()[scanout]
        # Well inside: a dark point whose neighbours are dark too, else any.
        inside = [i for i in dark if {i - 1, i + 1, i - columns, i + columns} <= set(dark)] or dark
        at = inside[len(inside) // 2]
        self.browser.click(*self.browser.on_desktop(
            scanout, (at % columns + 0.5) * facts["width"] / columns, (at // columns + 0.5) * facts["height"] / rows))

    def wait_painting(self, scanouts, seconds=REACTION_S, frames=3):
        """Until each of these was painted so many times more."""
        before = self.browser.painted()

        def missing():
            now = self.browser.painted()
            return [n for n in scanouts if now[n] < before[n] + frames]
        wait_for(lambda: not missing(), seconds,
                 lambda: f"no {frames} new frames from scanouts {missing()}: {self.browser.desktops()}")

    def stable_points(self, scanout, samples=6):
        """{index: colour} of the points that do not move while nobody does anything."""
        first = self.browser.points(scanout)
        moving = set()
        for _ in range(samples):
            self.wait_painting([scanout], frames=2)
            moving |= {i for i, p in enumerate(self.browser.points(scanout)) if distance(p, first[i]) > 24}
        return {i: p for i, p in enumerate(first) if i not in moving}

    def changed_share(self, scanout, stable):
        now = self.browser.points(scanout)
        return sum(distance(now[i], p) > 40 for i, p in stable.items()) / max(1, len(stable))

    # Cases, in the order of a visit

    def the_page_lists_the_desktops_and_all_become_live(self):
        self.browser.open(self.url)
        found = self.browser.wait_states(self.scanouts, seconds=LIVE_S)
        check(sorted(found) == self.scanouts, f"the page lists {sorted(found)} instead of {self.scanouts}")
        check(self.browser.js("return document.querySelectorAll('.tile:not([hidden])').length") == len(self.scanouts),
              "the grid has another number of tiles")

    def the_api_lists_the_same_desktops(self):
        with urlopen(self.url + "api/desktops", timeout=REACTION_S) as response:
            listed = {d["scanout"]: d for d in json.load(response)}
        check(sorted(listed) == self.scanouts, f"the API lists {sorted(listed)}")
        for scanout, facts in self.browser.desktops().items():
            check((facts["width"], facts["height"]) == (listed[scanout]["width"], listed[scanout]["height"]),
                  f"scanout {scanout}: the page says {facts['width']}x{facts['height']}, the API says "
                  f"{listed[scanout]['width']}x{listed[scanout]['height']}")
            check(facts["name"] == listed[scanout]["name"], f"names differ: {facts['name']}, {listed[scanout]['name']}")

    def each_canvas_shows_its_own_desktops_background_and_no_others(self):
        for scanout in self.scanouts:
            def shares():
                return {n: self.share(scanout, rgb(BACKGROUNDS[n]), TOLERANCE) for n in self.scanouts}

            # The first picture of a desktop may be from before its background.
            wait_for(lambda: shares()[scanout] >= OWN_SHARE, REACTION_S,
                     lambda: f"scanout {scanout} does not show its own background, shares are {shares()}")
            found = shares()
            for other in self.others(scanout):
                check(found[other] < 0.03, f"scanout {scanout} shows the background of {other}: {found}")
        self.browser.screenshot(self.output / "grid.png")

    def frames_keep_arriving_in_all(self):
        self.wait_painting(self.scanouts, frames=10)

    def a_key_typed_in_the_full_view_appears_there_and_only_there(self):
        scanout = self.scanouts[min(2, len(self.scanouts) - 1)]
        self.paint_terminal(scanout)

    def a_key_typed_in_another_desktop_appears_in_that_one(self):
        if len(self.scanouts) < 2:
            raise Skip("only one desktop")
        self.paint_terminal(self.scanouts[0])

    def paint_terminal(self, scanout):
        """Types a command that paints the terminal; the picture must show it here and nowhere else. The colour's name."""
        def shares(name):
            return {n: self.painted_share(n, name) for n in self.scanouts}

        # What an earlier case, or this one at its first try, has painted may be there still.
        name = min(PAINT, key=lambda name: sum(shares(name).values()))
        before = shares(name)
        check(before[scanout] < 0.02, f"scanout {scanout} has {name} in it before anything is typed: {before}")
        self.open_full(scanout)
        self.wait_terminal(scanout)
        # Coloured blanks, enough for the whole terminal: not every terminal clears in colour. Without
        # quotes: one key more or less would have every later attempt inside of them.
        command = f"\nprintf \\\\033[{PAINT[name][0]}m%3000s\n"
        shown = False
        for attempt in range(3):
            if attempt:             # the terminal may have lost the keyboard to the other window
                self.click_dark(scanout)
            self.type(command)
            try:
                wait_for(lambda: self.painted_share(scanout, name) > before[scanout] + 0.04, REACTION_S / 3, "")
                shown = True
                break
            except AssertionError:
                continue
        self.browser.screenshot(self.output / f"full-{name}.png")
        check(shown, f"what was typed on scanout {scanout} did not paint it {name}: "
              f"{ {n: round(share, 3) for n, share in shares(name).items()} }")
        self.wait_painting(self.others(scanout))
        for other in self.others(scanout):
            share = self.painted_share(other, name)
            check(share < before[other] + 0.01, f"typed on {scanout}, but scanout {other} became {name}: {share:.3f}")
        self.back()
        return name

    def the_mouse_drags_a_window_in_that_desktop_and_in_no_other(self):
        scanout = self.scanouts[-1]
        self.open_full(scanout)
        self.wait_terminal(scanout)
        stable = {n: self.stable_points(n) for n in self.scanouts}
        check(len(stable[scanout]) > 100, f"nearly everything moves on scanout {scanout}")
        x, y = self.title_bar(scanout)
        facts = self.browser.desktops()[scanout]
        to_x = x + facts["width"] // 4 if x < facts["width"] // 2 else x - facts["width"] // 4

        def at(step):
            return self.browser.on_desktop(scanout, x + (to_x - x) * step / 10, y + 10 * step)

        steps = itertools.cycle([*range(1, 11), *range(9, 0, -1)])
        deadline = time.monotonic() + REACTION_S
        moved = 0
        try:
            # The terminal asks its compositor for the move when it has seen the press, which may take
            # seconds here: hold the button and move until it follows. A browser that loses its focus
            # lets go of it: press again, at times.
            while moved <= 0.05 and time.monotonic() < deadline:
                self.browser.mouse("mouseMoved", *at(0))
                self.wait_painting([scanout])
                self.browser.mouse("mousePressed", *at(0), button="left", clickCount=1)
                held = time.monotonic() + REACTION_S / 6
                while moved <= 0.05 and time.monotonic() < held:
                    step = next(steps)
                    self.browser.mouse("mouseMoved", *at(step), button="left")
                    self.wait_painting([scanout], frames=1)
                    moved = self.changed_share(scanout, stable[scanout])
                self.browser.mouse("mouseReleased", *at(step), button="left", clickCount=1)
            check(moved > 0.05, f"dragging the title bar at {x},{y} of scanout {scanout} changed only "
                  f"{moved:.3f} of its still points")
        finally:
            self.browser.screenshot(self.output / "full-mouse.png")
        for other in self.others(scanout):
            share = self.changed_share(other, stable[other])
            check(share < 0.03, f"dragged on {scanout}, but {share:.3f} of scanout {other} changed")
        self.back()

    def white_lines(self, scanout, columns=64, rows=144):
        """(length, row, last column) of the longest white run in each row of a fine grid of points."""
        points = self.browser.points(scanout, columns, rows)
        lines = []
        for row in range(rows if points else 0):
            length, best = 0, (0, row, 0)
            for column in range(columns):
                length = length + 1 if min(points[row * columns + column]) >= 200 else 0
                best = max(best, (length, row, column))
            lines.append(best)
        return lines

    def wait_terminal(self, scanout):
        """Until its title bar is there: it starts later than the desktop is live."""
        wait_for(lambda: max(self.white_lines(scanout), default=(0,))[0] >= 8, REACTION_S,
                 f"no title bar of a terminal on scanout {scanout}")

    def title_bar(self, scanout, columns=64, rows=144):
        """A point in the title bar of the terminal: the topmost of the long white lines."""
        self.wait_terminal(scanout)
        lines = self.white_lines(scanout, columns, rows)
        facts = self.browser.desktops()[scanout]
        longest = max(length for length, _, _ in lines)
        length, row, last = next(line for line in lines if line[0] >= longest * 3 // 4)
        row += 1                    # not its edge, which resizes
        column = last - length + 1 + length // 5        # left of the title, far from the buttons
        return (column + 0.5) * facts["width"] / columns, (row + 0.5) * facts["height"] / rows

    def the_others_go_on_while_one_is_open(self):
        self.open_full(self.scanouts[0])
        self.wait_painting(self.scanouts, frames=10)
        self.browser.screenshot(self.output / "full.png")
        self.back()

    def a_viewer_that_stops_reading_harms_nobody_and_resumes_at_a_key_frame(self):
        scanout = self.scanouts[0]
        with Stuck(self.url, scanout) as stuck, Stuck(self.url, scanout):
            end = time.monotonic() + STUCK_S
            while time.monotonic() < end:
                stuck.ask()
                self.wait_painting(self.scanouts, frames=2)
            with urlopen(self.url + "api/desktops", timeout=REACTION_S) as response:
                check(len(json.load(response)) == len(self.scanouts), "the API does not answer as before")
            frames = stuck.read(20)
        gaps = [i for i in range(1, len(frames)) if frames[i][0] != frames[i - 1][0] + 1]
        check(frames and frames[0][1], f"the stream does not begin with a key frame: {frames[:5]}")
        check(gaps, f"the viewer was not behind after {STUCK_S} s, so nothing was tried: {len(frames)} frames")
        for i in gaps:
            check(frames[i][1], f"after a loss the stream goes on with a delta frame: {frames[i - 1:i + 2]}")
        self.browser.wait_states(self.scanouts, seconds=LIVE_S)

    def frames_painted(self, seconds):
        before = self.browser.painted()
        time.sleep(seconds)
        return sum(self.browser.painted().values()) - sum(before.values())

    def a_viewer_behind_a_slow_link_gets_what_fits_and_takes_nothing_from_others(self):
        scanout = self.scanouts[0]
        self.open_full(scanout)
        port = urlsplit(self.url).port
        # Each pair is measured side by side; noise of a busy machine spoils one or two, not five.
        for attempt in range(5):
            alone = self.frames_painted(LINK_S)
            with Link(port, kbit=1000, delay_ms=100) as link, Behind(link.port, scanout) as far:
                wait_for(lambda: len(far.frames) >= 3, REACTION_S, lambda: f"through the link came {far.frames}")
                beside = self.frames_painted(LINK_S)
                wait_for(lambda: len(far.frames) >= 10, REACTION_S, lambda: f"through the link came {far.frames}")
                carried = link.carried[1]
            if beside * 2 >= alone:
                break
        check(beside * 2 >= alone, f"the page painted {alone} frames in {LINK_S} s, and {beside} beside a slow link")
        frames = far.frames
        check(frames[0][1], f"the stream does not begin with a key frame: {frames[:5]}")
        for i in range(1, len(frames)):
            check(frames[i][0] == frames[i - 1][0] + 1 or frames[i][1],
                  f"after a loss the stream goes on with a delta frame: {frames[i - 1:i + 2]}")
        check(carried > 0, "nothing went through the link")
        self.back()

    def a_second_page_gets_the_same_pictures_at_once(self):
        with Browser() as second:
            second.open(self.url)
            second.wait_states(self.scanouts, seconds=LIVE_S)
            for scanout in self.scanouts:
                def own():
                    points = second.picture(scanout)
                    return sum(distance(p, rgb(BACKGROUNDS[scanout])) <= TOLERANCE for p in points) / max(1, len(points))

                # The canvas has its size a moment before it has its picture.
                wait_for(lambda: own() >= OWN_SHARE / 2, REACTION_S,
                         lambda: f"the second page shows {own():.3f} of the background of scanout {scanout}")
            self.wait_painting(self.scanouts)

    def a_desktop_takes_the_size_of_the_window_and_what_is_typed_then_appears(self):
        scanout = self.scanouts[min(1, len(self.scanouts) - 1)]
        self.back()                 # at a second try: who leaves gives up control
        self.open_full(scanout)
        wait_for(lambda: self.browser.text("#control-text") == "Nobody controls", REACTION_S,
                 lambda: f"of control it says '{self.browser.text('#control-text')}'")
        for button in ("control", "size"):
            self.browser.press(f"#{button}")

        def sizes():
            facts, stage = self.browser.desktops()[scanout], self.browser.box("#stage")
            return (facts["width"], facts["height"]), (int(stage["width"]), int(stage["height"]))
        try:                        # the timings of a mode do not come out at every width
            wait_for(lambda: all(abs(a - b) <= 8 for a, b in zip(*sizes())), REACTION_S,
                     lambda: f"scanout {scanout} and its window are {sizes()}; the page says '{self.browser.text('#said')}'")
        finally:
            self.browser.press("#size")
        self.back()
        self.paint_terminal(scanout)

    def no_decoder_error_happened_in_all_this(self):
        bad = {n: d for n, d in self.browser.desktops().items() if d["decoderErrors"]}
        check(not bad, f"decoder errors: {bad}")


class FirefoxTest(DesktopsTest):
    """The same desktops in Firefox, with nobody else on the page: who opened it first may hold control."""

    VALUES = {code: character for character, code in PLAIN.items()} | {"ShiftLeft": "\ue008", "Enter": "\ue007"}

    def stroke(self, code, down, shift=False):
        self.browser.stroke(self.VALUES.get(code) or code[-1].lower(), down)

    def firefox_shows_each_desktop_its_own_picture(self):
        self.browser.open(self.url)
        self.browser.wait_states(self.scanouts, seconds=LIVE_S)
        for scanout in self.scanouts:
            wait_for(lambda n=scanout: self.share(n, rgb(BACKGROUNDS[n]), TOLERANCE) >= OWN_SHARE, REACTION_S,
                     lambda n=scanout: f"scanout {n} does not show its own background in Firefox")
        self.wait_painting(self.scanouts)

    def firefox_keys_reach_the_open_desktop_and_no_other(self):
        self.paint_terminal(self.scanouts[-1])

    def firefox_moves_the_pointer_of_the_open_desktop(self):
        """Weston draws its pointer into the picture: it must come to where the mouse went."""
        scanout = self.scanouts[-1]
        self.open_full(scanout)
        ground, columns, rows = rgb(BACKGROUNDS[scanout]), 40, 24
        facts = self.browser.desktops()[scanout]

        def pixels(index):
            x, y = (index % columns) * facts["width"] // columns, (index // columns) * facts["height"] // rows
            return self.browser.region(scanout, x, y, facts["width"] // columns, facts["height"] // rows)

        def strange(index):
            return sum(distance(p, ground) > 60 for p in pixels(index))

        def place():
            """Once there is the whole picture, in its colours."""
            plain = [i for i, p in enumerate(self.browser.points(scanout, columns, rows)) if distance(p, ground) <= TOLERANCE]
            return [i for i in reversed(plain) if not strange(i)][:1]
        index, = wait_for(place, REACTION_S, f"scanout {scanout} has no place that is only its background")
        x, y = ((index % columns) + 0.3) * facts["width"] / columns, ((index // columns) + 0.3) * facts["height"] / rows
        self.browser.move(*self.browser.on_desktop(scanout, x, y))
        wait_for(lambda: strange(index) >= 8, REACTION_S,
                 lambda: f"the mouse went to {x:.0f},{y:.0f} of scanout {scanout}; {strange(index)} pixels differ there")
        self.back()

    def firefox_had_no_decoder_error_in_all_this(self):
        bad = {n: d for n, d in self.browser.desktops().items() if d["decoderErrors"]}
        check(not bad, f"decoder errors: {bad}")


def cases_of(test):
    """[(what must hold, method)] in the order of the class, without what it inherits."""
    names = [name for name in vars(type(test)) if name.count("_") > 3 and not name.startswith("_")]
    return [(name.replace("_", " "), getattr(test, name)) for name in names]


BROWSERS = {"chromium": (Browser, DesktopsTest), "firefox": (Firefox, FirefoxTest)}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--url", required=True)
    parser.add_argument("--desktops", type=int, default=4)
    parser.add_argument("--output", type=pathlib.Path, default=pathlib.Path("build/e2e"))
    parser.add_argument("--browser", choices=BROWSERS, default="chromium")
    parser.add_argument("--only", default="", help="only the cases with this text in their name, and the first")
    options = parser.parse_args()
    url = options.url.rstrip("/") + "/"
    scanouts = list(range(1, options.desktops + 1))
    browser, test = BROWSERS[options.browser]
    with browser() as page:
        first, *others = cases_of(test(page, url, scanouts, options.output))
        return run([first, *(case for case in others if options.only in case[0])])


if __name__ == "__main__":
    sys.exit(main())
