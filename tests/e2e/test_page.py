#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""The page in headless Chromium against the stand-in server: what the real
server cannot be made to do at will. Prints TAP; needs no VM.

  test_page.py [--output build/e2e] [--only TEXT]
"""

import argparse
import pathlib
import sys
import time

from browser import Browser
from patterns import BACKGROUNDS, distance, nearest, rgb
from standin import StandIn
from tap import check, run, wait_for

TOLERANCE = 14                      # of a channel, for what H.264 does to a flat colour


class PageTest:
    """One stand-in and one browser for all cases; each case leaves them as it found them."""

    def __init__(self, standin, browser, output):
        self.standin = standin
        self.browser = browser
        self.output = output

    # Helpers

    def fresh(self):
        """The grid, live, with nothing remembered of earlier cases."""
        self.browser.resize(1440, 900)
        for desktop in self.standin.desktops.values():
            desktop.garbage, desktop.paused, desktop.codec = 0, False, "avc1.42C01F"
        self.browser.open("about:blank")
        self.browser.open(self.standin.url)
        self.browser.wait_states(self.standin.desktops)
        for desktop in self.standin.desktops.values():
            desktop.received.clear()

    def open_full(self, scanout):
        self.browser.js("document.querySelector(`.tile[data-scanout='${arguments[0]}'] a`).click()", scanout)
        wait_for(lambda: self.browser.js("return window.helix.view") == scanout, 10,
                 f"the full view of scanout {scanout} did not open")
        self.standin.desktops[scanout].received.clear()

    def sent(self, scanout, *types):
        return [m for m in list(self.standin.desktops[scanout].received) if m["type"] in types]

    def wait_sent(self, scanout, expected, *types):
        wait_for(lambda: self.sent(scanout, *types) == expected, 10,
                 lambda: f"the server should have got {expected}, it got {self.sent(scanout, *types)}")

    def key(self, code, down, key="", modifiers=0):
        self.browser.driver.execute_cdp_cmd("Input.dispatchKeyEvent", {
            "type": "rawKeyDown" if down else "keyUp", "code": code, "key": key or code, "modifiers": modifiers})

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
        wait_for(lambda: self.browser.text("#summary") == "4 desktops, 4 live", 10,
                 lambda: f"summary says '{self.browser.text('#summary')}'")
        self.browser.screenshot(self.output / "page-grid.png")

    def each_canvas_shows_its_own_stream(self):
        self.fresh()
        for scanout in BACKGROUNDS.keys() & self.standin.desktops.keys():
            points = self.browser.points(scanout)
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
        wait_for(lambda: self.browser.js("return window.helix.view") == "grid", 10, "the chord did not lead back")
        wait_for(lambda: self.sent(3, "release"), 10, "no release was sent")
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
        wait_for(lambda: self.browser.js("return window.helix.view") == 2, 10, "Enter did not open desktop 2")
        check(self.browser.js("return document.activeElement.id") == "stage", "the stage has not the focus")
        box = self.browser.box("#back")
        self.browser.click(box["x"] + 10, box["y"] + 10)
        wait_for(lambda: self.browser.js("return window.helix.view") == "grid", 10, "the button did not lead back")

    def points_are_mapped_through_the_bars(self):
        self.fresh()
        for width, height in ((1440, 900), (700, 900), (1600, 500)):
            self.browser.resize(width, height)
            self.open_full(1)
            for x, y in ((0, 0), (1279, 719), (640, 360), (17, 703)):
                self.standin.desktops[1].received.clear()
                at = self.browser.on_desktop(1, x, y)
                self.browser.click(*at)
                wait_for(lambda: len(self.sent(1, "button")) == 2, 10, f"no click came at {x},{y} in {width}x{height}")
                got = [m for m in self.sent(1, "move")][-1]
                # A pixel of the window may be more than one of the stream.
                check(abs(got["x"] - x) <= 2 and abs(got["y"] - y) <= 2,
                      f"{x},{y} in a window of {width}x{height} came as {got}")
            self.browser.js("location.hash = ''")
            wait_for(lambda: self.browser.js("return window.helix.view") == "grid", 10, "not back in the grid")

    def a_point_on_a_bar_is_the_nearest_edge(self):
        self.fresh()
        self.open_full(1)
        box = self.browser.box("#stage")
        self.browser.click(box["x"] + 3, box["y"] + box["height"] / 2)
        wait_for(lambda: len(self.sent(1, "button")) == 2, 10, "no click came")
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

    def losing_the_focus_releases_everything(self):
        self.fresh()
        self.open_full(1)
        self.key("KeyC", True, "c")
        wait_for(lambda: self.sent(1, "key"), 10, "the key did not come")
        self.browser.js("window.dispatchEvent(new Event('blur'))")
        wait_for(lambda: self.sent(1, "release"), 10, "no release came after the window lost the focus")

    def the_context_menu_is_not_the_browsers(self):
        self.fresh()
        self.open_full(1)
        allowed = self.browser.js("return document.querySelector('#stage').dispatchEvent("
                                  "new MouseEvent('contextmenu', {bubbles: true, cancelable: true}))")
        check(not allowed, "the context menu of the browser is not suppressed")

    def a_tap_clicks_and_a_long_press_is_the_right_button(self):
        self.fresh()
        self.open_full(1)
        x, y = self.browser.on_desktop(1, 640, 360)
        touch = {"x": x, "y": y}

        def dispatch(kind, points):
            self.browser.driver.execute_cdp_cmd("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})
        dispatch("touchStart", [touch])
        dispatch("touchEnd", [])
        self.wait_sent(1, [{"type": "button", "button": 0, "down": down} for down in (True, False)], "button")
        self.standin.desktops[1].received.clear()
        dispatch("touchStart", [touch])
        self.wait_sent(1, [{"type": "button", "button": 2, "down": down} for down in (True, False)], "button")
        dispatch("touchEnd", [])

    def typed_text_becomes_keys(self):
        self.fresh()
        self.open_full(4)
        self.browser.js("document.querySelector('#typing-toggle').click()")
        wait_for(lambda: self.browser.js("return document.activeElement.id") == "typing", 10, "no place to type appeared")
        self.browser.driver.execute_cdp_cmd("Input.insertText", {"text": "a!"})
        codes = [("KeyA", True), ("KeyA", False), ("ShiftLeft", True), ("Digit1", True), ("Digit1", False),
                 ("ShiftLeft", False)]
        self.wait_sent(4, [{"type": "key", "code": c, "down": d} for c, d in codes], "key")

    def a_decoder_error_is_recovered_from_at_a_key_frame(self):
        self.fresh()
        before = self.browser.desktops()[1]
        self.standin.desktops[1].garbage = 3
        wait_for(lambda: self.browser.desktops()[1]["decoderErrors"] > before["decoderErrors"], 20,
                 "broken video was not an error of the decoder")
        # The request goes out at once and is answered with a key frame.
        after = wait_for(lambda: self.browser.desktops()[1]["keyframesAsked"] > before["keyframesAsked"]
                         and self.browser.desktops()[1], 10, "no key frame was asked for")
        wait_for(lambda: self.browser.desktops()[1]["framesPainted"] > after["framesPainted"] + 5, 20,
                 lambda: f"no picture came after the error: {self.browser.desktops()[1]}")
        check(self.sent(1, "keyframe"), "the server did not get the request")
        self.browser.wait_states([1])

    def a_decoder_that_keeps_failing_is_said_in_words(self):
        self.fresh()
        self.standin.desktops[1].garbage = 10 ** 6
        facts = self.browser.wait_states([1], "failed", 30)[1]
        check("decoder failed" in facts["explanation"], f"the words are '{facts['explanation']}'")
        check(self.browser.desktops()[2]["state"] == "live", "the other desktops are not live any more")
        self.standin.desktops[1].garbage = 0
        self.browser.wait_states([1], "live", 20)

    def a_codec_the_browser_lacks_is_said_in_words(self):
        self.fresh()
        self.standin.desktops[2].codec = "avc1.FFFFFF"
        facts = self.browser.wait_states([2], "failed", 20)[2]
        check("cannot decode" in facts["explanation"], f"the words are '{facts['explanation']}'")
        check("cannot decode" in self.browser.text(".tile[data-scanout='2'] .message"), "the tile does not say it")
        check(self.browser.desktops()[1]["state"] == "live", "the other desktops are not live any more")
        self.browser.screenshot(self.output / "page-no-codec.png")
        self.standin.desktops[2].codec = "avc1.42C01F"
        self.browser.wait_states([2], "live", 20)

    def an_odd_size_is_shown_without_the_coded_edge(self):
        desktop = self.standin.desktops[2]
        desktop.width, desktop.height = 1279, 719
        try:
            self.fresh()
            self.open_full(2)

            def size():
                facts = self.browser.desktops()[2]
                return facts["canvasWidth"], facts["canvasHeight"]
            wait_for(lambda: size() == (1279, 719), 10, lambda: f"the canvas is {size()}")
        finally:
            desktop.width, desktop.height = 1280, 720

    def video_keeps_up_after_a_lost_stream(self):
        self.fresh()
        before = self.browser.painted()
        self.standin.drop_streams(3)
        self.browser.wait_states([3], "live", 20)
        wait_for(lambda: self.browser.painted()[3] > before[3] + 10, 20, "no frames after the stream came back")

    def the_newest_frame_is_acknowledged(self):
        self.fresh()
        acks = wait_for(lambda: len(self.sent(1, "ack")) > 3 and self.sent(1, "ack"), 20, "no acknowledgements came")
        check(all(a["seq"] < b["seq"] for a, b in zip(acks, acks[1:])), f"acknowledgements do not rise: {acks}")

    def an_idle_desktop_stays_live(self):
        self.fresh()
        self.standin.desktops[4].paused = True
        wait_for(lambda: self.browser.desktops()[4]["rate"] == 0, 20, "frames of a still desktop go on")
        check(self.browser.desktops()[4]["state"] == "live", "a still desktop is not live")
        self.standin.desktops[4].paused = False

    def a_gone_desktop_says_so_and_comes_back(self):
        self.fresh()
        self.open_full(3)
        self.standin.gone(3)
        self.browser.wait_states([3], "gone", 10)
        check("ended" in self.browser.text("#stage-message"), "the full view does not say that the desktop ended")
        self.browser.screenshot(self.output / "page-desktop-gone.png")
        self.browser.js("document.querySelector('#back').click()")
        wait_for(lambda: self.browser.js("return document.querySelector(\".tile[data-scanout='3']\").hidden"), 10,
                 "the tile of a desktop that is gone stays")
        check(self.browser.desktops()[1]["state"] == "live", "the other desktops are not live any more")
        self.standin.back(3)
        self.browser.wait_states([3], "live", 20)
        check(not self.browser.js("return document.querySelector(\".tile[data-scanout='3']\").hidden"),
              "the tile of a desktop that came back stays away")

    def a_server_that_goes_is_reported_and_found_again(self):
        self.fresh()
        self.standin.down()
        try:
            self.browser.wait_states([1, 2, 3, 4], "lost", 20)
            wait_for(lambda: "server is gone" in self.notice(), 20, lambda: f"the notice says '{self.notice()}'")
            check(self.browser.points(1), "the last picture should stay")
            self.browser.screenshot(self.output / "page-server-gone.png")
        finally:
            self.standin.up()
        before = self.browser.painted()
        self.browser.wait_states([1, 2, 3, 4], "live", 30)
        wait_for(lambda: all(self.browser.painted()[n] > before[n] for n in before), 20, "no frames after the return")
        wait_for(lambda: not self.notice(), 10, lambda: f"the notice stays: '{self.notice()}'")

    def a_desktop_without_a_picture_waits_in_words(self):
        self.fresh()
        self.standin.desktops[2].state = "waiting"
        try:
            self.browser.open("about:blank")
            self.browser.open(self.standin.url)
            self.browser.wait_states([1, 3, 4])
            self.browser.wait_states([2], "waiting", 10)
            check("first picture" in self.browser.text(".tile[data-scanout='2'] .message"), "the tile does not say it")
        finally:
            self.standin.desktops[2].state = "live"
        self.browser.wait_states([2], "live", 20)

    def a_page_that_was_left_watches_nothing(self):
        self.fresh()
        self.browser.open("about:blank")
        open_now = lambda: (len(self.standin.event_sockets)
                            + sum(len(d.sockets) for d in self.standin.desktops.values()))
        wait_for(lambda: open_now() == 0, 10, lambda: f"{open_now()} sockets are still open")
        self.browser.driver.back()
        self.browser.wait_states([1, 2, 3, 4], "live", 20)

    def a_hidden_strip_is_not_watched(self):
        self.fresh()
        self.open_full(1)
        self.browser.js("document.querySelector('#strip-toggle').click()")
        self.browser.wait_states([2, 3, 4], "paused", 10)
        check(self.browser.desktops()[1]["state"] == "live", "the open desktop is not live")
        self.browser.js("document.querySelector('#strip-toggle').click()")
        self.browser.wait_states([1, 2, 3, 4], "live", 20)


def page_of_fifteen(output):
    with StandIn(15, width=640, height=360, fps=5) as standin, Browser() as browser:
        browser.open(standin.url)
        browser.wait_states(standin.desktops)
        fits = browser.js("const m = document.querySelector('main'); return m.scrollHeight <= m.clientHeight "
                          "&& m.scrollWidth <= m.clientWidth")
        check(fits, "fifteen tiles do not fit into 1440x900 without scrolling")
        browser.screenshot(output / "page-15.png")
        browser.resize(390, 800)
        browser.wait_states([1, 2], "live", 10)
        wide = browser.js("return document.documentElement.scrollWidth")
        check(wide <= 390, f"the page is {wide} pixels wide on a phone of 390")
        browser.wait_states([15], "paused", 10)
        browser.settle()
        browser.screenshot(output / "page-15-phone.png")
        browser.resize(1440, 900)
        browser.scheme("light")
        browser.wait_states(standin.desktops)
        browser.screenshot(output / "page-15-light.png")


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
            wait_for(lambda: words in browser.text("#notice"), 10,
                     lambda: f"{title}: the notice says '{browser.text('#notice')}'")
            check(not standin.event_sockets, f"{title}: the page connected all the same")
            browser.driver.execute_cdp_cmd("Page.removeScriptToEvaluateOnNewDocument", mark)
        browser.screenshot(output / "page-cannot-decode.png")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=pathlib.Path, default=pathlib.Path("build/e2e"))
    parser.add_argument("--only", default="", help="only the cases with this text in their name")
    options = parser.parse_args()
    with StandIn(4) as standin, Browser() as browser:
        test = PageTest(standin, browser, options.output)
        names = [name for name, value in vars(PageTest).items()
                 if callable(value) and not name.startswith("__") and name.count("_") > 1]
        cases = [(name.replace("_", " "), getattr(test, name)) for name in names]
        cases.append(("fifteen fit on one screen and scroll on a phone", lambda: page_of_fifteen(options.output)))
        cases.append(("a browser that cannot decode is told why", lambda: page_without_decoder(options.output)))
        start = time.monotonic()
        status = run([c for c in cases if options.only in c[0]])
        print(f"# all took {time.monotonic() - start:.0f} s")
    return status


if __name__ == "__main__":
    sys.exit(main())
