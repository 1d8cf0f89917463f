#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""The page in headless Chromium and Firefox against the stand-in server: what the
real server cannot be made to do at will. Prints TAP; needs no VM.

  test_page.py [--output build/e2e] [--only TEXT]
"""

import argparse
import contextlib
import functools
import json
import pathlib
import sys
import tempfile
import time

from websockets.sync.client import connect

from browser import Browser
from firefox import Firefox
from link import Link
from patterns import BACKGROUNDS, distance, nearest, rgb
from standin import make_av1, StandIn, THUMB
from report import check, run, Skip, wait_for

TOLERANCE = 14                      # of a channel, for what H.264 does to a flat colour
LONG = 60                           # seconds: what waits so long will not come, however busy the machine is

# Of each element with words of its own: how its colour stands out from the grounds behind it, one over the other.
CONTRAST = """
const context = new OffscreenCanvas(1, 1).getContext('2d', {willReadFrequently: true});
function over(ground, colour) {                 // as the browser itself paints it
  context.fillStyle = `rgb(${ground})`; context.fillRect(0, 0, 1, 1);
  context.fillStyle = colour; context.fillRect(0, 0, 1, 1);
  return [...context.getImageData(0, 0, 1, 1).data].slice(0, 3);
}
function ground(element) {
  const chain = [];
  for (let e = element; e; e = e.parentElement) chain.unshift(e);
  return chain.reduce((below, e) => over(below, getComputedStyle(e).backgroundColor), [255, 255, 255]);
}
function light(rgb) {
  const [r, g, b] = rgb.map((v) => v / 255).map((v) => v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
}
let looked = 0;
const faint = [];
for (const element of document.querySelectorAll('body *')) {
  const words = [...element.childNodes].filter((n) => n.nodeType === 3).map((n) => n.data.trim()).join('');
  if (!words || !element.checkVisibility({visibilityProperty: true}) || element.closest('.unseen, canvas, :disabled')) continue;
  looked++;
  const style = getComputedStyle(element), behind = ground(element);
  const pair = [light(over(behind, style.color)), light(behind)].sort((a, b) => b - a);
  const ratio = (pair[0] + 0.05) / (pair[1] + 0.05), size = parseFloat(style.fontSize);
  const large = size >= 24 || (size >= 18.66 && style.fontWeight >= 700);
  if (ratio < (large ? 3 : 4.5)) faint.push(`'${words.slice(0, 30)}' ${ratio.toFixed(2)}`);
}
return {looked, faint};
"""


class PageTest:
    """One stand-in and one browser for all cases; each case leaves them as it found them."""

    def __init__(self, standin, browser, output):
        self.standin = standin
        self.browser = browser
        self.output = output
        self.units = {n: d.units for n, d in standin.desktops.items()}

    # Helpers

    def fresh(self, url=None):
        """The grid, live, in a window where tiles are as small as thumbnails, with nothing remembered of earlier cases."""
        self.browser.resize(1280, 720)
        for desktop in self.standin.desktops.values():
            desktop.garbage, desktop.paused, desktop.codec, desktop.av1 = 0, False, "avc1.42C01F", None
        self.browser.open("about:blank")
        # The page of the last case would be one more viewer, and may have had control.
        wait_for(lambda: not self.sockets(), LONG, "the page that was left is still connected")
        self.browser.open(url or self.standin.url)
        self.browser.wait_states(self.standin.desktops)
        for desktop in self.standin.desktops.values():
            desktop.received.clear()

    def sockets(self):
        """How many the stand-in has open."""
        return len(self.standin.event_sockets) + sum(len(d.sockets) for d in self.standin.desktops.values())

    def open_full(self, scanout):
        self.browser.press(f".tile[data-scanout='{scanout}'] a")
        wait_for(lambda: self.browser.js("return window.helix.view") == scanout, LONG,
                 f"the full view of scanout {scanout} did not open")
        self.standin.desktops[scanout].received.clear()

    def sent(self, scanout, *types):
        return [m for m in list(self.standin.desktops[scanout].received) if m["type"] in types]

    def wait_sent(self, scanout, expected, *types):
        wait_for(lambda: self.sent(scanout, *types) == expected, LONG,
                 lambda: f"the server should have got {expected}, it got {self.sent(scanout, *types)}")

    def key(self, code, down, key="", modifiers=0):
        self.browser.driver.execute_cdp_cmd("Input.dispatchKeyEvent", {
            "type": "rawKeyDown" if down else "keyUp", "code": code, "key": key or code, "modifiers": modifiers})

    @contextlib.contextmanager
    def taking(self, scanout, **what):
        """A desktop that takes this, or that not, for as long."""
        desktop = self.standin.desktops[scanout]
        before = desktop.takes
        desktop.takes = {**before, **what}
        try:
            yield
        finally:
            desktop.takes = before

    def open_clipboard(self):
        self.open_full(1)
        self.browser.press("#clipboard-toggle")

    def notice(self):
        return self.browser.text("#notice")

    # Cases

    def lists_every_desktop_and_each_becomes_live(self):
        self.fresh()
        desktops = self.browser.desktops()
        check(sorted(desktops) == [1, 2, 3, 4], f"four desktops expected, the page has {sorted(desktops)}")
        for scanout, facts in desktops.items():
            check(facts["canvasScanout"] == str(scanout), f"canvas of {scanout} says {facts['canvasScanout']}")
            check((facts["width"], facts["height"]) == (1280, 720), f"size of {scanout}: {facts}")
        wait_for(lambda: self.browser.text("#summary") == "4 desktops, 4 live", LONG,
                 lambda: f"summary says '{self.browser.text('#summary')}'")
        self.browser.screenshot(self.output / "page-grid.png")

    def each_canvas_shows_its_own_stream(self):
        self.fresh()
        for scanout in BACKGROUNDS.keys() & self.standin.desktops.keys():
            points = self.browser.picture(scanout)
            near = sum(distance(p, rgb(BACKGROUNDS[scanout])) <= TOLERANCE for p in points)
            check(near > len(points) / 2, f"scanout {scanout}: {near} of {len(points)} points are its background")
            most = max(set(points), key=points.count)
            check(nearest(most)[0] == scanout, f"scanout {scanout} shows {most}, which is of {nearest(most)[0]}")

    def nothing_is_refused_by_the_content_security_policy(self):
        self.browser.console()
        self.fresh()
        self.open_full(1)
        bad = [line for line in self.browser.console() if "Content Security Policy" in line or "SEVERE" in line]
        check(not bad, f"the console has {bad}")

    def a_key_goes_to_the_open_desktop_only(self):
        self.fresh()
        self.open_full(2)
        self.key("KeyA", True, "a")
        self.key("KeyA", False, "a")
        self.key("Tab", True, "Tab")
        self.key("Tab", False, "Tab")
        self.wait_sent(2, [{"type": "key", "code": "KeyA", "down": True}, {"type": "key", "code": "KeyA", "down": False},
                           {"type": "key", "code": "Tab", "down": True}, {"type": "key", "code": "Tab", "down": False}],
                       "key")
        for other in (1, 3, 4):
            check(not self.sent(other, "key", "move", "button"), f"scanout {other} got {self.sent(other, 'key')}")

    def a_repeated_keydown_is_sent_once(self):
        self.fresh()
        self.open_full(2)
        for repeat in (False, True, True):
            self.browser.driver.execute_cdp_cmd("Input.dispatchKeyEvent", {
                "type": "rawKeyDown", "code": "KeyB", "key": "b", "autoRepeat": repeat})
        self.key("KeyB", False, "b")
        self.wait_sent(2, [{"type": "key", "code": "KeyB", "down": True}, {"type": "key", "code": "KeyB", "down": False}],
                       "key")

    def the_chord_releases_all_and_leads_back(self):
        self.fresh()
        self.open_full(3)
        for code in ("ControlLeft", "AltLeft", "ShiftLeft"):
            self.key(code, True)
        self.key("KeyG", True, "G", modifiers=1 | 2 | 8)
        wait_for(lambda: self.browser.js("return window.helix.view") == "grid", LONG, "the chord did not lead back")
        wait_for(lambda: self.sent(3, "release"), LONG, "no release was sent")
        check(not any(m["code"] == "KeyG" for m in self.sent(3, "key")), "the chord's G was sent to the desktop")
        focused = self.browser.js("return document.activeElement.closest('.tile')?.dataset.scanout")
        check(focused == "3", f"the focus should be back on tile 3, it is on {focused}")

    def enter_on_a_tile_opens_it_and_the_button_leads_back(self):
        self.fresh()
        self.browser.js("document.querySelector(\".tile[data-scanout='1'] a\").focus()")
        self.key("ArrowRight", True, "ArrowRight")
        focused = self.browser.js("return document.activeElement.closest('.tile')?.dataset.scanout")
        check(focused == "2", f"the right arrow should go from tile 1 to 2, it went to {focused}")
        self.browser.driver.execute_cdp_cmd("Input.dispatchKeyEvent", {
            "type": "keyDown", "code": "Enter", "key": "Enter", "text": "\r", "windowsVirtualKeyCode": 13})
        wait_for(lambda: self.browser.js("return window.helix.view") == 2, LONG, "Enter did not open desktop 2")
        check(self.browser.js("return document.activeElement.id") == "stage", "the stage has not the focus")
        box = self.browser.box("#back")
        self.browser.click(box["x"] + 10, box["y"] + 10)
        wait_for(lambda: self.browser.js("return window.helix.view") == "grid", LONG, "the button did not lead back")

    def points_are_mapped_through_the_bars(self):
        self.fresh()
        for width, height in ((1440, 900), (700, 900), (1600, 500)):
            self.browser.resize(width, height)
            self.open_full(1)
            for x, y in ((0, 0), (1279, 719), (640, 360), (17, 703)):
                self.standin.desktops[1].received.clear()
                at = self.browser.on_desktop(1, x, y)
                self.browser.click(*at)
                wait_for(lambda: len(self.sent(1, "button")) == 2, LONG, f"no click came at {x},{y} in {width}x{height}")
                got = [m for m in self.sent(1, "move")][-1]
                # A pixel of the window may be more than one of the stream.
                check(abs(got["x"] - x) <= 2 and abs(got["y"] - y) <= 2,
                      f"{x},{y} in a window of {width}x{height} came as {got}")
            self.browser.js("location.hash = ''")
            wait_for(lambda: self.browser.js("return window.helix.view") == "grid", LONG, "not back in the grid")

    def a_point_on_a_bar_is_the_nearest_edge(self):
        self.fresh()
        self.open_full(1)
        box = self.browser.box("#stage")
        self.browser.click(box["x"] + 3, box["y"] + box["height"] / 2)
        wait_for(lambda: len(self.sent(1, "button")) == 2, LONG, "no click came")
        check(self.sent(1, "move")[-1]["x"] == 0, f"a click on the left bar came as {self.sent(1, 'move')[-1]}")

    def every_button_and_the_wheel_arrive(self):
        self.fresh()
        self.open_full(1)
        at = self.browser.on_desktop(1, 600, 300)
        for name, number in (("left", 0), ("middle", 1), ("right", 2), ("back", 3), ("forward", 4)):
            self.standin.desktops[1].received.clear()
            self.browser.click(*at, button=name)
            self.wait_sent(1, [{"type": "button", "button": number, "down": down} for down in (True, False)], "button")
        check(self.browser.js("return window.helix.view") == 1, "the back button of the mouse left the page")
        self.standin.desktops[1].received.clear()
        for delta in (40, 40, 40, -100):
            self.browser.mouse("mouseWheel", *at, deltaX=0, deltaY=delta)
        self.wait_sent(1, [{"type": "wheel", "dx": 0, "dy": 1}, {"type": "wheel", "dx": 0, "dy": -1}], "wheel")

    def a_drag_that_leaves_the_picture_still_ends(self):
        self.fresh()
        self.open_full(1)
        self.browser.mouse("mousePressed", *self.browser.on_desktop(1, 100, 100), button="left", clickCount=1)
        self.browser.mouse("mouseMoved", 20, 20, button="left")
        self.browser.mouse("mouseReleased", 20, 20, button="left", clickCount=1)
        self.wait_sent(1, [{"type": "button", "button": 0, "down": down} for down in (True, False)], "button")

    @contextlib.contextmanager
    def platform(self, name):
        """A page that runs on this system, with desktop 1 open."""
        mark = self.browser.driver.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", {
            "source": f"Object.defineProperty(navigator, 'userAgentData', {{value: {{platform: '{name}'}}}})"})
        try:
            self.fresh()
            self.open_full(1)
            yield
        finally:
            self.browser.driver.execute_cdp_cmd("Page.removeScriptToEvaluateOnNewDocument", mark)

    def replay(self, events, expected):
        """Keyboard events as a browser has them, "+KeyA" a keydown with what is held after it, all at once; a number
        waits for so many ms. Expected are the keys that the desktop gets, likewise."""
        self.standin.desktops[1].received.clear()
        self.browser.driver.execute_async_script("""
            const [events, done] = arguments;
            (async () => {
              for (const event of events.split(' ')) {
                const [, way, code, held] = /^([-+=])(\\w+?)(?:\\/(\\w+))?$/.exec(event) ?? [];
                if (!code)
                  await new Promise((resolve) => setTimeout(resolve, Number(event)));
                else
                  document.querySelector('#stage').dispatchEvent(new KeyboardEvent(way === '-' ? 'keyup' : 'keydown', {
                    code, key: code, repeat: way === '=', [`${held}Key`]: true, bubbles: true, cancelable: true}));
              }
            })().then(done);""", events)
        wait_for(lambda: self.pressed(1) == expected, 10,
                 lambda: f"{events} should come as {expected}, it came as {self.pressed(1)}")

    def windows_says_altgr_as_two_keys_and_keeps_a_shift(self):
        with self.platform("Windows"):
            self.replay("+ControlLeft +AltRight/alt +KeyQ -KeyQ -ControlLeft -AltRight", "+AltRight +KeyQ -KeyQ -AltRight")
            # held, it repeats both
            self.replay("+ControlLeft +AltRight =ControlLeft =AltRight +KeyE -KeyE -ControlLeft -AltRight",
                        "+AltRight +KeyE -KeyE -AltRight")
            # and Control itself is still one: by itself, with a key, with a click, and with the right Alt
            self.replay("+ControlLeft 300 -ControlLeft", "+ControlLeft -ControlLeft")
            self.replay("+ControlLeft -ControlLeft", "+ControlLeft -ControlLeft")
            self.replay("+ControlLeft +KeyC -KeyC -ControlLeft", "+ControlLeft +KeyC -KeyC -ControlLeft")
            self.replay("+ControlLeft 300 +AltRight -AltRight -ControlLeft", "+ControlLeft +AltRight -AltRight -ControlLeft")
            self.standin.desktops[1].received.clear()
            x, y = self.browser.on_desktop(1, 640, 360)
            self.browser.js("""
                const stage = document.querySelector('#stage'), [clientX, clientY] = arguments;
                stage.dispatchEvent(new KeyboardEvent('keydown', {code: 'ControlLeft', bubbles: true, cancelable: true}));
                for (const type of ['mousedown', 'mouseup'])
                  stage.dispatchEvent(new MouseEvent(type, {clientX, clientY, bubbles: true, cancelable: true}));
                stage.dispatchEvent(new KeyboardEvent('keyup', {code: 'ControlLeft', bubbles: true}));""", x, y)
            wait_for(lambda: [m["type"] for m in self.sent(1, "key", "button")] == ["key", "button", "button", "key"], 10,
                     lambda: f"a click with Control came as {self.sent(1, 'key', 'button')}")
            self.replay("+ShiftLeft +ShiftRight -ShiftLeft", "+ShiftLeft +ShiftRight -ShiftLeft -ShiftRight")
            self.replay("+ShiftLeft +KeyA -KeyA -ShiftLeft", "+ShiftLeft +KeyA -KeyA -ShiftLeft")

    def macos_says_caps_lock_by_halves_and_nothing_of_keys_with_command(self):
        with self.platform("macOS"):
            self.replay("+CapsLock -CapsLock", "+CapsLock -CapsLock +CapsLock -CapsLock")
            self.replay("+MetaLeft/meta +ArrowRight/meta =ArrowRight/meta +KeyC/meta -MetaLeft",
                        "+MetaLeft +ArrowRight -ArrowRight +ArrowRight -ArrowRight +KeyC -KeyC -MetaLeft")
            # pressed before, and let go where nobody hears it
            self.replay("+KeyX +MetaLeft/meta +ShiftLeft/meta -ShiftLeft/meta -MetaLeft",
                        "+KeyX +MetaLeft +ShiftLeft -ShiftLeft -MetaLeft -KeyX")

    def elsewhere_keys_are_what_the_browser_says(self):
        with self.platform("Linux"):
            self.replay("+CapsLock -CapsLock", "+CapsLock -CapsLock")
            self.replay("+ControlLeft +AltRight -AltRight -ControlLeft", "+ControlLeft +AltRight -AltRight -ControlLeft")
            self.replay("+ShiftLeft +ShiftRight -ShiftLeft", "+ShiftLeft +ShiftRight -ShiftLeft")
            self.replay("+MetaLeft/meta +KeyC/meta =KeyC/meta -MetaLeft -KeyC", "+MetaLeft +KeyC -MetaLeft -KeyC")

    def losing_the_focus_releases_everything(self):
        self.fresh()
        self.open_full(1)
        self.key("KeyC", True, "c")
        wait_for(lambda: self.sent(1, "key"), LONG, "the key did not come")
        self.browser.js("window.dispatchEvent(new Event('blur'))")
        wait_for(lambda: self.sent(1, "release"), LONG, "no release came after the window lost the focus")

    def the_context_menu_is_not_the_browsers(self):
        self.fresh()
        self.open_full(1)
        allowed = self.browser.js("return document.querySelector('#stage').dispatchEvent("
                                  "new MouseEvent('contextmenu', {bubbles: true, cancelable: true}))")
        check(not allowed, "the context menu of the browser is not suppressed")

    def touch(self, *events):
        """Touches of the stage in one go, as (type, finger, x, y): how long a machine under load takes is no matter."""
        self.browser.js("""
            const stage = document.querySelector('#stage');
            stage.setPointerCapture = () => {};     // there is no such finger
            for (const [type, pointerId, clientX, clientY] of arguments[0])
              stage.dispatchEvent(new PointerEvent(type, {pointerType: 'touch', pointerId, clientX, clientY,
                                                          bubbles: true, cancelable: true}));""", events)

    def a_tap_clicks_and_a_long_press_is_the_right_button(self):
        self.fresh()
        self.open_full(1)
        x, y = self.browser.on_desktop(1, 640, 360)
        self.touch(("pointerdown", 7, x, y), ("pointerup", 7, x, y))
        self.wait_sent(1, [{"type": "button", "button": 0, "down": down} for down in (True, False)], "button")
        self.standin.desktops[1].received.clear()

        def dispatch(kind, points):
            self.browser.driver.execute_cdp_cmd("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})
        dispatch("touchStart", [{"x": x, "y": y}])
        self.wait_sent(1, [{"type": "button", "button": 2, "down": down} for down in (True, False)], "button")
        dispatch("touchEnd", [])

    def fingers_go_to_a_desktop_that_takes_touch(self):
        with self.taking(1, touch=True):
            self.fresh()
            self.open_full(1)
            a, b = self.browser.on_desktop(1, 100, 100), self.browser.on_desktop(1, 900, 500)
            self.touch(("pointerdown", 7, *a), ("pointerdown", 9, *b), ("pointerup", 7, *a), ("pointercancel", 9, *b))
            wait_for(lambda: len(self.sent(1, "touch")) == 4, LONG, lambda: f"the server got {self.sent(1, 'touch')}")
            points = [m["points"][0] for m in self.sent(1, "touch")]
            check([(p["id"], p["phase"]) for p in points] == [(0, "begin"), (1, "begin"), (0, "end"), (1, "cancel")],
                  f"the fingers came as {points}")
            check(abs(points[0]["x"] - 100) <= 1 and abs(points[1]["y"] - 500) <= 1, f"in other places: {points}")
            check(not self.sent(1, "button"), "a finger was a button as well")

    def typed_text_becomes_keys(self):
        self.fresh()
        self.open_full(4)
        self.browser.press("#typing-toggle")
        wait_for(lambda: self.browser.js("return document.activeElement.id") == "typing", LONG, "no place to type appeared")
        self.browser.driver.execute_cdp_cmd("Input.insertText", {"text": "a!"})
        codes = [("KeyA", True), ("KeyA", False), ("ShiftLeft", True), ("Digit1", True), ("Digit1", False),
                 ("ShiftLeft", False)]
        self.wait_sent(4, [{"type": "key", "code": c, "down": d} for c, d in codes], "key")
        # As much at once as is pasted is sent in pieces, and nothing of it is lost.
        self.standin.desktops[4].received.clear()
        start = time.monotonic()
        self.browser.driver.execute_cdp_cmd("Input.insertText", {"text": "ab" * 300})
        wait_for(lambda: len(self.sent(4, "key")) == 1200, LONG, lambda: f"{len(self.sent(4, 'key'))} of 1200 keys came")
        check(time.monotonic() - start > 1, "1200 messages were sent in less than a second")
        check([m["code"] for m in self.sent(4, "key") if m["down"]] == ["KeyA", "KeyB"] * 300, "they came in another order")

    def pressed(self, scanout):
        """The keys that the desktop got as "+KeyA -KeyA"."""
        return " ".join(f"{'+' if m['down'] else '-'}{m['code']}" for m in self.sent(scanout, "key"))

    def wait_pressed(self, scanout, expected):
        """Until it has got these keys and no more; the next are counted anew."""
        wait_for(lambda: self.pressed(scanout) == expected, 20,
                 lambda: f"the desktop should have got '{expected}', it got '{self.pressed(scanout)}'")
        self.standin.desktops[scanout].received.clear()

    def typed_characters_that_no_key_makes_are_named(self):
        self.fresh()
        self.open_full(1)
        self.browser.press("#typing-toggle")
        self.wait_focus("typing")
        self.browser.driver.execute_cdp_cmd("Input.insertText", {"text": "na\u00efve\u00a0\u201c\u00e9\u20ac\u00e9\u201d \u2013\u2019\u2026"})
        keys = ["KeyN", "KeyA", "KeyV", "KeyE", "Space", "Quote", "Quote", "Space", "Minus", "Quote"] + ["Period"] * 3
        wait_for(lambda: [m["code"] for m in self.sent(1, "key") if m["down"] and m["code"] != "ShiftLeft"] == keys, LONG,
                 lambda: f"it was typed as {self.pressed(1)}")
        said = self.browser.text("#said")
        check("Not typed" in said and "\u00ef \u00e9 \u20ac" in said and "\u201c" not in said, f"it says '{said}'")

    def keys_that_are_no_text_go_from_the_box_to_the_desktop(self):
        self.fresh()
        self.open_full(1)
        self.browser.press("#typing-toggle")
        self.wait_focus("typing")
        for code, number in (("ArrowUp", 38), ("Escape", 27), ("Tab", 9), ("Backspace", 8), ("F5", 116)):
            self.stroke(code, code, number)
            self.wait_pressed(1, f"+{code} -{code}")
        self.stroke("Enter", "Enter", 13, text="\r")
        self.wait_pressed(1, "+Enter -Enter")
        self.stroke("Tab", "Tab", 9, modifiers=8)
        self.wait_pressed(1, "+ShiftLeft +Tab -Tab -ShiftLeft")
        # Text comes once, as text; what an input method has is its own.
        self.stroke("KeyA", "a", 65, text="a")
        self.wait_pressed(1, "+KeyA -KeyA")
        self.stroke("Enter", "Enter", 229)
        self.stroke("KeyB", "b", 66, text="b")
        self.wait_pressed(1, "+KeyB -KeyB")
        self.wait_focus("typing")
        self.chord("KeyB")
        self.wait_focus("back")

    @contextlib.contextmanager
    def phone(self):
        """A page on a phone, with desktop 1 open."""
        cdp = self.browser.driver.execute_cdp_cmd
        cdp("Emulation.setTouchEmulationEnabled", {"enabled": True, "maxTouchPoints": 5})
        try:
            self.fresh()
            cdp("Emulation.setDeviceMetricsOverride", {"width": 390, "height": 760, "deviceScaleFactor": 1, "mobile": True})
            self.open_full(1)
            yield
        finally:
            cdp("Emulation.setTouchEmulationEnabled", {"enabled": False})
            self.browser.resize(1280, 720)
            self.browser.js("try { localStorage.removeItem('helix.keys'); } catch { /* none */ }")

    def tap(self, *at):
        """A finger on a point of the window, or on the middle of an element."""
        if len(at) == 1:
            box = self.browser.box(at[0])
            at = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
        self.browser.driver.execute_cdp_cmd("Input.dispatchTouchEvent", {
            "type": "touchStart", "touchPoints": [{"x": at[0], "y": at[1]}]})
        self.browser.driver.execute_cdp_cmd("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})

    def on_a_phone_the_keyboard_stays_while_the_desktop_is_used(self):
        with self.phone():
            self.tap("#typing-toggle")
            self.wait_focus("typing")
            # Who loses the focus but for a moment loses the keyboard.
            self.browser.js("window.lost = 0; document.querySelector('#typing').addEventListener('blur', () => { window.lost++; })")
            self.tap(*self.browser.on_desktop(1, 640, 360))
            wait_for(lambda: len(self.sent(1, "button")) == 2, LONG, "the tap did not click")
            for button in ("#keys-toggle", "[data-sticky=ControlLeft]", "[data-key=ArrowLeft]", "#keys-more", "[data-key=F2]"):
                self.tap(button)
            self.wait_pressed(1, "+ControlLeft +ArrowLeft -ArrowLeft -ControlLeft +F2 -F2")
            check(self.browser.js("return window.lost") == 0, "a tap on the desktop or on the keys takes the focus from the box")
            self.tap("#control")
            self.wait_control("", "Take control")
            self.wait_focus("typing")
            wide = self.browser.js("const b = document.querySelector('#keys'); return [b.scrollWidth, b.clientWidth,"
                                   "document.documentElement.scrollWidth]")
            check(wide[0] <= wide[1] and wide[2] <= 390, f"the keys and the page are {wide} pixels wide")
            self.browser.screenshot(self.output / "page-phone-keys.png")
            self.tap("#typing-toggle")
            self.wait_focus("stage")
            check(not self.browser.text("#typing"), "the box stays")

    def the_row_of_keys_types_what_a_keyboard_lacks(self):
        self.fresh()
        self.open_full(1)
        try:
            click = lambda element: self.browser.click(*(lambda b: (b["x"] + b["width"] / 2, b["y"] + b["height"] / 2))(
                self.browser.box(element)))
            down = lambda: self.browser.js("return [...document.querySelectorAll('[data-sticky][aria-pressed=true]')]"
                                           ".map((e) => e.dataset.sticky)")
            click("#keys-toggle")
            for code in ("Escape", "Tab", "ArrowUp"):
                click(f"[data-key={code}]")
                self.wait_pressed(1, f"+{code} -{code}")
            click("[data-held]")
            self.wait_pressed(1, "+ControlLeft +AltLeft +Delete -Delete -ControlLeft -AltLeft")
            # A modifier holds until the next key has gone up, whichever keyboard that is on, or until it is pressed again.
            click("[data-sticky=ControlLeft]")
            click("[data-sticky=AltLeft]")
            self.wait_pressed(1, "+ControlLeft +AltLeft")
            check(down() == ["ControlLeft", "AltLeft"], f"pressed are {down()}")
            self.browser.screenshot(self.output / "page-keys.png")
            self.stroke("ShiftLeft", "Shift", 16)
            self.stroke("KeyT", "t", 84)
            self.wait_pressed(1, "+ShiftLeft -ShiftLeft +KeyT -KeyT -ControlLeft -AltLeft")
            check(not down(), f"still pressed are {down()}")
            click("[data-sticky=MetaLeft]")
            click("[data-sticky=MetaLeft]")
            self.wait_pressed(1, "+MetaLeft -MetaLeft")
            click("#keys-more")
            click("[data-key=F11]")
            self.wait_pressed(1, "+F11 -F11")
            check(self.browser.js("return document.activeElement.id") == "stage", "the mouse took the focus from the desktop")
            check(not self.browser.js(CONTRAST)["faint"], "some keys cannot be read")
            # By keys alone: it lies between the bar and the stage.
            click("#keys-more")
            self.chord("KeyB")
            self.wait_focus("back")
            self.standin.desktops[1].received.clear()
            self.browser.js("document.querySelector('#help-open-full').focus()")
            for _ in range(3):
                self.stroke("Tab", "Tab", 9)
            self.stroke("Enter", "Enter", 13, text="\r")
            self.wait_pressed(1, "+ControlLeft")
            self.browser.js("document.querySelector('#keys-more').focus()")
            self.stroke("Tab", "Tab", 9)
            self.wait_focus("stage")
            check(down() == ["ControlLeft"], f"on the way to the desktop {down()} stayed pressed")
            self.stroke("KeyC", "c", 67)
            self.wait_pressed(1, "+KeyC -KeyC -ControlLeft")
        finally:
            self.browser.js("localStorage.removeItem('helix.keys')")

    def a_modifier_of_the_row_goes_up_with_what_ends_it(self):
        self.fresh()
        self.open_full(1)
        down = lambda: self.browser.js("return document.querySelectorAll('[data-sticky][aria-pressed=true]').length")

        def hold():
            """Once that is seen to be ours, as a person would."""
            self.browser.press("[data-sticky=ControlLeft]")
            self.wait_control("You control", "Release control")
            check(down() == 1, f"{down()} modifiers are pressed")

        def gone(what):
            wait_for(lambda: not down(), 20, f"after {what} it stays pressed")
        try:
            self.browser.press("#keys-toggle")
            hold()
            self.standin.desktops[1].received.clear()
            self.browser.js("window.dispatchEvent(new Event('blur'))")
            gone("the window lost the focus")
            wait_for(lambda: self.sent(1, "release"), LONG, "the desktop was not told")
            hold()
            self.browser.press("#control")
            gone("control was released")
            self.wait_control("Nobody controls", "Take control")
            self.browser.settle()
            check(self.standin.desktops[1].controller is None, "what was let go took the desktop again")
            hold()
            self.standin.drop_streams(1)
            gone("the connection was lost")
            self.browser.wait_states([1])
            hold()
            self.standin.desktops[1].received.clear()
            self.browser.js("location.hash = ''")
            gone("the desktop was left")
            wait_for(lambda: self.sent(1, "release"), LONG, "the desktop was not told")
            self.open_full(1)
            check(self.browser.text("#keys"), "the row is not there any more")
            with self.other_viewer(1) as other:
                self.told(other, "role")
                other.send(json.dumps({"type": "control", "action": "request"}))
                self.told(other, "control")
                self.wait_control(f"Viewer {self.standin.desktops[1].controller} controls", "Take control")
                for button in ("[data-sticky=AltLeft]", "[data-key=Escape]"):
                    self.browser.js("document.querySelector('#said').textContent = ''")
                    self.browser.press(button)
                    wait_for(lambda: "Ask for control" in self.browser.text("#said"), LONG, "a key that goes nowhere is silent")
                check(not down() and not self.sent(1, "key"), "a key was sent to a desktop that somebody else controls")
        finally:
            self.browser.js("localStorage.removeItem('helix.keys')")

    def a_decoder_error_is_recovered_from_at_a_key_frame(self):
        self.fresh()
        before = self.browser.desktops()[1]
        self.standin.desktops[1].garbage = 3
        wait_for(lambda: self.browser.desktops()[1]["decoderErrors"] > before["decoderErrors"], LONG,
                 "broken video was not an error of the decoder")
        # The request goes out at once and is answered with a key frame.
        after = wait_for(lambda: self.browser.desktops()[1]["keyframesAsked"] > before["keyframesAsked"]
                         and self.browser.desktops()[1], LONG, "no key frame was asked for")
        wait_for(lambda: self.browser.desktops()[1]["framesPainted"] > after["framesPainted"] + 5, LONG,
                 lambda: f"no picture came after the error: {self.browser.desktops()[1]}")
        check(self.sent(1, "keyframe"), "the server did not get the request")
        self.browser.wait_states([1])

    def a_decoder_that_keeps_failing_is_said_in_words(self):
        self.fresh()
        self.standin.desktops[1].garbage = 10 ** 6
        facts = self.browser.wait_states([1], "failed")[1]
        check("decoder failed" in facts["explanation"], f"the words are '{facts['explanation']}'")
        check(self.browser.desktops()[2]["state"] == "live", "the other desktops are not live any more")
        self.standin.desktops[1].garbage = 0
        self.browser.wait_states([1])

    def a_codec_the_browser_lacks_is_said_in_words(self):
        self.fresh()
        self.standin.desktops[2].codec = "avc1.FFFFFF"
        facts = self.browser.wait_states([2], "failed")[2]
        check("cannot decode" in facts["explanation"], f"the words are '{facts['explanation']}'")
        wait_for(lambda: "cannot decode" in self.browser.text(".tile[data-scanout='2'] .message"), LONG,
                 "the tile does not say it")
        check(self.browser.desktops()[1]["state"] == "live", "the other desktops are not live any more")
        self.browser.screenshot(self.output / "page-no-codec.png")
        self.standin.desktops[2].codec = "avc1.42C01F"
        self.browser.wait_states([2])

    def shown(self, scanout):
        """Of which scanout the background is that this one's canvas shows most of."""
        points = self.browser.picture(scanout)
        return nearest(max(set(points), key=points.count))[0]

    def av1_is_shown_where_browser_and_server_have_it(self):
        self.fresh()
        desktop = self.standin.desktops[2]
        check(all("av1" in viewer.codecs for viewer in desktop.viewers), f"said {[v.codecs for v in desktop.viewers]}")
        with tempfile.TemporaryDirectory() as folder:
            # in another's colour, so that it is no picture of before
            desktop.av1 = "av01.0.04M.08", make_av1(3, *THUMB, folder)
        wait_for(lambda: self.shown(2) == 3, LONG, lambda: f"the canvas shows the colour of {self.shown(2)}")
        check(self.browser.desktops()[2]["decoderErrors"] == 0, f"{self.browser.desktops()[2]}")
        desktop.av1 = None
        wait_for(lambda: self.shown(2) == 2, LONG, "after AV1 there is no H.264")

    def a_codec_that_was_claimed_in_vain_is_let_go(self):
        self.fresh()
        desktop = self.standin.desktops[2]
        desktop.av1 = "av01.9.99M.08", [(True, b"\x12\0")]    # no decoder of any browser takes this
        wait_for(lambda: desktop.viewers and all("av1" not in viewer.codecs for viewer in desktop.viewers), LONG,
                 "it still says that it decodes AV1")
        self.browser.wait_states([2])
        wait_for(lambda: self.shown(2) == 2, LONG, "there is no H.264 in its place")
        check(self.browser.desktops()[1]["state"] == "live", "the other desktops are not live any more")
        desktop.av1 = None

    def an_odd_size_is_shown_without_the_coded_edge(self):
        desktop = self.standin.desktops[2]
        desktop.width, desktop.height = 1279, 719
        try:
            self.fresh()
            self.open_full(2)

            def size():
                facts = self.browser.desktops()[2]
                return facts["canvasWidth"], facts["canvasHeight"]
            wait_for(lambda: size() == (1279, 719), LONG, lambda: f"the canvas is {size()}")
        finally:
            desktop.width, desktop.height = 1280, 720

    def video_keeps_up_after_a_lost_stream(self):
        self.fresh()
        before = self.browser.painted()
        self.standin.drop_streams(3)
        self.browser.wait_states([3])
        wait_for(lambda: self.browser.painted()[3] > before[3] + 10, LONG, "no frames after the stream came back")

    def the_newest_frame_is_acknowledged(self):
        self.fresh()
        acks = wait_for(lambda: len(self.sent(1, "ack")) > 3 and self.sent(1, "ack"), LONG, "no acknowledgements came")
        check(all(a["seq"] < b["seq"] for a, b in zip(acks, acks[1:])), f"acknowledgements do not rise: {acks}")

    def a_desktop_that_has_too_many_viewers_says_so_and_is_tried_again(self):
        self.fresh()
        self.standin.desktops[2].busy = True
        try:
            self.standin.drop_streams(2)
            words = lambda: self.browser.text(".tile[data-scanout='2'] .message")
            wait_for(lambda: "As many people watch" in words(), LONG, lambda: f"the tile says '{words()}'")
            # Ever more seldom: after 0.4 s, 0.8 s, 1.6 s and so on, a quarter more or less.
            before = self.standin.desktops[2].turned_away
            time.sleep(6)
            tries = self.standin.desktops[2].turned_away - before
            check(tries <= 5, f"it was tried {tries} times in six seconds")
        finally:
            self.standin.desktops[2].busy = False
        self.browser.wait_states([2])

    def a_hidden_tab_watches_nothing(self):
        self.fresh()
        self.browser.js("Object.defineProperty(document, 'hidden', {value: true, configurable: true});"
                        "document.dispatchEvent(new Event('visibilitychange'))")
        rungs = lambda: [r for d in self.standin.desktops.values() for r in d.rungs()]
        wait_for(lambda: set(rungs()) == {"none"}, LONG, lambda: f"a hidden tab watches {rungs()}")
        self.browser.js("delete document.hidden; document.dispatchEvent(new Event('visibilitychange'))")
        self.browser.wait_states([1, 2, 3, 4])
        check(set(rungs()) == {"thumb"}, f"it watches {rungs()} now")

    def a_page_that_begins_hidden_watches_nothing_after_a_while(self):
        mark = self.browser.driver.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", {
            "source": "Object.defineProperty(document, 'hidden', {value: true, configurable: true})"})
        rungs = lambda: {n: d.rungs() for n, d in self.standin.desktops.items()}
        self.standin.gone(4)
        try:
            self.browser.open("about:blank")
            self.browser.open(self.standin.url + "#desktop=vm:1")
            wait_for(lambda: "full" in rungs()[1], LONG, "the desktop in the link was not opened")
            wait_for(lambda: all(set(r) <= {"none"} for r in rungs().values()), LONG, lambda: f"a hidden page watches {rungs()}")
            # What comes later is not watched either, and all of it once somebody looks.
            self.standin.back(4)
            wait_for(lambda: 4 in self.browser.desktops(), LONG, "the new desktop is not in the list")
            self.browser.settle()
            check(not rungs()[4], f"a hidden page watches a new desktop: {rungs()}")
        finally:
            self.browser.driver.execute_cdp_cmd("Page.removeScriptToEvaluateOnNewDocument", mark)
            if 4 not in self.standin.desktops:
                self.standin.back(4)
        self.browser.js("delete document.hidden; document.dispatchEvent(new Event('visibilitychange'))")
        self.browser.wait_states([1, 2, 3, 4])

    def module(self, name, script):
        """What the script makes of the exports of a module, given as m."""
        return self.browser.driver.execute_async_script(
            f"const done = arguments[0]; import('{self.standin.url}{name}').then((m) => done((() => {{ {script} }})()),"
            " (error) => done(String(error)))")

    def the_clock_goes_by_the_exchange_that_was_quickest(self):
        self.fresh()
        got = self.module("clock.js", """
            const clock = new m.Clock(), seen = [clock.known, clock.due(1e6), clock.due(1e6 + 1e5), clock.due(1e6 + 4e5)];
            clock.exchanged(1000, 51000, 5000);      // there and back 4000: offset 48000
            clock.exchanged(10000, 60100, 10200);    // 200: 50000
            clock.exchanged(20000, 99000, 90000);    // late: not believed
            clock.exchanged(30000, 1, 29000);        // answered before it was asked: neither
            const first = clock.toServer(100);
            clock.happened(50100, 200);              // came after it was sent: no news
            clock.happened(50190, 120);              // would have come before: the answer was slower than the question
            return [...seen, first, clock.toServer(100), clock.roundTripMs];""")
        check(got == [False, True, False, True, 50100, 50170, 0.2], f"the clock says {got}")

    def percentiles_are_of_the_frames_that_make_sense(self):
        self.fresh()
        got = self.module("latency.js", """
            const latency = new m.Latency(), none = latency.summary();
            for (let i = 1; i <= 100; i++)
              latency.add({deliver: 1, decode: 1, paint: 1, total: i});
            latency.add({deliver: -5, decode: 1, paint: 1, total: 1e6});
            latency.add({deliver: 1, decode: NaN, paint: 1, total: 1000});
            return [none, latency.summary().total, m.percentile([7], 0.99)];""")
        check(got == [None, {"p50": 50, "p95": 95, "p99": 99}, 7], f"the summary is {got}")

    def an_idle_desktop_stays_live(self):
        self.fresh()
        self.standin.desktops[4].paused = True
        wait_for(lambda: self.browser.desktops()[4]["rate"] == 0, LONG, "frames of a still desktop go on")
        check(self.browser.desktops()[4]["state"] == "live", "a still desktop is not live")
        self.standin.desktops[4].paused = False

    def a_gone_desktop_says_so_and_comes_back(self):
        self.fresh()
        self.open_full(3)
        self.standin.gone(3)
        self.browser.wait_states([3], "gone")
        wait_for(lambda: "ended" in self.browser.text("#stage-message"), LONG,
                 "the full view does not say that the desktop ended")
        self.browser.screenshot(self.output / "page-desktop-gone.png")
        self.browser.press("#back")
        wait_for(lambda: self.browser.js("return document.querySelector(\".tile[data-scanout='3']\").hidden"), LONG,
                 "the tile of a desktop that is gone stays")
        check(self.browser.desktops()[1]["state"] == "live", "the other desktops are not live any more")
        self.standin.back(3)
        self.browser.wait_states([3])
        wait_for(lambda: not self.browser.js("return document.querySelector(\".tile[data-scanout='3']\").hidden"), LONG,
                 "the tile of a desktop that came back stays away")

    def a_server_that_goes_is_reported_and_found_again(self):
        self.fresh()
        self.standin.down()
        try:
            self.browser.wait_states([1, 2, 3, 4], "lost")
            wait_for(lambda: "server is gone" in self.notice(), LONG, lambda: f"the notice says '{self.notice()}'")
            check(self.browser.points(1), "the last picture should stay")
            self.browser.screenshot(self.output / "page-server-gone.png")
        finally:
            self.standin.up()
        before = self.browser.painted()
        self.browser.wait_states([1, 2, 3, 4])
        wait_for(lambda: all(self.browser.painted()[n] > before[n] for n in before), LONG, "no frames after the return")
        wait_for(lambda: not self.notice(), LONG, lambda: f"the notice stays: '{self.notice()}'")

    @contextlib.contextmanager
    def linked(self):
        """The page over a link that can be frozen, with still desktops and the first one open."""
        with Link(self.standin.port, kbit=1000000, delay_ms=0) as link:
            self.fresh(f"http://127.0.0.1:{link.port}/#desktop=vm:1")
            self.still(True)
            try:
                yield link
            finally:
                self.still(False)
                self.browser.open("about:blank")

    def still(self, still):
        for desktop in self.standin.desktops.values():
            desktop.paused = still

    def wait_typed(self, code):
        self.standin.desktops[1].received.clear()
        self.key(code, True, "a")
        self.key(code, False, "a")
        self.wait_sent(1, [{"type": "key", "code": code, "down": down} for down in (True, False)], "key")

    def freeze(self, link):
        link.freeze()
        wait_for(lambda: not self.sockets(), LONG, "the stand-in does not know that the link is frozen")

    def wait_anew(self):
        wait_for(lambda: self.sockets() == 5, LONG, lambda: f"{self.sockets()} of five sockets were opened anew")
        self.browser.wait_states(self.standin.desktops)
        self.wait_typed("KeyB")

    def a_path_that_is_dead_is_found_out_and_replaced(self):
        with self.linked() as link:
            self.wait_typed("KeyA")
            self.freeze(link)
            self.wait_anew()
            # Also where something was on its way all the time.
            self.still(False)
            before = self.browser.painted()
            wait_for(lambda: all(self.browser.painted()[n] > before[n] for n in before), LONG, "the pictures stand still")
            self.freeze(link)
            self.wait_anew()

    def without_looking(self):
        """For the next page: nothing that waits for five seconds or more happens by itself."""
        return self.browser.driver.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", {"source": """
            delete HTMLCanvasElement.prototype.transferControlToOffscreen;     // all of it is in the page
            const interval = setInterval;
            window.setInterval = (f, ms) => (ms < 5000 ? interval(f, ms) : (window.looks = [...window.looks ?? [], f], 0));"""})

    def a_network_that_comes_back_is_a_reason_to_ask(self):
        mark = self.without_looking()
        try:
            with self.linked() as link:
                self.freeze(link)
                self.browser.js("window.dispatchEvent(new Event('online'))")
                self.wait_anew()
        finally:
            self.browser.driver.execute_cdp_cmd("Page.removeScriptToEvaluateOnNewDocument", mark)

    def a_page_that_slept_asks_though_all_was_well(self):
        mark = self.without_looking()
        try:
            self.standin.times = 0
            self.fresh()
            wait_for(lambda: self.standin.times, LONG, "the list's socket was asked nothing at first")
            look = "window.looks[0]()"      # of the list's socket, which is the first
            before = self.standin.times
            self.browser.js(look)           # the list came since
            self.browser.js(f"const now = Date.now; Date.now = () => now() + 60000; {look}; Date.now = now")
            wait_for(lambda: self.standin.times == before + 1, LONG, lambda: f"asked {self.standin.times - before} times")
        finally:
            self.browser.driver.execute_cdp_cmd("Page.removeScriptToEvaluateOnNewDocument", mark)

    def a_server_that_lets_in_and_says_nothing_is_tried_again(self):
        self.fresh()
        desktop = self.standin.desktops[2]
        desktop.silent = True
        try:
            before = desktop.turned_away
            self.standin.drop_streams(2)
            wait_for(lambda: desktop.turned_away > before + 1, LONG, "a socket that says nothing is kept")
        finally:
            desktop.silent = False
        self.browser.wait_states([2])

    def a_desktop_without_a_picture_waits_in_words(self):
        self.fresh()
        self.standin.desktops[2].state = "waiting"
        try:
            self.browser.open("about:blank")
            self.browser.open(self.standin.url)
            self.browser.wait_states([1, 3, 4])
            self.browser.wait_states([2], "waiting")
            wait_for(lambda: "first picture" in self.browser.text(".tile[data-scanout='2'] .message"), LONG,
                     "the tile does not say it")
            # Opened it says so too, and not again every second to who has it read out.
            self.open_full(2)
            wait_for(lambda: "first picture" in self.browser.text("#stage-message"), LONG, "the stage does not say it")
            again = self.browser.driver.execute_async_script(
                "const done = arguments[0]; let count = 0;"
                "new MutationObserver((list) => { count += list.length; }).observe("
                "document.querySelector('#stage-message'), {childList: true, characterData: true, subtree: true});"
                "setTimeout(() => done(count), 2500);")
            check(again == 0, f"the same was said {again} times more in 2.5 seconds")
        finally:
            self.standin.desktops[2].state = "live"
        self.browser.wait_states([2])

    def a_page_that_was_left_watches_nothing(self):
        self.fresh()
        self.browser.open("about:blank")
        wait_for(lambda: not self.sockets(), LONG, lambda: f"{self.sockets()} sockets are still open")
        self.browser.driver.back()
        self.browser.wait_states([1, 2, 3, 4])

    def a_hidden_strip_is_not_watched(self):
        self.fresh()
        self.open_full(1)
        self.browser.press("#strip-toggle")
        self.browser.wait_states([2, 3, 4], "paused")
        for scanout in (2, 3, 4):
            wait_for(lambda n=scanout: self.standin.desktops[n].rungs() == ["none"], LONG,
                     f"the server still sends scanout {scanout}")
        check(self.browser.desktops()[1]["state"] == "live", "the open desktop is not live")
        self.browser.press("#strip-toggle")
        self.browser.wait_states([1, 2, 3, 4])

    def the_grid_watches_thumbnails_and_the_open_desktop_is_full(self):
        self.fresh()
        desktop = self.standin.desktops[2]
        check(desktop.rungs() == ["thumb"], f"the grid watches {desktop.rungs()}")
        # The worker's canvas has its size a moment before the one in the page.
        wait_for(lambda: self.browser.desktops()[2]["canvasWidth"] == 480, LONG, "the thumbnail is none")
        check(self.browser.desktops()[2]["width"] == 1280, "the desktop has the size of its thumbnail")
        self.open_full(2)
        wait_for(lambda: self.browser.desktops()[2]["canvasWidth"] == 1280, LONG, "the full picture did not come")
        check(desktop.rungs() == ["full"], f"the full view watches {desktop.rungs()}")
        self.browser.js("location.hash = ''")
        wait_for(lambda: self.browser.desktops()[2]["canvasWidth"] == 480, LONG, "the thumbnail did not come back")
        check(self.browser.desktops()[2]["decoderErrors"] == 0, "changing rungs was an error of the decoder")

    def large_tiles_of_a_few_desktops_are_watched_in_full(self):
        self.fresh()
        rungs = lambda: {n: d.rungs() for n, d in self.standin.desktops.items()}

        def wait_rungs(open_one, others):
            wanted = {n: [open_one if n == 2 else others] for n in self.standin.desktops}
            wait_for(lambda: rungs() == wanted, 20, lambda: f"watched are {rungs()} instead of {wanted}")
        wait_rungs("thumb", "thumb")
        self.browser.resize(1600, 1000)
        wait_rungs("full", "full")
        # in full, and yet no more than a glance: the server is told the difference
        wait_for(lambda: all(d.tiles() == 1 for d in self.standin.desktops.values()), LONG, "the tiles do not say that they are")
        wait_for(lambda: all(d["canvasWidth"] == 1280 for d in self.browser.desktops().values()), 20,
                 lambda: f"the tiles have {self.browser.desktops()}")
        self.open_full(2)
        wait_rungs("full", "thumb")
        wait_for(lambda: self.standin.desktops[2].tiles() == 0, LONG, "the open desktop is watched as a tile")
        self.browser.js("location.hash = ''")
        wait_rungs("full", "full")
        wait_for(lambda: self.standin.desktops[2].tiles() == 1, LONG, "the tile is watched as an open desktop")
        self.browser.resize(1280, 720)
        wait_rungs("thumb", "thumb")

    def input_is_in_pixels_of_the_desktop_whatever_the_picture_is(self):
        self.fresh()
        desktop = self.standin.desktops[4]
        desktop.units, units = {**desktop.units, "full": desktop.units["thumb"]}, desktop.units
        try:
            self.open_full(4)
            self.browser.click(*self.browser.on_desktop(4, 1000, 600))
            wait_for(lambda: self.sent(4, "button"), LONG, "no click came")
            at = self.sent(4, "move")[-1]
            check(abs(at["x"] - 1000) <= 1 and abs(at["y"] - 600) <= 1, f"the click came at {at}")
        finally:
            desktop.units = units

    def streams_run_in_a_worker(self):
        self.fresh()
        check(self.browser.js("return window.helix.streams") == "worker", "the streams run in the page")

    def latency_is_measured_told_to_the_server_and_shown(self):
        desktop = self.standin.desktops[1]
        desktop.latencies = []
        self.fresh()
        wait_for(lambda: len(desktop.latencies) > 5, LONG, "the server was not told when frames were painted")
        check(all(0 <= us < LONG * 1e6 for us in desktop.latencies), f"the page told {desktop.latencies}")
        acks = [m for m in self.sent(1, "ack") if "painted" in m]
        check(all(m["received"] <= m["decoded"] <= m["painted"] for m in acks), f"out of order: {acks}")
        self.open_full(1)
        self.browser.press("#statistics-toggle")
        # Of the thumbnail's frames at first, then for a moment of none.
        wait_for(lambda: all(words in self.browser.text("#statistics-latency") for words in ("Flush to screen", "Encode")),
                 LONG, lambda: f"the panel says '{self.browser.text('#statistics')}'")
        rows = wait_for(lambda: self.browser.js("return [...document.querySelectorAll('#statistics-latency .total td')]"
                                                ".map((e) => +e.innerText)"), LONG, "the panel lost its figures")
        check(len(rows) == 3 and rows == sorted(rows), f"p50, p95 and p99 are {rows}")
        self.browser.screenshot(self.output / "page-statistics.png")
        self.browser.press("#statistics-close")
        check(not self.browser.text("#statistics"), "the panel does not close")

    # Control

    def other_viewer(self, scanout, role="control"):
        """A second viewer of a desktop, by hand."""
        before, self.standin.role = self.standin.role, role
        try:
            return connect(f"ws://127.0.0.1:{self.standin.port}/ws?desktop=vm:{scanout}", subprotocols=["helix.v1"],
                           max_size=None)
        finally:
            self.standin.role = before

    def number(self, scanout):
        return next(v.number for v in self.standin.desktops[scanout].viewers if v.rung == "full")

    def control_text(self):
        return self.browser.text("#control-text"), self.browser.text("#control")

    def wait_control(self, text, button):
        wait_for(lambda: self.control_text() == (text, button), LONG,
                 lambda: f"should say {(text, button)}, says {self.control_text()}")

    def told(self, socket, kind):
        """The next message of this type that the server sends to the other viewer."""
        deadline = time.monotonic() + LONG
        while time.monotonic() < deadline:
            text = socket.recv(timeout=LONG)
            if isinstance(text, str) and json.loads(text)["type"] == kind:
                return json.loads(text)
        raise AssertionError(f"no {kind} came")

    def the_first_press_takes_a_free_desktop_and_a_passing_mouse_does_not(self):
        self.fresh()
        self.open_full(1)
        self.wait_control("Nobody controls", "Take control")
        self.browser.mouse("mouseMoved", *self.browser.on_desktop(1, 300, 300))
        wait_for(lambda: self.sent(1, "move"), LONG, "the pointer of a free desktop does not follow the mouse")
        check(self.standin.desktops[1].controller is None, "the mouse alone took the desktop")
        self.wait_control("Nobody controls", "Take control")
        self.key("KeyA", True, "a")
        self.key("KeyA", False, "a")
        self.wait_control("You control", "Release control")
        self.browser.press("#control")
        self.wait_control("Nobody controls", "Take control")
        self.browser.press("#control")
        self.wait_control("You control", "Release control")
        self.browser.js("location.hash = ''")
        wait_for(lambda: self.standin.desktops[1].controller is None, LONG, "leaving the view keeps control")

    def control_is_asked_for_and_handed_over(self):
        self.standin.role = "control"
        try:
            self.fresh()
            self.open_full(1)
            with self.other_viewer(1) as other:
                self.told(other, "role")
                other.send(json.dumps({"type": "control", "action": "request"}))
                self.told(other, "control")
                holder = self.standin.desktops[1].controller
                self.wait_control(f"Viewer {holder} controls", "Ask for control")
                self.key("KeyA", True, "a")
                wait_for(lambda: "Ask for control" in self.browser.text("#said"), LONG, "a key that goes nowhere is silent")
                check(not self.sent(1, "key"), "a key was sent to a desktop that somebody else controls")
                self.browser.press("#control")
                asker = self.told(other, "control")["viewer"]
                check(asker == self.number(1), f"viewer {asker} asks, the page is {self.number(1)}")
                other.send(json.dumps({"type": "control", "action": "deny", "viewer": asker}))
                wait_for(lambda: "keeps it" in self.browser.text("#said"), LONG, "the refusal is not told")
                self.browser.press("#control")
                self.told(other, "control")
                other.send(json.dumps({"type": "control", "action": "grant", "viewer": asker}))
                self.wait_control("You control", "Release control")
                self.browser.screenshot(self.output / "page-control.png")
                # And back: the other asks, the page gives.
                other.send(json.dumps({"type": "control", "action": "request"}))
                wait_for(lambda: "asks for control" in self.browser.text("#asker"), LONG, "nobody sees who asks")
                self.browser.screenshot(self.output / "page-asked.png")
                self.browser.press("#asker-give")
                check(self.told(other, "control")["action"] == "granted", "the other was not granted control")
                self.wait_control(f"Viewer {holder} controls", "Ask for control")
            self.wait_control("Nobody controls", "Take control")
        finally:
            self.standin.role = "admin"

    def an_administrator_takes_control(self):
        self.fresh()
        self.open_full(1)
        with self.other_viewer(1) as other:
            self.told(other, "role")
            other.send(json.dumps({"type": "key", "code": "KeyQ", "down": True}))
            self.wait_control(f"Viewer {self.standin.numbers} controls", "Take control")
            self.browser.press("#control")
            self.wait_control("You control", "Release control")
            self.browser.js("location.hash = ''")
            wait_for(lambda: "2 viewers" in self.browser.text(".tile[data-scanout='1']"), LONG,
                     lambda: f"the tile says '{self.browser.text('.tile[data-scanout=' + chr(39) + '1' + chr(39) + ']')}'")

    def who_may_only_watch_sends_nothing(self):
        self.standin.role = "view"
        try:
            self.fresh()
            self.open_full(1)
            self.wait_control("Watching only", "")
            self.browser.click(*self.browser.on_desktop(1, 300, 300))
            self.key("KeyA", True, "a")
            wait_for(lambda: "lets you watch" in self.browser.text("#said"), LONG, "nothing says why a key goes nowhere")
            check(not self.sent(1, "key", "button", "move", "release"), f"sent {self.sent(1, 'key', 'button', 'move')}")
        finally:
            self.standin.role = "admin"

    def view_only_can_be_chosen(self):
        self.fresh()
        self.open_full(1)
        self.browser.press("#view-only")
        self.wait_control("View only", "")
        self.key("KeyA", True, "a")
        wait_for(lambda: "watch only" in self.browser.text("#said"), LONG, "nothing says why a key goes nowhere")
        check(not self.sent(1, "key"), "a key was sent all the same")
        self.browser.press("#view-only")
        self.key("KeyA", False, "a")
        self.key("KeyB", True, "b")
        wait_for(lambda: self.sent(1, "key"), LONG, "keys do not go there any more")

    def chord(self, code):
        """Ctrl+Alt+Shift with this key, as hands do it."""
        held = (("ControlLeft", "Control", 17, 2), ("AltLeft", "Alt", 18, 1), ("ShiftLeft", "Shift", 16, 8))
        modifiers = 0
        for name, key, number, bit in held:
            modifiers |= bit
            self.stroke_part("rawKeyDown", name, key, number, modifiers)
        for kind in ("rawKeyDown", "keyUp"):
            self.stroke_part(kind, code, code[-1], ord(code[-1]), modifiers)
        for name, key, number, bit in held:
            modifiers &= ~bit
            self.stroke_part("keyUp", name, key, number, modifiers)

    def stroke_part(self, kind, code, key, number, modifiers=0, **more):
        self.browser.driver.execute_cdp_cmd("Input.dispatchKeyEvent", {
            "type": kind, "code": code, "key": key, "windowsVirtualKeyCode": number, "modifiers": modifiers, **more})

    def stroke(self, code, key, number, modifiers=0, **more):
        """A key that also does what it does in the browser."""
        self.stroke_part("keyDown", code, key, number, modifiers, **more)
        self.stroke_part("keyUp", code, key, number, modifiers)

    def wait_focus(self, wanted):
        wait_for(lambda: self.browser.js("return document.activeElement.id") == wanted, LONG,
                 lambda: f"the focus should be on {wanted}, it is on {self.browser.js('return document.activeElement.id')}")

    def the_bar_is_reached_and_left_with_keys_alone(self):
        self.fresh()
        self.open_full(1)
        self.stroke("Tab", "Tab", 9)
        self.wait_focus("stage")
        self.chord("KeyB")
        self.wait_focus("back")
        wait_for(lambda: self.sent(1, "release"), LONG, "what was held down stayed down")
        check(not any(m["code"] == "KeyB" for m in self.sent(1, "key")), "the chord's B was sent to the desktop")
        buttons = self.browser.js("return [...document.querySelectorAll('#full-bar button')]"
                                  ".filter((e) => e.checkVisibility()).map((e) => e.id)")
        check(len(buttons) > 6, f"the bar has {buttons}")
        for button in buttons[1:] + ["stage"]:
            self.stroke("Tab", "Tab", 9)
            self.wait_focus(button)
        label = self.browser.js("return document.querySelector('#stage').getAttribute('aria-label')")
        check("Control Alt Shift B" in label, f"the stage says '{label}'")

    def who_is_asked_for_control_can_answer_with_keys_alone(self):
        self.standin.role = "control"
        try:
            self.fresh()
            self.open_full(1)
            self.key("KeyA", True, "a")
            self.key("KeyA", False, "a")
            self.wait_control("You control", "Release control")
            with self.other_viewer(1) as other:
                other.send(json.dumps({"type": "control", "action": "request"}))
                wait_for(lambda: "asks for control" in self.browser.text("#asker"), LONG, "nobody sees who asks")
                self.chord("KeyB")
                self.wait_focus("asker-keep")
                self.stroke("Enter", "Enter", 13, text="\r")
                check(self.told(other, "control")["action"] == "denied", "the other was granted control")
                self.wait_focus("stage")
                # And one that is over while the focus is on it.
                other.send(json.dumps({"type": "control", "action": "request"}))
                wait_for(lambda: "asks for control" in self.browser.text("#asker"), LONG, "nobody sees who asks")
                self.chord("KeyB")
                self.wait_focus("asker-keep")
                other_number = next(v.number for v in self.standin.desktops[1].viewers if v.number != self.number(1))
                self.standin.say(1, type="role", role="control", viewer=self.number(1), controller=other_number)
                self.wait_focus("stage")
        finally:
            self.standin.role = "admin"

    def what_is_only_watched_leaves_the_keys_to_the_browser(self):
        keys = [("F5", "F5", {}), ("KeyR", "r", {"ctrlKey": True}), ("KeyF", "f", {"ctrlKey": True}),
                ("Equal", "+", {"ctrlKey": True}), ("Tab", "Tab", {}), ("Escape", "Escape", {}), ("KeyA", "a", {})]

        def cancelled(*keys):
            """Of these, which do not get to the browser."""
            return self.browser.js("""
                return arguments[0].filter(([code, key, held]) => !document.querySelector('#stage').dispatchEvent(
                  new KeyboardEvent('keydown', {code, key, ...held, bubbles: true, cancelable: true})))
                  .map(([code]) => code)""", keys)
        self.fresh()
        self.open_full(1)
        self.browser.press("#view-only")
        self.wait_control("View only", "")
        self.wait_focus("stage")
        lost = cancelled(*keys[:-1])
        check(not lost, f"while it is only watched these are cancelled: {lost}")
        check(not self.browser.text("#said"), f"keys of the browser are answered: {self.browser.text('#said')}")
        check(not cancelled(keys[-1]) and "watch only" in self.browser.text("#said"), "typing is cancelled, or silent")
        label = lambda: self.browser.js("return document.querySelector('#stage').getAttribute('aria-label')")
        wait_for(lambda: "only watch" in label(), LONG, lambda: f"the stage says '{label()}'")
        self.stroke("Tab", "Tab", 9)
        wait_for(lambda: self.browser.js("return document.activeElement.id") != "stage", LONG, "Tab stays in the stage")
        self.browser.js("document.querySelector('#stage').focus()")
        self.chord("KeyB")
        self.wait_focus("back")
        self.browser.press("#view-only")
        wait_for(lambda: len(cancelled(*keys)) == len(keys), LONG, lambda: f"of a desktop's keys {cancelled(*keys)} get there")
        self.browser.js("location.hash = ''")

    # Cursor, clipboard, size, pointer lock

    def the_cursor_is_drawn_here_with_its_hotspot(self):
        self.fresh()
        self.open_full(1)
        self.standin.show_cursor(1, 24, 24, 6, 12, bytes([255, 0, 0, 255]) * (24 * 24))
        style = wait_for(lambda: (lambda c: "url" in c and c)(self.browser.js(
            "return document.querySelector('#stage').style.cursor")), LONG, "the cursor has no shape")
        scale = self.browser.box("#stage")["height"] / 720
        hot = tuple(map(int, style.split(")")[1].split(",")[0].split()))
        check(abs(hot[0] - 6 * scale) <= 1 and abs(hot[1] - 12 * scale) <= 1, f"the hotspot is at {hot} at scale {scale}")
        red = self.browser.driver.execute_async_script("""
            const done = arguments[0], image = new Image();
            image.onerror = () => done('cannot be loaded');
            image.onload = () => { const c = new OffscreenCanvas(4, 4).getContext('2d'); c.drawImage(image, 0, 0);
              done([...c.getImageData(2, 2, 1, 1).data].join()); };
            image.src = /url\\("([^"]*)"/.exec(document.querySelector('#stage').style.cursor)[1];""")
        check(red == "255,0,0,255", f"the cursor's picture is {red}")
        # One larger than browsers take is drawn above the picture, where the desktop says.
        self.standin.show_cursor(1, 256, 256, 0, 0, bytes([0, 0, 255, 255]) * (256 * 256))
        at = self.browser.on_desktop(1, 640, 360)

        def drawn():
            # Shown for two seconds, which may be over before anybody looks: say it again.
            self.standin.say(1, type="pointer", x=640, y=360)
            return self.browser.js("const e = document.querySelector('#pointer'), b = e.getBoundingClientRect();"
                                   "return !e.hidden && e.width === 256 && [b.x, b.y]")
        where = wait_for(drawn, LONG, "the large cursor is not drawn")
        check(abs(where[0] - at[0]) < 2 and abs(where[1] - at[1]) < 2, f"it is at {where}, not at {at}")
        self.standin.show_cursor(1, 0, 0, 0, 0, b"")
        wait_for(lambda: self.browser.js("return document.querySelector('#stage').dataset.cursor") == "hidden", LONG,
                 "a hidden cursor is shown")
        check(self.browser.js("return getComputedStyle(document.querySelector('#stage')).cursor") == "none",
              "the browser's cursor is shown in place of the hidden one")
        # What comes back without one draws its pointer into the picture: there are not two of them.
        self.standin.show_cursor(1, 24, 24, 6, 12, bytes([255, 0, 0, 255]) * (24 * 24))
        wait_for(lambda: "url" in self.browser.js("return document.querySelector('#stage').style.cursor"), LONG,
                 "the cursor has no shape")
        self.standin.desktops[1].cursor = None
        self.standin.drop_streams(1)
        wait_for(lambda: not self.browser.js("return document.querySelector('#stage').style.cursor"), LONG,
                 "the pointer of before is still shown")
        self.browser.wait_states([1])

    def who_watches_sees_the_pointer_of_who_controls(self):
        self.standin.role = "view"
        try:
            self.fresh()
            self.open_full(1)
            self.standin.show_cursor(1, 16, 16, 0, 0, bytes([255, 255, 0, 255]) * 256)
            self.standin.say(1, type="pointer", x=320, y=180)
            wait_for(lambda: self.browser.js("return !document.querySelector('#pointer').hidden"), LONG,
                     "no pointer is drawn")
            box, at = self.browser.box("#pointer"), self.browser.on_desktop(1, 320, 180)
            check(abs(box["x"] - at[0]) < 2 and abs(box["y"] - at[1]) < 2, f"it is at {box}, not at {at}")
            check(self.browser.js("return getComputedStyle(document.querySelector('#stage')).cursor") == "default",
                  "the own mouse looks like the desktop's pointer")
        finally:
            self.standin.role = "admin"
            self.standin.desktops[1].cursor = None

    def permit(self, *names):
        self.browser.driver.execute_cdp_cmd("Browser.grantPermissions", {"permissions": list(names)})

    def the_clipboard_goes_both_ways(self):
        self.fresh()
        self.permit("clipboardReadWrite", "clipboardSanitizedWrite")
        self.open_clipboard()
        self.browser.js("document.querySelector('#clipboard-box').value = 'to the desktop \u00e4'")
        self.browser.press("#clipboard-send")
        self.wait_sent(1, [{"type": "clipboard", "mime": "text/plain;charset=utf-8", "text": "to the desktop \u00e4"}],
                       "clipboard")
        self.standin.say(1, type="clipboard", mime="text/plain;charset=utf-8", text="from the desktop")
        wait_for(lambda: self.browser.js("return document.querySelector('#clipboard-box').value") == "from the desktop",
                 LONG, "what was copied in the desktop is not in the box")
        # By itself, once that is wanted.
        self.browser.press("#clipboard-auto")
        self.standin.say(1, type="clipboard", mime="text/plain;charset=utf-8", text="by itself")
        read = "const done = arguments[0]; navigator.clipboard.readText().then(done, (e) => done(String(e)));"
        wait_for(lambda: self.browser.driver.execute_async_script(read) == "by itself", LONG,
                 lambda: f"the clipboard has '{self.browser.driver.execute_async_script(read)}'")
        self.standin.desktops[1].received.clear()
        self.browser.driver.execute_async_script(
            "const done = arguments[0]; navigator.clipboard.writeText('mine').then(done, done)")
        self.browser.js("window.dispatchEvent(new Event('focus'))")
        wait_for(lambda: [m["text"] for m in self.sent(1, "clipboard")] == ["mine"], LONG,
                 lambda: f"the desktop got {self.sent(1, 'clipboard')}")
        self.browser.driver.execute_cdp_cmd("Browser.resetPermissions", {})

    def sharing_by_itself_takes_no_desktop_and_loses_no_copy(self):
        focus = "window.dispatchEvent(new Event('focus'))"
        read = "const done = arguments[0]; navigator.clipboard.readText().then(done, (e) => done(String(e)));"
        given = lambda n: [m["text"] for m in self.sent(n, "clipboard")]
        self.fresh()
        self.permit("clipboardReadWrite", "clipboardSanitizedWrite")
        self.browser.driver.execute_async_script(
            "const done = arguments[0]; navigator.clipboard.writeText('mine').then(done, done)")
        self.open_clipboard()
        self.browser.press("#clipboard-auto")
        wait_for(lambda: given(1) == ["mine"], LONG, lambda: f"the desktop got {given(1)}")
        self.browser.js("location.hash = ''")
        wait_for(lambda: self.standin.desktops[1].controller is None, LONG, "leaving the view keeps control")
        self.open_full(2)
        self.browser.js(focus)
        self.browser.settle()
        check(self.standin.desktops[2].controller is None and not given(2), "looking at a desktop took it")
        self.key("KeyA", True, "a")
        self.key("KeyA", False, "a")
        wait_for(lambda: given(2) == ["mine"], LONG, lambda: f"the desktop got {given(2)}")
        # Copied there while the browser lets nothing be written: that is not undone by what is older here.
        self.browser.js("navigator.clipboard.writeText = async () => { throw new DOMException('no', 'NotAllowedError'); }")
        self.standin.say(2, type="clipboard", mime="text/plain;charset=utf-8", text="theirs")
        wait_for(lambda: "did not let this page write" in
                 self.browser.js("return document.querySelector('#clipboard-status').textContent"), LONG, "nothing says so")
        self.browser.js("delete navigator.clipboard.writeText")
        self.browser.js(focus)
        wait_for(lambda: self.browser.driver.execute_async_script(read) == "theirs", LONG,
                 lambda: f"the clipboard has '{self.browser.driver.execute_async_script(read)}'")
        check(given(2) == ["mine"], f"the desktop got {given(2)}")
        self.browser.driver.execute_cdp_cmd("Browser.resetPermissions", {})

    def a_clipboard_that_is_not_shared_is_said_in_words(self):
        with self.taking(1, clipboard=False):
            self.fresh()
            self.open_clipboard()
            self.wait_clipboard("does not share its clipboard")
            check(not self.browser.text("#clipboard-shared"), "what cannot be shared is offered all the same")
        self.wait_clipboard("Give to desktop")
        check(not self.browser.text("#clipboard-why"), "there is still a reason")
        self.browser.js("document.querySelector('#clipboard-box').value = 'x'.repeat(300 * 1024)")
        self.browser.press("#clipboard-send")
        self.wait_clipboard("a desktop takes up to 256 KiB")
        # In JSON that is six times as long, and the server would hang up.
        self.browser.js("document.querySelector('#clipboard-box').value = '\\u0001'.repeat(200 * 1024)")
        self.browser.press("#clipboard-send")
        self.wait_clipboard("more control characters")
        self.standin.role = "view"
        try:
            self.fresh()
            self.open_clipboard()
            self.wait_clipboard("only who may use it")
        finally:
            self.standin.role = "admin"

    def wait_clipboard(self, words):
        wait_for(lambda: words in self.browser.text("#clipboard"), LONG,
                 lambda: f"the panel says '{self.browser.text('#clipboard')}'")

    def a_clipboard_that_the_browser_refuses_is_said_in_words(self):
        self.fresh()
        self.browser.driver.execute_cdp_cmd("Browser.setPermission", {
            "permission": {"name": "clipboard-read"}, "setting": "denied"})
        self.open_clipboard()
        self.browser.press("#clipboard-read")
        wait_for(lambda: "did not let" in self.browser.text("#clipboard-status"), LONG,
                 lambda: f"the words are '{self.browser.text('#clipboard-status')}'")
        self.browser.driver.execute_cdp_cmd("Browser.resetPermissions", {})

    def the_desktop_follows_the_window(self):
        self.fresh()
        try:
            self.open_full(2)
            self.browser.press("#control")
            self.wait_control("You control", "Release control")
            self.browser.press("#size")
            wait_for(lambda: self.sent(2, "resize"), LONG, "no size was asked for")
            box = self.browser.box("#stage")
            size = (int(box["width"]) & ~1, int(box["height"]) & ~1)

            def shown():
                facts = self.browser.desktops()[2]
                return facts["canvasWidth"], facts["canvasHeight"]
            wait_for(lambda: shown() == size, LONG, lambda: f"the picture is {shown()}, the window {size}")
            check(self.browser.desktops()[2]["decoderErrors"] == 0, "the new size was an error of the decoder")
            self.standin.desktops[2].received.clear()
            self.browser.resize(1000, 700)
            wait_for(lambda: shown()[0] == 1000, LONG, lambda: f"the picture is {shown()} in a window of 1000")
            check(len(self.sent(2, "resize")) == 1, f"one change of the window asked {self.sent(2, 'resize')}")
        finally:
            self.browser.js("localStorage.removeItem('helix.size')")
            desktop = self.standin.desktops[2]
            desktop.units, desktop.width, desktop.height = self.units[2], 1280, 720

    def a_desktop_that_keeps_its_size_is_said_in_words(self):
        self.fresh()
        self.standin.desktops[2].keeps_size = True
        try:
            self.open_full(2)
            self.browser.press("#control")
            self.wait_control("You control", "Release control")
            self.browser.press("#size")
            wait_for(lambda: "still has 1280×720" in self.browser.text("#said"), LONG,
                     lambda: f"it says '{self.browser.text('#said')}'")
        finally:
            self.browser.js("localStorage.removeItem('helix.size')")
            self.standin.desktops[2].keeps_size = False

    def a_locked_pointer_moves_relatively(self):
        with self.taking(3, absolute=False):
            self.fresh()
            self.open_full(3)
            self.key("ShiftLeft", True)
            self.key("ShiftLeft", False)
            self.wait_control("You control", "Release control")
            self.browser.js("document.querySelector('#stage').requestPointerLock = async function () {"
                            "Object.defineProperty(document, 'pointerLockElement', {get: () => this, configurable: true});"
                            "document.dispatchEvent(new Event('pointerlockchange')); }")
            self.browser.press("#lock")
            self.browser.js("window.dispatchEvent(new MouseEvent('mousemove', {movementX: 12, movementY: -5}))")
            self.wait_sent(3, [{"type": "rel", "dx": 12, "dy": -5}], "rel")
            check(not self.sent(3, "move"), "the position was sent as well")
            self.browser.js("delete document.pointerLockElement; document.dispatchEvent(new Event('pointerlockchange'))")

    def full_screen_asks_for_the_keys_of_the_browser(self):
        self.fresh()
        self.open_full(1)
        self.browser.js("window.locked = 0; navigator.keyboard.lock = async () => { window.locked++; }")
        box = self.browser.box("#fullscreen")
        self.browser.click(box["x"] + 8, box["y"] + 8)
        wait_for(lambda: self.browser.js("return Boolean(document.fullscreenElement)"), LONG, "it is not full screen")
        wait_for(lambda: self.browser.js("return window.locked") == 1, LONG, "the keyboard was not locked")
        wait_for(lambda: self.browser.js("return document.querySelector('#fullscreen').getAttribute('aria-pressed')")
                 == "true", LONG, "the button does not say that it is full screen")
        self.browser.driver.execute_async_script("document.exitFullscreen().then(arguments[0])")

    # Access

    def a_token_is_taken_from_the_address_and_lets_in(self):
        self.fresh()
        self.standin.tokens = {"good.token-1": "control"}
        try:
            self.browser.open("about:blank")
            self.browser.open(self.standin.url + "#token=good.token-1&desktop=vm:2")
            self.browser.wait_states([1, 2, 3, 4])
            address = self.browser.js("return location.href")
            check("token" not in address and address.endswith("#desktop=vm:2"), f"the address is {address}")
            check(self.browser.js("return window.helix.view") == 2, "the desktop in the link is not open")
            check(self.standin.asked >= 5, f"{self.standin.asked} tickets were asked for by five sockets")
            self.standin.drop_streams(2)
            self.browser.wait_states([2])
            # In this tab, also without the link.
            self.browser.driver.refresh()
            self.browser.wait_states([1, 2, 3, 4])
        finally:
            self.standin.tokens = None
            self.browser.js("try { sessionStorage.clear(); } catch { /* about:blank has none */ }")

    def whoever_is_not_let_in_is_told_why_and_what_to_do(self):
        self.fresh()
        self.standin.tokens = {"a": "expired", "b": "revoked", "c": "used", "d": "not-yet", "e": "failures",
                                "h": "connections", "i": "tickets", "g": "view"}
        try:
            for token, words in (("", "asks for a token"), ("a", "has expired"), ("b", "was withdrawn"),
                                 ("c", "worked only once"), ("d", "not valid yet"), ("e", "Too many wrong tokens"),
                                 ("h", "Too many connections"), ("i", "opened too often"), ("f", "does not accept your link")):
                self.browser.open("about:blank")
                wait_for(lambda: not self.sockets(), LONG, "the page that was left is still connected")
                self.browser.open(self.standin.url + (token and f"#token={token}"))
                wait_for(lambda: words in self.notice(), LONG,
                         lambda: f"token '{token}': the notice says '{self.notice()}'")
                check(not self.sockets(), "the page is connected all the same")
            self.browser.screenshot(self.output / "page-refused.png")
            # A good link in the same tab.
            self.browser.js("location.hash = '#token=g'")
            self.browser.wait_states([1, 2, 3, 4])
            wait_for(lambda: not self.notice(), LONG, lambda: f"the notice stays: '{self.notice()}'")
        finally:
            self.standin.tokens = None
            self.browser.js("try { sessionStorage.clear(); } catch { /* about:blank has none */ }")

    def another_link_in_the_same_tab_counts_at_once(self):
        self.fresh()
        self.standin.tokens = {"watch": "view", "use": "control"}
        try:
            self.browser.open("about:blank")
            self.browser.open(self.standin.url + "#token=watch&desktop=vm:1")
            self.browser.wait_states([1, 2, 3, 4])
            self.wait_control("Watching only", "")
            self.browser.js("location.hash = '#token=use&desktop=vm:1'")
            self.wait_control("Nobody controls", "Take control")
            self.browser.wait_states([1, 2, 3, 4])
        finally:
            self.standin.tokens = None
            self.browser.js("try { sessionStorage.clear(); } catch { /* about:blank has none */ }")

    def other_tab(self, open_it):
        """The handle of the tab that this opens, which is looked at from then on."""
        driver = self.browser.driver
        before = set(driver.window_handles)
        open_it()
        opened = wait_for(lambda: set(driver.window_handles) - before, LONG, "no other tab was opened").pop()
        driver.switch_to.window(opened)

    def another_tab_gets_in_while_one_is_open_that_was_let_in(self):
        self.fresh()
        driver = self.browser.driver
        first = driver.current_window_handle
        self.standin.tokens, self.standin.once = {"once": "control"}, {"once": "lasting"}
        try:
            self.browser.open("about:blank")
            self.browser.open(self.standin.url + "#token=once")
            self.browser.wait_states([1, 2, 3, 4])
            box = self.browser.box(".tile[data-scanout='2'] a")

            def ctrl_click():
                for kind in ("mousePressed", "mouseReleased"):
                    self.browser.mouse(kind, box["x"] + 50, box["y"] + 50, button="left", clickCount=1, modifiers=2)
            self.other_tab(ctrl_click)
            self.browser.wait_states([2])
            check(self.browser.js("return window.helix.view") == 2, "the desktop of the link is not open")
            found = self.browser.js("return [location.href, document.cookie, ...Object.values(localStorage)].join()")
            check("lasting" not in found and "once" not in found, f"the token is left in {found}")
            driver.close()
            driver.switch_to.window(first)
            # What the open tab does not show, its token is not given for; and none that is not good any more.
            self.other_tab(lambda: driver.switch_to.new_window("tab"))
            self.browser.open(self.standin.url + "#desktop=vm:9")
            wait_for(lambda: "asks for a token" in self.notice(), LONG, lambda: f"the notice says '{self.notice()}'")
            self.standin.refuse_all("revoked")
            wait_for(lambda: not self.sockets(), LONG, "the first tab is still connected")
            self.browser.open("about:blank")
            self.browser.open(self.standin.url + "#desktop=vm:2")
            wait_for(lambda: "asks for a token" in self.notice(), LONG, lambda: f"the notice says '{self.notice()}'")
            driver.close()
            driver.switch_to.window(first)
            wait_for(lambda: "was withdrawn" in self.notice(), LONG, lambda: f"the notice says '{self.notice()}'")
        finally:
            for handle in set(driver.window_handles) - {first}:
                driver.switch_to.window(handle)
                driver.close()
            driver.switch_to.window(first)
            self.standin.tokens, self.standin.once = None, {}
            self.browser.js("try { sessionStorage.clear(); } catch { /* about:blank has none */ }")

    def a_token_that_expires_ends_the_picture_in_words(self):
        self.fresh()
        self.standin.tokens = {"good": "control"}
        try:
            self.browser.open(self.standin.url + "#token=good")
            self.browser.wait_states([1, 2, 3, 4])
            before = self.standin.refused
            self.standin.refuse_all("expired")
            wait_for(lambda: "has expired" in self.notice(), LONG, lambda: f"the notice says '{self.notice()}'")
            check(self.standin.refused == before + 1, f"it took {self.standin.refused - before} questions to learn that")
            self.browser.press("#notice-retry")
            wait_for(lambda: self.standin.refused > before + 1 and "has expired" in self.notice(), LONG,
                     "the button does not try again")
            check(self.standin.refused == before + 2, f"{self.standin.refused - before} wrong tokens by one click")
        finally:
            self.standin.tokens = None
            self.browser.js("try { sessionStorage.clear(); } catch { /* about:blank has none */ }")

    # A desktop that nobody uses

    def ending(self, scanout):
        """What its tile says, and whether that has a button."""
        return self.browser.js("""
            const ends = document.querySelector(`.tile[data-scanout='${arguments[0]}'] .ends`);
            return ends.checkVisibility() ? [ends.querySelector('.ending').textContent,
                                             ends.querySelector('.keep').checkVisibility()] : null""", scanout)

    def wait_ending(self, scanout, wanted):
        wait_for(lambda: self.ending(scanout) == wanted, LONG, lambda: f"the tile says {self.ending(scanout)} and not {wanted}")

    def a_desktop_that_is_about_to_end_says_so_and_can_be_kept(self):
        self.fresh()
        check(self.ending(2) is None, "a desktop that stays says that it ends")
        self.standin.end_in(2, 47)
        self.wait_ending(2, ["Nobody uses it: ends in 47 s", True])
        self.standin.end_in(2, 300)
        self.wait_ending(2, ["Nobody uses it: ends in 5 min", True])
        check(self.ending(1) is None, "another desktop says that it ends")
        check(not self.browser.js(CONTRAST)["faint"], "the words cannot be read")
        wait_for(lambda: "Desktop 2: ends soon" in self.browser.js("return document.querySelector('#announcer').textContent"),
                 LONG, "who does not look is not told")
        self.browser.press(".tile[data-scanout='2'] .keep")
        self.wait_ending(2, None)
        check(self.standin.desktops[2].kept == 1, f"the server was told {self.standin.desktops[2].kept} times")
        check(self.browser.js("return window.helix.view") == "grid", "the button opened the desktop")
        # while it is open, too: a page that was in the background comes back to it
        self.open_full(3)
        self.standin.end_in(3, 9)
        wait_for(lambda: self.browser.text("#ending-text") == "Nobody uses it: ends in 9 s", LONG,
                 "the open desktop does not say that it ends")
        self.browser.press("#ending-keep")
        wait_for(lambda: self.standin.desktops[3].kept == 1, LONG, "the server was not told")
        wait_for(lambda: not self.browser.js("return document.querySelector('#ending').checkVisibility()"), LONG,
                 "the open desktop still says that it ends")
        self.browser.js("location.hash = ''")

    def who_may_only_watch_cannot_keep_a_desktop(self):
        self.standin.role = "view"
        try:
            self.fresh()
            self.standin.end_in(2, 47)
            self.wait_ending(2, ["Nobody uses it: ends in 47 s", False])
        finally:
            self.standin.role = "admin"
            self.standin.end_in(2, None)

    # Who does not see, and what else a page owes

    def changes_are_told_to_who_does_not_look(self):
        self.fresh()
        said = lambda: self.browser.js("return document.querySelector('#announcer').textContent")
        self.standin.gone(3)
        try:
            wait_for(lambda: "Desktop 3: gone" in said(), LONG, lambda: f"the live region says '{said()}'")
        finally:
            self.standin.back(3)
        check(self.browser.js("return document.querySelector('#announcer').getAttribute('role')") == "status", "no live region")

    def everything_has_a_name_and_can_be_reached_by_keys(self):
        self.fresh()
        self.open_full(1)
        for button in ("#keys-toggle", "#keys-more"):
            self.browser.press(button)
        self.browser.js("localStorage.removeItem('helix.keys')")
        nameless = self.browser.js("""
            return [...document.querySelectorAll('button, a, input, textarea, [role=application]')]
              .filter((e) => e.checkVisibility())
              .filter((e) => !(e.getAttribute('aria-label') || e.textContent.trim() || e.labels?.length))
              .map((e) => e.outerHTML.slice(0, 80))""")
        check(not nameless, f"without a name: {nameless}")
        unreachable = self.browser.js("return [...document.querySelectorAll('button, a')]"
                                      ".filter((e) => e.checkVisibility() && e.tabIndex < 0).map((e) => e.id)")
        check(not unreachable, f"no key leads to {unreachable}")

    def the_bar_fits_into_every_window(self):
        self.fresh()
        self.standin.desktops[1].name = "alice-development-workstation"
        try:
            self.open_full(1)
            with self.other_viewer(1) as other:
                other.send(json.dumps({"type": "key", "code": "KeyQ", "down": True}))
                wait_for(lambda: "controls" in self.browser.text("#control-text"), LONG, "nobody controls")
                for width in (320, 390, 720, 768, 900, 1024, 1200, 1201, 1440, 1801):
                    self.browser.resize(width, 700)
                    out = self.browser.js("return [...document.querySelectorAll('#full-bar button')].filter((e) => e.checkVisibility()"
                                          "&& e.getBoundingClientRect().right > innerWidth + .5).map((e) => e.id)")
                    check(not out, f"in a window of {width} there is no way to {out}")
        finally:
            self.standin.desktops[1].name = "Desktop 1"

    def words_stand_out_from_what_is_behind_them_in_both_themes(self):
        """WCAG's contrast: 4.5, and 3 for large type."""
        self.fresh()
        for scheme in ("dark", "light"):
            self.browser.scheme(scheme)
            for view in ("", "#scanout=2"):
                self.browser.js("location.hash = arguments[0]", view)
                self.browser.wait_states(self.standin.desktops)
                found = self.browser.js(CONTRAST)
                check(found["looked"] > 10, f"only {found['looked']} elements have words")
                check(not found["faint"], f"{scheme}, {view or 'grid'}: {found['faint']}")
        self.browser.scheme("dark")


def page_with_a_first_server():
    """What a server does not say is not shown, and all else works."""
    with StandIn(2, plain=True) as standin, Browser() as browser:
        browser.open(standin.url)
        browser.wait_states([1, 2])
        browser.js("location.hash = '#scanout=2'")
        wait_for(lambda: browser.js("return window.helix.view") == 2, LONG, "the full view did not open")
        browser.click(*browser.on_desktop(2, 600, 300))
        wait_for(lambda: any(m["type"] == "button" for m in standin.desktops[2].received), LONG, "no click came")
        shown = browser.js("return ['control', 'clipboard-toggle', 'size', 'lock'].filter("
                           "(id) => document.getElementById(id).checkVisibility())")
        check(not shown, f"shown though the server has none of it: {shown}")
        browser.js("location.hash = ''")
        browser.wait_states([1, 2])
        strange = [m for d in standin.desktops.values() for m in d.received
                   if m["type"] not in ("button", "move", "ack", "release", "keyframe")]
        check(not strange, f"the server was sent what it does not know: {strange}")


def page_without_a_worker():
    """The same in the page, where a browser lacks what the worker needs."""
    with StandIn(2) as standin, Browser() as browser:
        browser.driver.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", {
            "source": "delete HTMLCanvasElement.prototype.transferControlToOffscreen"})
        browser.open(standin.url)
        browser.wait_states([1, 2])
        check(browser.js("return window.helix.streams") == "page", "the streams do not run in the page")
        for scanout in (1, 2):
            points = browser.picture(scanout)
            most = max(set(points), key=points.count)
            check(nearest(most)[0] == scanout, f"scanout {scanout} shows {most}")
        browser.js("location.hash = '#scanout=2'")
        wait_for(lambda: browser.desktops()[2]["canvasWidth"] == 1280, LONG, "the full picture did not come")
        browser.open("about:blank")
        wait_for(lambda: not standin.desktops[2].viewers, LONG, "a page that was left still watches")
        browser.driver.back()
        browser.wait_states([1, 2])


def page_after_a_gpu_reset():
    """What was on the canvases is lost with the GPU process; of a still desktop nothing comes by itself."""
    with StandIn(2) as standin, Browser(gpu=True) as browser:
        browser.open(standin.url)
        browser.wait_states([1, 2])

        def all_shown():
            most = {n: max(set(points), key=points.count) for n in standin.desktops if (points := browser.points(n))}
            return len(most) == 2 and all(distance(most[n], rgb(BACKGROUNDS[n])) <= TOLERANCE for n in most)
        wait_for(all_shown, LONG, "the desktops are not shown")
        for desktop in standin.desktops.values():
            desktop.paused = True
        wait_for(lambda: not any(d["rate"] for d in browser.desktops().values()), LONG, "the pictures do not stand still")
        before = browser.painted()
        browser.driver.execute_cdp_cmd("Browser.crashGpuProcess", {})
        wait_for(lambda: all(browser.painted()[n] > before[n] for n in before), LONG, "nothing was painted after the reset")
        wait_for(all_shown, LONG, lambda: f"the desktops are not shown again: {[browser.points(n, 2, 2) for n in (1, 2)]}")


class FirefoxTest:
    """The same page in Firefox, which has a decoder, a worker and a canvas of its own."""

    def __init__(self, stack, output):
        self.stack, self.output = stack, output

    # Started by the first case that is wanted.

    @functools.cached_property
    def standin(self):
        return self.stack.enter_context(StandIn(2))

    @functools.cached_property
    def browser(self):
        return self.stack.enter_context(Firefox())

    def fresh(self):
        self.browser.open("about:blank")
        self.browser.open(self.standin.url)
        missing = wait_for(lambda: self.browser.js("return window.helix && (window.helix.missing ?? window.helix.ready)"),
                           LONG, "the page does not come up")
        if missing is not True:
            raise Skip(f"this build: {missing['title']}")
        self.browser.wait_states(self.standin.desktops)

    def firefox_shows_each_desktop_its_own_picture(self):
        self.fresh()
        for scanout in self.standin.desktops:
            points = self.browser.picture(scanout)
            most = max(set(points), key=points.count)
            check(nearest(most)[0] == scanout, f"scanout {scanout} shows {most}, which is of {nearest(most)[0]}")
        before = self.browser.painted()
        wait_for(lambda: all(self.browser.painted()[n] > before[n] + 5 for n in before), LONG, "the pictures stand still")
        self.browser.screenshot(self.output / "page-firefox.png")

    def firefox_sends_keys_and_clicks_to_the_open_desktop(self):
        self.fresh()
        self.browser.js("location.hash = '#scanout=2'")
        wait_for(lambda: self.browser.desktops()[2]["canvasWidth"] == 1280, LONG, "the full picture did not come")
        desktop = self.standin.desktops[2]
        desktop.received.clear()
        self.browser.click(*self.browser.on_desktop(2, 600, 300))
        self.browser.type("a")

        def sent(kind):
            return [m for m in list(desktop.received) if m["type"] == kind]
        wait_for(lambda: [(m["code"], m["down"]) for m in sent("key")] == [("KeyA", True), ("KeyA", False)], LONG,
                 lambda: f"the desktop got {sent('key')}")
        check([m["down"] for m in sent("button")] == [True, False], f"the click came as {sent('button')}")
        at = sent("move")[-1]
        check(abs(at["x"] - 600) <= 2 and abs(at["y"] - 300) <= 2, f"the click came at {at}")
        check(not self.standin.desktops[1].controller, "another desktop was taken as well")

    def firefox_connects_again_by_itself(self):
        self.fresh()
        self.standin.down()
        try:
            self.browser.wait_states([1, 2], "lost")
        finally:
            self.standin.up()
        before = self.browser.painted()
        self.browser.wait_states([1, 2])
        wait_for(lambda: all(self.browser.painted()[n] > before[n] for n in before), LONG, "no frames after the return")

    def firefox_measures_latency(self):
        self.fresh()
        wait_for(lambda: all(d.latencies for d in self.standin.desktops.values()), LONG, "the server was told none")
        check(not any(d["decoderErrors"] for d in self.browser.desktops().values()), "the decoder had errors")


def cases_of(test):
    """[(what must hold, method)] in the order of the class."""
    names = [name for name, value in vars(type(test)).items()
             if callable(value) and not name.startswith("__") and name.count("_") > 1]
    return [(name.replace("_", " "), getattr(test, name)) for name in names]


def page_of_fifteen(output):
    with StandIn(15, width=640, height=360, fps=5) as standin, Browser() as browser:
        browser.open(standin.url)
        browser.wait_states(standin.desktops)
        fits = browser.js("const m = document.querySelector('main'); return m.scrollHeight <= m.clientHeight "
                          "&& m.scrollWidth <= m.clientWidth")
        check(fits, "fifteen tiles do not fit into 1440x900 without scrolling")
        rungs = {r for d in standin.desktops.values() for r in d.rungs()}
        check(rungs == {"thumb"}, f"of fifteen the page watches {rungs}")
        browser.screenshot(output / "page-15.png")
        browser.resize(390, 800)
        browser.wait_states([1, 2])
        wide = browser.js("return document.documentElement.scrollWidth")
        check(wide <= 390, f"the page is {wide} pixels wide on a phone of 390")
        browser.wait_states([15], "paused")
        browser.settle()
        browser.screenshot(output / "page-15-phone.png")
        browser.resize(1440, 900)
        browser.scheme("light")
        browser.wait_states(standin.desktops)
        browser.screenshot(output / "page-15-light.png")


def page_without_storage(output):
    denied = "; ".join(f"Object.defineProperty(window, '{name}', {{get() {{ throw new DOMException('denied', 'SecurityError'); }}}})"
                       for name in ("localStorage", "sessionStorage", "BroadcastChannel"))
    with StandIn(2) as standin, Browser() as browser:
        browser.driver.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", {"source": denied})
        browser.open(standin.url)
        browser.wait_states([1, 2])
        browser.press(".tile[data-scanout='1'] a")
        wait_for(lambda: browser.js("return window.helix.view") == 1, LONG, "the full view did not open")
        browser.press("#strip-toggle")
        wait_for(lambda: browser.js("return document.documentElement.dataset.strip") == "off", LONG, "the strip stays")
        browser.press("#size")
        wait_for(lambda: browser.js("return document.querySelector('#size').ariaPressed") == "true", LONG,
                 "the size is not chosen")


def page_without_decoder(output):
    with StandIn(1) as standin, Browser() as browser:
        for title, words, script in (
                ("no WebCodecs", "no WebCodecs", "delete window.VideoDecoder"),
                ("no H.264", "cannot decode H.264",
                 "VideoDecoder.isConfigSupported = async () => ({supported: false})"),
                ("no secure context", "only over HTTPS",
                 "Object.defineProperty(window, 'isSecureContext', {value: false})")):
            mark = browser.driver.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", {"source": script})
            browser.open(standin.url)
            wait_for(lambda: words in browser.text("#notice"), LONG,
                     lambda: f"{title}: the notice says '{browser.text('#notice')}'")
            check(not standin.event_sockets, f"{title}: the page connected all the same")
            browser.driver.execute_cdp_cmd("Page.removeScriptToEvaluateOnNewDocument", mark)
        browser.screenshot(output / "page-cannot-decode.png")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=pathlib.Path, default=pathlib.Path("build/e2e"))
    parser.add_argument("--only", default="", help="only the cases with this text in their name")
    options = parser.parse_args()
    start = time.monotonic()
    with contextlib.ExitStack() as stack:
        standin, browser = stack.enter_context(StandIn(4)), stack.enter_context(Browser())
        cases = cases_of(PageTest(standin, browser, options.output)) + [
            ("fifteen fit on one screen and scroll on a phone", lambda: page_of_fifteen(options.output)),
            ("a server that says less gets less", page_with_a_first_server),
            ("a browser without a worker for video decodes in the page", page_without_a_worker),
            ("a still desktop is shown again after the GPU was reset", page_after_a_gpu_reset),
            ("a browser that keeps nothing shows the page all the same", lambda: page_without_storage(options.output)),
            ("a browser that cannot decode is told why", lambda: page_without_decoder(options.output)),
        ] + cases_of(FirefoxTest(stack, options.output))
        status = run([c for c in cases if options.only in c[0]])
    print(f"# all took {time.monotonic() - start:.0f} s")
    return status


if __name__ == "__main__":
    sys.exit(main())
