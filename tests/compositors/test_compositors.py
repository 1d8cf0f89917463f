#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""Real compositors as tenants: each comes up on its scanout, is seen and used by a viewer, and is refused nothing.

One boot; one compositor after the other, unmodified from Debian 13, each in
namespaces of its own with what the container specification of its scanout says.
Prints TAP. Runs in the build root, with the environment of scripts/with-parts and
HELIX_COMPOSITORS, the cache entry of their root file system. GNOME Shell has an
image and a test of its own, test_gnome.py.
"""
import base64
import json
import os
import re
import sys
import time
from pathlib import Path

sys.dont_write_bytecode = True
HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))
from common import Hand, kernel_quiet, picture, resize, share_of  # noqa: E402
import pointer  # noqa: E402
from calm import calm  # noqa: E402
from PIL import Image  # noqa: E402
from report import HANG, check, run_whole, wait_long as wait_for  # noqa: E402
from vm.system import System  # noqa: E402

OUTPUT = Path("build/compositors")
SIZE, OTHER_SIZE = (1024, 768), (1280, 720)
FOLLOWS = {"kwin"}              # by itself, if it has the time; the others take a size only with a monitor that is plugged in
POINTED = {"tenant-sway"}       # what GL drew for a cursor plane; what is copied into one comes another way through QEMU

# name, variant of its start script, scanout, what is dominant on its screen (None: only that it is not black)
TENANTS = (
    ("weston", "", 1, (0x20, 0x60, 0xa0)),
    ("weston", "pixman", 2, (0x20, 0x60, 0xa0)),
    ("sway", "", 3, (0xa0, 0x60, 0x20)),
    ("sway", "pixman", 4, (0xa0, 0x60, 0x20)),
    ("labwc", "", 5, (0x20, 0xa0, 0x60)),
    ("cage", "", 6, None),
    ("kwin", "", 7, None),
    ("kwin", "own-name", 8, None),
)


class Tenant:
    """One compositor, from its lease to the end of it."""

    def __init__(self, system, compositor, variant, scanout, colour):
        self.system = system
        self.agent = system.agent
        self.compositor = compositor
        self.variant = variant
        self.scanout = scanout
        self.colour = colour
        self.unit = "-".join(filter(None, ("tenant", compositor, variant)))
        self.size = SIZE

    def start(self):
        self.agent.check(
            f"systemd-run --quiet --collect --unit={self.unit} helixctl run --scanout {self.scanout} "
            f"--size {SIZE[0]}x{SIZE[1]} --label {self.unit} -- /run/compositors/tenant {self.compositor} {self.variant}")

    def query(self):
        rows = json.loads(self.agent.check("helixctl list --json"))
        return next(row for row in rows if row["scanout"] == self.scanout)

    def alive(self):
        return self.agent.run(f"systemctl is-active --quiet {self.unit}").status == 0

    def log(self, lines=60):
        return self.agent.run(f"journalctl -q --no-pager -o cat -u {self.unit} | tail -n {lines}").out

    def input_log(self):
        """What its client says of the input that it got."""
        return self.agent.run(f"cat /run/compositors/input-{self.scanout}").out

    def kms(self):
        """(whether its CRTC is active, who made the framebuffer on its primary plane), as the kernel says."""
        text = self.agent.check("cat /sys/kernel/debug/dri/*02.0/state 2>/dev/null || cat /sys/kernel/debug/dri/0/state")
        output = self.query()["output"]
        crtc = re.search(rf"^crtc\[\d+\]: crtc-{output}\n(?:\t.*\n)*", text, re.M)
        plane = re.search(rf"^plane\[\d+\]: .*\n\tcrtc=crtc-{output}\n(?:\t.*\n)*", text, re.M)
        maker = plane and re.search(r"allocated by = (\S+)", plane.group(0))
        return bool(crtc and "\tactive=1" in crtc.group(0)), maker.group(1) if maker else None

    def comes_up(self):
        deadline = time.monotonic() + HANG
        while True:
            active, maker = self.kms()
            if active and maker:
                return maker
            check(self.alive(), f"it ended:\n{self.log()}")
            check(time.monotonic() < deadline, f"after {HANG} s its CRTC is {'active' if active else 'off'}, "
                  f"framebuffer of {maker}:\n{self.log()}")
            time.sleep(1)

    def looks_right(self, image):
        if image.size != self.size:
            return False, f"the picture is {image.size}"
        if self.colour is None:
            pixels = list(image.resize((128, 96), Image.NEAREST).getdata())
            lit = sum(max(p) > 48 for p in pixels) / len(pixels)
            return lit > 0.002, f"{lit:.1%} of it is not black"
        near = share_of(image, self.colour)
        return near > 0.3, f"{near:.0%} of it has the background's colour {self.colour}"

    def is_seen(self):
        deadline = time.monotonic() + HANG
        while True:
            good, text = self.looks_right(picture(self.system, self.scanout, OUTPUT / self.unit))
            if good:
                return text
            check(self.alive(), f"it ended:\n{self.log()}")
            check(time.monotonic() < deadline, f"{text}:\n{self.log()}")

    def gets_input(self):
        """A client gets clicks and fingers where it is, and then, having the focus, keys."""
        places = [(self.size[0] * x // 8, self.size[1] * y // 8) for y in (4, 6, 3) for x in (4, 2, 6)]
        before = len(self.input_log())
        with Hand(self.system.exportd.port, self.scanout) as hand:

            def until(act, pattern, what):
                """Again and again: the client may not be there yet, or be elsewhere."""
                def done():
                    for place in places:
                        act(*place)
                    return re.search(pattern, self.input_log()[before:])
                return wait_for(done, lambda: f"{what}:\n{self.input_log()[-2000:]}\n{self.log(20)}", every=1).group(0)

            until(hand.click, r"wl_pointer\] button: .*\(left\), state: 1", "a click")
            until(lambda *_: hand.key("KeyK"), r"sym: k ", "the key K")
            until(hand.tap, r"wl_touch\] down: ", "a finger")

    def takes_size(self):
        """And then the one that it had: who took one size is to take the next."""
        times = []
        for size in (OTHER_SIZE, SIZE):
            replugs = resize(self.system, self.scanout, size, lambda: self.log(20))
            check(self.compositor in FOLLOWS or replugs == 1, f"for {size} its monitor was plugged in again {replugs} times:\n{self.log(20)}")
            self.size = size
            self.is_seen()
            times.append(replugs)
        return f"its monitor was plugged in again {times} times"

    def stop(self):
        self.agent.run(f"systemctl stop {self.unit}", HANG)
        deadline = time.monotonic() + HANG
        while self.query()["state"] != "free":
            check(time.monotonic() < deadline, f"scanout {self.scanout} is {self.query()['state']} long after its tenant")
            time.sleep(0.5)


def boot(system):
    system.start()
    system.machine.wait_agent(HANG)
    agent = system.agent
    calm(agent, "weston-simple-.*")
    agent.check("mkdir -p /run/compositors && cp /usr/libexec/helix-login1 /usr/share/helix-login1/system-bus.conf /run/compositors/")
    for path in sorted(HERE.iterdir()):
        if path.suffix not in (".py", ".packages") and path.is_file():
            data = base64.b64encode(path.read_bytes())
            agent.run(f"base64 -d > /run/compositors/{path.name}; chmod 755 /run/compositors/{path.name}", HANG, data)
    # What the broker says of a scanout once the kernel has all of its input devices.
    agent.check("for i in $(seq 240); do [ -e /dev/helix/scanout15 ] && mountpoint -q /var/lib/helix/images/desktop && "
                f"[ $(grep -c event /run/helix/cdi/{len(TENANTS)}/nspawn) = 3 ] && exit; sleep 0.5; done; exit 1", HANG)
    # Refusals go to the kernel's log, so that a test can say which they were.
    agent.check("echo 0x80 > /sys/module/drm/parameters/debug; udevadm settle --timeout=120", HANG)


def try_one(report, tenant):
    name = tenant.unit.removeprefix("tenant-")
    agent = tenant.agent
    before = tenant.query()["denials"]
    agent.check("dmesg -C")

    def denials():
        said = "\n".join(line for line in agent.check("dmesg").splitlines() if "denied" in line)
        refused = tenant.query()["denials"] - before
        check(refused == 0, f"{refused} calls were refused:\n{said}")

    def comes_up():
        tenant.start()
        return f"the framebuffer on its primary plane was made by {tenant.comes_up()}"

    if report.case(f"{name}: comes up, with a framebuffer of its own on its scanout", comes_up):
        report.case(f"{name}: a viewer sees what it draws", tenant.is_seen)
        report.case(f"{name}: a client in it gets what the viewer does", tenant.gets_input)
        if tenant.unit in POINTED:
            report.case(f"{name}: its pointer is on the page where it points", lambda: pointer.is_drawn(
                tenant.system.exportd, tenant.scanout, OUTPUT / f"{tenant.unit}-pointer.png"))
        if not tenant.variant and report.case(f"{name}: takes each size of a viewer's window, and is seen in it", tenant.takes_size):
            report.case(f"{name}: a client in it gets what the viewer does then, too", tenant.gets_input)
        report.case(f"{name}: was refused nothing", denials)
        report.case(f"{name}: gives its scanout back when it ends", tenant.stop)
    else:
        print("\n".join("# " + line for line in agent.check("dmesg").splitlines()[-20:]))
        tenant.stop()
    (OUTPUT / f"{tenant.unit}.log").write_text(tenant.log(2000) + tenant.input_log())


def tried(report, after):
    OUTPUT.mkdir(parents=True, exist_ok=True)
    os.environ["HELIX_DESKTOP_IMAGE"] = os.environ["HELIX_COMPOSITORS"]
    wanted = sys.argv[1:]
    # Memory and input devices for all; none is started with the guest.
    system = System(len(TENANTS), os.environ.get("ACCEL", ""), 0, OUTPUT / "run")
    after.callback(system.stop)
    system.machine.autostart = 0
    if report.case("a guest with the compositors' image", lambda: boot(system)):
        for which in TENANTS:
            if not wanted or which[0] in wanted:
                try_one(report, Tenant(system, *which))
        report.case("the guest's kernel has nothing to complain about", lambda: kernel_quiet(system.agent))


if __name__ == "__main__":
    sys.exit(run_whole(tried))
