# SPDX-License-Identifier: GPL-2.0-only
"""What the tests ask of the page in any browser, and headless Chromium with the page in it."""

import shutil
import tempfile
import time

from selenium import webdriver
from selenium.common.exceptions import TimeoutException, WebDriverException
from selenium.webdriver.chrome.service import Service

from report import wait_for

FLAGS = (
    "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--disable-dev-shm-usage", "--hide-scrollbars", "--force-color-profile=srgb",
    # A test's window is never in front of anything; rAF must go on all the same.
    "--disable-backgrounding-occluded-windows", "--disable-renderer-backgrounding",
)

GPU_FLAGS = (*(flag for flag in FLAGS if flag != "--disable-gpu"),
             "--use-angle=swiftshader", "--enable-unsafe-swiftshader", "--ignore-gpu-blocklist", "--enable-gpu-rasterization")

# Pixels are read in the page: a grid of points, so that no picture has to travel.
SAMPLE = """
const [scanout, columns, rows] = arguments;
const canvas = window.helix.desktops.find((d) => d.scanout === scanout)?.canvas;
if (!canvas || !canvas.width) return null;
// The canvas itself may belong to a worker, which alone can read it.
const copy = new OffscreenCanvas(canvas.width, canvas.height).getContext('2d', {willReadFrequently: true});
copy.drawImage(canvas, 0, 0);
const data = copy.getImageData(0, 0, canvas.width, canvas.height).data;
const points = [];
for (let r = 0; r < rows; r++)
  for (let c = 0; c < columns; c++) {
    const x = Math.floor((c + 0.5) * canvas.width / columns), y = Math.floor((r + 0.5) * canvas.height / rows);
    const at = (y * canvas.width + x) * 4;
    points.push([data[at], data[at + 1], data[at + 2]]);
  }
return points;
"""

# All pixels of a rectangle of the picture.
REGION = """
const [scanout, x, y, width, height] = arguments;
const canvas = window.helix.desktops.find((d) => d.scanout === scanout)?.canvas;
if (!canvas || !canvas.width) return null;
const copy = new OffscreenCanvas(width, height).getContext('2d', {willReadFrequently: true});
copy.drawImage(canvas, -x, -y);
const data = copy.getImageData(0, 0, width, height).data;
const pixels = [];
for (let at = 0; at < data.length; at += 4)
  pixels.push([data[at], data[at + 1], data[at + 2]]);
return pixels;
"""

DESKTOPS = """
return window.helix ? window.helix.desktops.map(({canvas, ...rest}) => ({...rest,
  canvasWidth: canvas.width, canvasHeight: canvas.height, canvasScanout: canvas.dataset.scanout})) : [];
"""


class Page:
    """What can be asked of the page in any browser that has js(script, *arguments) and console()."""

    def desktops(self):
        """{scanout: facts} as window.helix has them."""
        return {d["scanout"]: d for d in self.js(DESKTOPS)}

    def wait_states(self, scanouts, state="live", seconds=60):
        """Until each of these desktops has this state."""
        def there():
            found = self.desktops()
            return all(found.get(n, {}).get("state") == state for n in scanouts) and found

        def instead():
            return (f"waited for scanouts {sorted(scanouts)} to be {state}; the page has "
                    f"{ {n: d['state'] for n, d in self.desktops().items()} }; console: {self.console()}")
        return wait_for(there, seconds, instead)

    def points(self, scanout, columns=40, rows=24):
        """Colours at a regular grid of points of one desktop's canvas, [] before a picture."""
        return [tuple(p) for p in self.js(SAMPLE, scanout, columns, rows) or []]

    def picture(self, scanout):
        """As points(), once there is one: a worker's picture is on the page a moment after it was painted."""
        return wait_for(lambda: self.points(scanout), 60, f"the canvas of scanout {scanout} stays empty")

    def region(self, scanout, x, y, width, height):
        """Colours of all pixels of this rectangle of the picture, [] before there is one."""
        return [tuple(p) for p in self.js(REGION, scanout, x, y, width, height) or []]

    def painted(self):
        """{scanout: frames painted so far}."""
        return {n: d["framesPainted"] for n, d in self.desktops().items()}

    def text(self, selector):
        """What can be read there; '' when it is not shown."""
        return self.js("const e = document.querySelector(arguments[0]);"
                       "return e?.checkVisibility() ? e.innerText : ''", selector)

    def press(self, selector):
        """A click on a control of the page, wherever it is."""
        self.js("document.querySelector(arguments[0]).click()", selector)

    def box(self, selector):
        """The element's rectangle in the window."""
        return self.js("const b = document.querySelector(arguments[0])?.getBoundingClientRect();"
                       "return b && {x: b.x, y: b.y, width: b.width, height: b.height}", selector)

    def on_desktop(self, scanout, x, y):
        """Window coordinates of a pixel of the open desktop's stream."""
        desktop = self.desktops()[scanout]
        box = self.box("#stage")
        scale = min(box["width"] / desktop["width"], box["height"] / desktop["height"])
        return (box["x"] + (box["width"] - desktop["width"] * scale) / 2 + (x + 0.5) * scale,
                box["y"] + (box["height"] - desktop["height"] * scale) / 2 + (y + 0.5) * scale)


class Browser(Page):
    """One Chromium with one window. Use as a context manager."""

    def __init__(self, width=1440, height=900, dark=True, disable_features="", gpu=False):
        """gpu: pictures are in a GPU process, which may crash; it needs no GPU."""
        self.profile = tempfile.mkdtemp(prefix="helix-e2e-")
        options = webdriver.ChromeOptions()
        options.binary_location = "/usr/bin/chromium"
        for flag in GPU_FLAGS if gpu else FLAGS:
            options.add_argument(flag)
        if disable_features:
            options.add_argument(f"--disable-blink-features={disable_features}")
        options.add_argument(f"--user-data-dir={self.profile}")
        options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
        try:
            self.driver = webdriver.Chrome(options=options, service=Service("/usr/bin/chromedriver"))
        except WebDriverException:
            shutil.rmtree(self.profile, ignore_errors=True)
            raise
        self.driver.set_script_timeout(60)
        self.driver.set_page_load_timeout(60)
        self.resize(width, height)
        self.scheme("dark" if dark else "light")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        try:
            self.driver.quit()
        finally:
            shutil.rmtree(self.profile, ignore_errors=True)

    def resize(self, width, height):
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", {
            "width": width, "height": height, "deviceScaleFactor": 1, "mobile": False})
        # Or what is measured next may be of the window as it was.
        wait_for(lambda: self.js("return [innerWidth, innerHeight]") == [width, height], 60,
                 f"the window does not get the size {width}x{height}")

    def scheme(self, name):
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {
            "features": [{"name": "prefers-color-scheme", "value": name}]})

    def open(self, url):
        try:
            self.driver.get(url)
        except TimeoutException as error:
            raise AssertionError(f"{url} did not load: {error}") from error

    def js(self, script, *arguments):
        return self.driver.execute_script(script, *arguments)

    def mouse(self, kind, x, y, **more):
        self.driver.execute_cdp_cmd("Input.dispatchMouseEvent", {"type": kind, "x": x, "y": y, **more})

    def click(self, x, y, button="left"):
        self.mouse("mouseMoved", x, y)
        self.mouse("mousePressed", x, y, button=button, clickCount=1)
        self.mouse("mouseReleased", x, y, button=button, clickCount=1)

    def screenshot(self, path):
        path.parent.mkdir(parents=True, exist_ok=True)
        self.driver.save_screenshot(str(path))

    def console(self):
        """The page's console since the last call."""
        return [entry["message"] for entry in self.driver.get_log("browser")][-10:]

    def settle(self, seconds=0.5):
        """For screenshots only, never for a verdict."""
        time.sleep(seconds)
