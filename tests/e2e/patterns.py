# SPDX-License-Identifier: GPL-2.0-only
"""The known pattern of each desktop: its background colour.

The guest image gives desktop N (on scanout N) this background; the tests and
the stand-in server use the same table, so a picture names its own desktop.
"""

BACKGROUNDS = {
    1: "#1f4e79", 2: "#7a2e2e", 3: "#2e6b3a", 4: "#6a4c93", 5: "#8a5a00",
    6: "#00666b", 7: "#7a2e62", 8: "#4d5a1f", 9: "#34495e", 10: "#935116",
    11: "#0b7a43", 12: "#5b2c6f", 13: "#a64b6b", 14: "#2b2b8c", 15: "#424949",
}


def rgb(colour):
    """'#rrggbb' as a tuple of three numbers."""
    return tuple(int(colour[i:i + 2], 16) for i in (1, 3, 5))


def distance(a, b):
    """The largest difference in any of the three channels."""
    return max(abs(x - y) for x, y in zip(a, b))


def nearest(colour):
    """(scanout, distance) of the background nearest to this colour."""
    return min(((n, distance(colour, rgb(c))) for n, c in BACKGROUNDS.items()),
               key=lambda pair: pair[1])
