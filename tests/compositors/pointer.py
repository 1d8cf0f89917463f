# SPDX-License-Identifier: GPL-2.0-only
"""A desktop's pointer, from the compositor's cursor plane to where the page draws it."""
from common import Hand
from browser import Browser
from report import HANG, check, wait_long

AT = (300, 200)
NEAR = 4        # pixels from where it points to the top left of what can be seen of an arrow
# The page's pointer, as a rectangle around what is not transparent.
DRAWN = """
const canvas = document.querySelector('#pointer'), box = canvas.getBoundingClientRect();
if (canvas.hidden || !canvas.width) return null;
const {width, height} = canvas, data = canvas.getContext('2d').getImageData(0, 0, width, height).data;
const seen = [...data.keys()].filter((at) => at % 4 === 3 && data[at]).map((at) => (at - 3) / 4);
const xs = seen.map((at) => at % width), ys = seen.map((at) => Math.floor(at / width)), scale = box.width / width;
return {width, height, pixels: seen.length, left: box.x + Math.min(...xs) * scale, top: box.y + Math.min(...ys) * scale,
        right: box.x + (Math.max(...xs) + 1) * scale, bottom: box.y + (Math.max(...ys) + 1) * scale, scale};
"""


def is_drawn(exportd, scanout, record):
    """One viewer moves an arrow; the page, which looks on, draws it with its tip there."""
    with Browser() as page, Hand(exportd.port, scanout) as hand:
        page.open(f"{exportd.url}#scanout={scanout}")
        page.wait_states({scanout}, seconds=HANG)
        hand.socket.send({"type": "control", "action": "take"})
        hand.move(AT[0] // 2, AT[1] // 2)
        found = {}

        def arrives():
            hand.move(*AT)
            found.update(page.js(DRAWN) or {}, at=page.on_desktop(scanout, *AT))
            return "pixels" in found and all(abs(found[side] - want) <= NEAR * max(found["scale"], 1)
                                             for side, want in zip(("left", "top"), found["at"]))
        try:
            wait_long(arrives, lambda: f"the page draws it at {found}, and not at {AT}")
        finally:
            page.screenshot(record)
        check(found["pixels"] < found["width"] * found["height"] / 2, f"that is no arrow: {found}")
    return f"{found['width']}x{found['height']}, {found['pixels']} pixels of it to be seen"
