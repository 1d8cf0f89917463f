#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""`make run DESKTOP=gnome`: two desktops with GNOME Shell, unmodified from Debian 13, used as a browser would.

One boot for all cases, in order. Prints TAP. Runs in the build root, with the environment
of scripts/with-parts for DESKTOP=gnome. Names of cases as arguments: only these, and the first.
"""
import json
import os
import re
import sys
from pathlib import Path

sys.dont_write_bytecode = True
HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))
from common import Hand, TOP, kernel_quiet, picture, resize, share_of  # noqa: E402
from report import HANG, check, run_whole, wait_long as wait_for  # noqa: E402
from vm.system import System  # noqa: E402

OUTPUT = Path("build/gnome")
DESKTOPS = 2
CLIPBOARD = 2   # the desktop that has the clipboard
SIZE, OTHER_SIZE = (1280, 720), (1024, 768)
COLOURS = [tuple(bytes.fromhex(line)) for line in (TOP / "guest/desktop/colours").read_text().split()]

TERMINAL, EDITOR = (0x1e, 0x1e, 0x1e), (0xff, 0xff, 0xff)   # what each is full of
# Some 20 kB in several languages: many of the agent's messages.
TEXT = "\n".join(f"{n}: clipboard, Zwischenablage, 剪贴板, \U0001f4cb" for n in range(400))

# Two colours side by side, and another one once a finger was on it.
PAINTED, TOUCHED = ((0xf0, 0xc0, 0x00), (0x00, 0xa0, 0xf0)), (0xe0, 0x30, 0x20)
PAGE = f"""<!doctype html>
<title>page</title>
<body style="height: 100vh; margin: 0; background: linear-gradient(90deg, rgb{PAINTED[0]} 50%, rgb{PAINTED[1]} 50%)"
 onpointerdown="if (event.pointerType == 'touch') document.body.style.background = 'rgb{TOUCHED}'">
"""


class Gnome:
    def __init__(self, system):
        self.system = system
        self.agent = system.agent
        self.numbers = range(1, DESKTOPS + 1)
        self.first = {}

    def inside(self, n, command):
        """In the container of desktop n, as its user."""
        return self.agent.run(["/usr/bin/crun", "exec", f"helix-{n}", "/bin/sh", "-c", command], HANG)

    def log(self, n, lines=30):
        return self.agent.run(f"tail -n {lines} /run/helix/desktops/{n}/log/session.log").out

    def shells(self):
        """desktop -> (PID of its container's first process, of its GNOME Shell)."""
        found = {}
        for n in self.numbers:
            text = self.agent.run(f"crun state helix-{n} | jq -r .pid").out.strip()
            shell = self.inside(n, "pgrep -x gnome-shell").out.strip()
            if text.isdigit() and shell.isdigit():
                found[n] = (int(text), int(shell))
        return found

    def leases(self):
        return {row["scanout"]: row["generation"] for row in json.loads(self.agent.check("helixctl list --json"))
                if row["state"] == "leased"}

    def processes(self, n):
        return self.inside(n, "ps axo pid,rss,time,args | cut -c 1-160").out

    def file(self, n, name):
        return self.inside(n, f"cat ~/{name}").out

    def wait_window(self, n, name, colour):
        """Until a window that is full of this colour is seen."""
        wait_for(lambda: share_of(picture(self.system, n, OUTPUT / name), colour) > 0.2,
                 lambda: f"a window of colour {colour} in desktop {n}:\n{self.processes(n)}\n{self.log(n)}", every=2)

    # --- the cases, in order ---

    def comes_up(self):
        self.system.start()
        self.system.machine.wait_agent(HANG)
        self.system.wait_live()
        wait_for(lambda: set(self.shells()) == set(self.numbers), lambda: f"a GNOME Shell in each: {self.shells()}\n{self.log(1)}")
        self.first = self.shells()
        self.granted = self.leases()
        check(set(self.granted) == set(self.numbers), f"leased are {self.granted}")
        # Who sees a window can type into it.
        for n in self.numbers:
            self.wait_window(n, f"desktop-{n}", TERMINAL)

    def renderer(self):
        for n, text in self.system.renderers().items():
            check(text and text.startswith("virgl"), f"desktop {n} is drawn by {text}:\n{self.log(n)}")
        return str(self.system.renderers())

    def pictures(self):
        """Each has its own background around its terminal, and its shell's bar on top of it."""
        for n in self.numbers:
            image = picture(self.system, n, OUTPUT / f"desktop-{n}")
            check(image.size == SIZE, f"desktop {n} is {image.size}")
            for other in self.numbers:
                share = share_of(image, COLOURS[other - 1])
                check(share > 0.1 if other == n else share < 0.01, f"desktop {n} has {share:.0%} of {other}'s background")
            bar = [image.getpixel((x, 3)) for x in range(300, 500, 10)]
            check(max(max(p) for p in bar) < 64, f"desktop {n} has no dark bar on top: {bar[:3]}")

    def types(self, hand, n, command, name, expected):
        """Types a command until the file that it writes is there: the window may be there before its keyboard."""
        def arrived():
            # After Escape a shell takes the next key for another; and what came of a command before is in its line.
            hand.type(" ")
            hand.key("KeyU", "ControlLeft")
            hand.type(command)
            try:
                return wait_for(lambda: re.search(expected, self.file(n, name)), "", 15)
            except AssertionError:
                hand.key("Escape")      # the overview, if it has the keyboard
                return False
        return wait_for(arrived, lambda: f"{name}, typed, it has: {self.file(n, name)!r}\n{self.log(n)}").group(0)

    def keyboard(self):
        for n in self.numbers:
            with Hand(self.system.exportd.port, n) as hand:
                self.types(hand, n, f"cp /etc/passwd typed-{n}\n", f"typed-{n}", "agent")
        for n in self.numbers:
            found = self.inside(n, "cd && echo typed-*").out.split()
            check(found == [f"typed-{n}"], f"desktop {n} has {found}")

    def pointer(self, n=1, size=SIZE):
        """The terminal is asked to write down clicks: they come with the place, in cells."""
        script = ("stty raw -echo; printf '\\033[?1000;1006h'; head -c 10 >clicked; printf '\\033[?1000;1006l'; stty sane")
        self.inside(n, f"cat >~/listen <<'END'\n{script}\nEND")
        with Hand(self.system.exportd.port, n) as hand:
            hand.type("sh listen\n")

            def clicked():
                hand.click(size[0] // 2, size[1] // 2)
                return re.search(r"\x1b\[<0;(\d+);(\d+)", self.file(n, "clicked"))
            place = wait_for(clicked, lambda: f"a click in the terminal, it has: {self.file(n, 'clicked')!r}", every=2)
        check(int(place[1]) > 5 and int(place[2]) > 3, f"the click was {self.file(n, 'clicked')!r}")
        return f"column {place[1]}, row {place[2]}"

    def browser(self):
        """A page in Chromium, in the sandbox that it makes itself: its colours, and the one that a finger gives it."""
        n = 1
        self.inside(n, f"cat >~/page.html <<'END'\n{PAGE}END")

        def shown(*colours):
            image = picture(self.system, n, OUTPUT / "browser")
            return all(share_of(image, colour) > 0.15 for colour in colours)
        with Hand(self.system.exportd.port, n) as hand:
            self.types(hand, n, "chromium page.html & echo begun >begun\n", "begun", "begun")
            # Alone on a machine it took 200 s to start.
            wait_for(lambda: shown(*PAINTED), lambda: f"the page in Chromium:\n{self.processes(n)}\n{self.log(n)}", 2 * HANG, every=2)

            def touched():
                hand.tap(SIZE[0] // 2, SIZE[1] * 2 // 3)
                return shown(TOUCHED)
            wait_for(touched, lambda: f"the page after a finger:\n{self.log(n)}", every=2)
        # The renderer has namespaces of its own, where it sees nobody.
        said = self.agent.check("for p in $(pgrep -f '[-]-type=renderer') 1; do readlink /proc/$p/ns/user; done", HANG)
        *renderers, own = said.split()
        check(renderers and own not in renderers, f"user namespaces of the renderers are {renderers}, that of the guest {own}")

    def fingers(self):
        """On "Activities", and again: the overview is dark beside the desktop's picture, and is left again."""
        n, corner, beside = 2, (35, 15), (20, SIZE[1] // 2)

        def overview(is_open):
            pixel = picture(self.system, n, OUTPUT / f"overview-{is_open}").getpixel(beside)
            return is_open == (max(abs(a - b) for a, b in zip(pixel, COLOURS[n - 1])) > 24)
        with Hand(self.system.exportd.port, n) as hand:
            for is_open in (True, False):
                hand.tap(*corner)
                wait_for(lambda: overview(is_open), lambda: f"the overview {'open' if is_open else 'closed'}:\n{self.log(n)}", every=2)

    def size(self):
        n = 2
        replugs = resize(self.system, n, OTHER_SIZE, lambda: self.log(n))
        image = wait_for(lambda: (i := picture(self.system, n, OUTPUT / "resized")).size == OTHER_SIZE and i, "a picture of that size")
        check(share_of(image, COLOURS[n - 1]) > 0.05, "the picture of that size has no background")
        return f"{self.pointer(n, OTHER_SIZE)}; its monitor was plugged in again {replugs} times"

    def editor(self):
        n = CLIPBOARD
        with Hand(self.system.exportd.port, n) as hand:
            self.inside(n, "touch ~/note")
            self.types(hand, n, "gnome-text-editor note & echo begun >begun\n", "begun", "begun")
            self.wait_window(n, "editor", EDITOR)
            self.saved(hand, n, "written", lambda: hand.type("written"))

    def saved(self, hand, n, text, write):
        """Until the editor's file has the text: all that is in the editor is replaced by what write() makes of it."""
        def same():
            hand.key("KeyS", "ControlLeft")
            return self.file(n, "note") == text + "\n"

        def written():
            hand.key("KeyA", "ControlLeft")
            write()
            try:
                return wait_for(same, "", HANG / 4, every=2)
            except AssertionError:
                return False
        wait_for(written, lambda: f"the text in the file, it has {self.file(n, 'note')[:300]!r}\n{self.log(n)}")

    def clipboard(self):
        """With SPICE's agent, for programs of X11 and, in the editor of the case before, of Wayland."""
        n, other = CLIPBOARD, DESKTOPS + 1 - CLIPBOARD
        xclip = "DISPLAY=:0 XAUTHORITY=$(echo /run/user/.mutter-Xwaylandauth.*) xclip -selection clipboard"
        paste = f"{xclip} -out -target UTF8_STRING"
        with Hand(self.system.exportd.port, n) as hand, Hand(self.system.exportd.port, other) as stranger:

            def comes(text, copy):
                def arrived():
                    copy()
                    return text in hand.copied()
                wait_for(arrived, lambda: f"the viewer has the text, it has {[t[-100:] for t in hand.copied()]}\n{self.log(n)}", every=5)

            comes("of X11", lambda: self.inside(n, f"printf 'of X11' | {xclip} -in >/dev/null 2>&1"))
            hand.copy(TEXT)
            wait_for(lambda: self.inside(n, paste).out == TEXT,
                     lambda: f"a program of X11 has the text: {self.inside(n, paste).out[-100:]}\n{self.processes(n)}\n{self.log(n)}")
            self.saved(hand, n, TEXT, lambda: hand.key("KeyV", "ControlLeft"))
            comes(TEXT + "\n", lambda: self.inside(n, f"{xclip} -in ~/note >/dev/null 2>&1"))

            def copy():
                hand.key("KeyA", "ControlLeft")
                hand.type("of Wayland")
                for key in ("KeyA", "KeyC"):
                    hand.key(key, "ControlLeft")
            comes("of Wayland", copy)

            # The other desktop has none, its own or another's: what its viewer was told by then is all.
            stranger.copy("of a stranger")
            wait_for(lambda: [m for m in stranger.told if m.get("code") == "no-clipboard"], "the other desktop's viewer is refused")
            check(not stranger.copied(), f"the other desktop's viewer got {stranger.copied()}")
            found = self.inside(other, "ls -d /dev/virtio-ports /dev/vport* 2>/dev/null; pgrep -l vdagent").out
            check(not found, f"in the other desktop there is {found}")
            check("of a stranger" not in self.inside(n, paste).out, "the stranger's text is on this desktop's clipboard")

    def undisturbed(self):
        check(self.shells() == self.first, f"the shells were {self.first}, are {self.shells()}")
        check(self.leases() == self.granted, f"the leases were {self.granted}, are {self.leases()}")
        rows = {row["scanout"]: row["denials"] for row in json.loads(self.agent.check("helixctl list --json"))}
        check(not any(rows[n] for n in self.numbers), f"calls were refused: {rows}")

    def crash(self):
        """A shell that dies takes its container along, is started again, and the other one goes on."""
        before = self.shells()
        self.inside(1, "kill -KILL $(pgrep -x gnome-shell)")
        wait_for(lambda: self.shells().get(1, before[1]) != before[1], lambda: f"a new desktop 1: {self.shells()}\n{self.log(1)}")
        check(self.shells()[2] == before[2], f"desktop 2 was {before[2]}, is {self.shells()[2]}")
        check(self.leases()[2] == self.granted[2], "desktop 2 has another lease")

    def ends(self):
        for n in self.numbers:
            self.agent.check(f"systemctl stop helix-desktop@{n}", HANG)
        wait_for(lambda: not self.leases(), lambda: f"every scanout is free: {self.leases()}")

    def cases(self):
        return [("two GNOME desktops come up by themselves", self.comes_up),
                ("virgl draws them", self.renderer),
                ("a viewer sees each with its own background and the shell's bar", self.pictures),
                ("what is typed arrives in the terminal of that desktop and of no other", self.keyboard),
                ("a click arrives in the terminal, at its place", self.pointer),
                ("Chromium draws a page, in a sandbox, and a finger on it arrives there", self.browser),
                ("a finger opens the overview, and closes it", self.fingers),
                ("the desktop takes the size that the viewer asks for; keys and a click arrive in it", self.size),
                ("what is typed and saved in the editor is in the file", self.editor),
                ("what a viewer copies is pasted in its desktop, and back, and none of it in another", self.clipboard),
                ("no shell was restarted, no lease lost, no call refused", self.undisturbed),
                ("a shell that crashes is back, and the other one never noticed", self.crash),
                ("ended, they give their scanouts back", self.ends),
                ("the guest's kernel has nothing to complain about", lambda: kernel_quiet(self.agent))]


def tried(report, after):
    OUTPUT.mkdir(parents=True, exist_ok=True)
    system = System(DESKTOPS, os.environ.get("ACCEL", ""), 0, OUTPUT / "run", kind="gnome", clipboard=CLIPBOARD)
    after.callback(system.stop)
    gnome = Gnome(system)
    cases = gnome.cases()
    if report.case(*cases[0]):
        for name, case in cases[1:]:
            if not sys.argv[1:] or case.__name__ in sys.argv[1:]:
                report.case(name, case)
    for n in gnome.numbers:
        (OUTPUT / f"session-{n}.log").write_text(gnome.log(n, 2000))


if __name__ == "__main__":
    sys.exit(run_whole(tried))
