#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""End to end with as many real desktops as a VM has scanouts: the page in headless Chromium.

Expects what test_desktops.py does, of fifteen desktops. The last one runs
weston-simple-touch and nothing else, and so stands still. Prints TAP.

  test_fifteen.py --url http://127.0.0.1:8800/ [--output build/e2e]
"""

import argparse
import itertools
import json
import pathlib
import sys
from urllib.request import urlopen

from browser import Browser
from patterns import BACKGROUNDS, distance, rgb
from report import check, run, wait_for
from test_desktops import LIVE_S, REACTION_S, TOLERANCE, DesktopsTest, Stuck, cases_of

DESKTOPS = 15
TYPED = 14                          # into the terminal of this one
TOUCHED = 15
MARK = 20                           # pixels that fingers must have painted


class FifteenTest(DesktopsTest):
    def wait_painting(self, scanouts, seconds=REACTION_S, frames=3):
        super().wait_painting([n for n in scanouts if n != TOUCHED], seconds, frames)

    def viewers(self, scanout):
        with urlopen(self.url + "api/desktops", timeout=REACTION_S) as response:
            return next(d["viewers"] for d in json.load(response) if d["scanout"] == scanout)

    # Cases, in the order of a visit

    def all_fifteen_are_on_the_page_and_become_live(self):
        self.the_page_lists_the_desktops_and_all_become_live()
        self.the_api_lists_the_same_desktops()
        check({d["rung"] for d in self.browser.desktops().values()} == {"thumb"}, "a grid of fifteen is watched in full")

    def each_of_fifteen_shows_its_own_background_and_no_others(self):
        def shares(scanout):
            points = self.browser.points(scanout)
            return {n: sum(distance(p, rgb(BACKGROUNDS[n])) <= TOLERANCE for p in points) / max(1, len(points))
                    for n in self.scanouts}
        for scanout in self.scanouts:
            wait_for(lambda n=scanout: shares(n)[n] >= 0.12, REACTION_S,
                     lambda n=scanout: f"scanout {n} does not show its own background, shares are {shares(n)}")
            found = shares(scanout)
            check(all(found[other] < 0.03 for other in self.others(scanout)), f"scanout {scanout} shows another's: {found}")
        self.browser.screenshot(self.output / "fifteen.png")

    def pictures_of_all_go_on_side_by_side(self):
        self.wait_painting(self.scanouts)

    def what_is_typed_in_one_of_fifteen_appears_there_and_only_there(self):
        self.colour = self.paint_terminal(TYPED)

    def a_second_viewer_of_one_joins_sees_the_same_and_leaves(self):
        wait_for(lambda: self.viewers(TYPED) == 1, REACTION_S, lambda: f"{self.viewers(TYPED)} viewers before")
        with Browser() as second:
            second.open(f"{self.url}#scanout={TYPED}")
            second.wait_states([TYPED], seconds=LIVE_S)
            second.press("#strip-toggle")    # it is there for one desktop
            other = DesktopsTest(second, self.url, self.scanouts, self.output)
            wait_for(lambda: other.painted_share(TYPED, self.colour) > 0.04, REACTION_S, "it does not see what was typed")
            wait_for(lambda: self.viewers(TYPED) == 2, REACTION_S, lambda: f"{self.viewers(TYPED)} viewers with it")
            self.wait_painting(self.scanouts)
        wait_for(lambda: self.viewers(TYPED) == 1, REACTION_S, lambda: f"{self.viewers(TYPED)} viewers after it")
        self.wait_painting(self.scanouts)

    def one_of_fifteen_stops_reading_and_the_others_go_on(self):
        with Stuck(self.url, self.scanouts[0]) as stuck:
            stuck.ask()
            for _ in range(3):
                self.wait_painting(self.scanouts)

    def fingers_reach_a_client_of_that_desktop(self):
        """weston-simple-touch paints a red mark wherever the first finger is."""
        self.open_full(TOUCHED)
        facts = self.browser.desktops()[TOUCHED]
        ground, columns, rows = rgb(BACKGROUNDS[TOUCHED]), 40, 24

        def window():
            """(column, row) of the points in its translucent window, which makes the background lighter."""
            points = self.browser.points(TOUCHED, columns, rows)
            return [(i % columns, i // columns) for i, p in enumerate(points)
                    if min(p[c] - ground[c] for c in range(3)) > 30 and max(p) - min(p) < 40]
        wait_for(lambda: len(window()) > columns * rows // 10, REACTION_S, lambda: f"no window to touch: {len(window())} points")
        inside = window()
        x = (sum(c for c, _ in inside) / len(inside) + 0.5) * facts["width"] / columns
        y = (sum(r for _, r in inside) / len(inside) + 0.5) * facts["height"] / rows

        def red():
            pixels = self.browser.region(TOUCHED, int(x) - 8, int(y) - 8, 64, 24)
            return sum(r - max(g, b) > 50 for r, g, b in pixels)
        check(red() == 0, f"{red()} pixels are red before anything touched it")
        driver = self.browser.driver
        driver.execute_cdp_cmd("Emulation.setTouchEmulationEnabled", {"enabled": True, "maxTouchPoints": 5})

        def touch(kind, *points):
            driver.execute_cdp_cmd("Input.dispatchTouchEvent", {"type": kind, "touchPoints": [
                {"x": px, "y": py, "id": 1} for px, py in points]})

        def drag(line):
            touch("touchStart", self.browser.on_desktop(TOUCHED, x, y + line))
            for step in range(1, 16):
                touch("touchMove", self.browser.on_desktop(TOUCHED, x + 3 * step, y + line))
            touch("touchEnd")
        lines = itertools.cycle(range(8))       # only the last of positions that wait counts: one drag may mark little
        try:
            wait_for(lambda: drag(next(lines)) or red() >= MARK, REACTION_S,
                     lambda: f"touched at {x:.0f},{y:.0f}: {red()} pixels are red", every=1)
        finally:
            driver.execute_cdp_cmd("Emulation.setTouchEmulationEnabled", {"enabled": False})
            self.browser.screenshot(self.output / "touch.png")
        self.back()

    def no_decoder_error_happened_with_fifteen(self):
        self.no_decoder_error_happened_in_all_this()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--url", required=True)
    parser.add_argument("--output", type=pathlib.Path, default=pathlib.Path("build/e2e"))
    parser.add_argument("--only", default="", help="only the cases with this text in their name, and the first")
    options = parser.parse_args()
    with Browser() as browser:
        cases = cases_of(FifteenTest(browser, options.url.rstrip("/") + "/", list(range(1, DESKTOPS + 1)), options.output))
        return run(cases[:1] + [c for c in cases[1:] if options.only in c[0]])


if __name__ == "__main__":
    sys.exit(main())
