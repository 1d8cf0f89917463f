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
SIZE, OTHER_SIZE = (1280, 720), (1024, 768)
COLOURS = [tuple(bytes.fromhex(line)) for line in (TOP / "guest/desktop/colours").read_text().split()]

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

    def terminal(self, n):
        """Whether the shell in the terminal waits for somebody to type."""
        return self.inside(n, "pgrep -x -P $(pgrep -x kgx || echo 0) bash").status == 0

    def file(self, n, name):
        return self.inside(n, f"cat ~/{name}").out

    # --- the cases, in order ---

    def comes_up(self):
        self.system.start()
        self.system.machine.wait_agent(HANG)
        self.system.wait_live()
        wait_for(lambda: set(self.shells()) == set(self.numbers), lambda: f"a GNOME Shell in each: {self.shells()}\n{self.log(1)}")
        self.first = self.shells()
        self.granted = self.leases()
        check(set(self.granted) == set(self.numbers), f"leased are {self.granted}")

    def renderer(self):
        for n, text in self.system.renderers().items():
            check(text and text.startswith("virgl"), f"desktop {n} is drawn by {text}:\n{self.log(n)}")
        return str(self.system.renderers())

    def pictures(self):
        """Each has its own background around its terminal, and its shell's bar on top of it."""
        def shown():
            image = {n: picture(self.system, n, OUTPUT / f"desktop-{n}") for n in self.numbers}
            return all(share_of(image[n], COLOURS[n - 1]) > 0.1 for n in self.numbers) and image
        for n, image in wait_for(shown, lambda: f"the backgrounds {COLOURS[:DESKTOPS]}:\n{self.log(1)}").items():
            check(image.size == SIZE, f"desktop {n} is {image.size}")
            for other in self.numbers:
                check(other == n or share_of(image, COLOURS[other - 1]) < 0.01, f"desktop {n} shows {other}'s background")
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
            wait_for(lambda n=n: self.terminal(n), lambda n=n: f"a shell in the terminal of {n}:\n{self.log(n)}")
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
        wait_for(lambda: self.terminal(n), lambda: f"a shell in the terminal of {n}:\n{self.log(n)}")
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
        n = 2
        with Hand(self.system.exportd.port, n) as hand:
            self.inside(n, "touch ~/note")
            self.types(hand, n, "gnome-text-editor note & echo begun >begun\n", "begun", "begun")
            wait_for(lambda: self.inside(n, "gdbus wait --session --timeout 1 org.gnome.TextEditor").status == 0,
                     lambda: f"the editor:\n{self.log(n)}")
            def written():
                hand.type("x")
                hand.key("KeyS", "ControlLeft")
                return self.file(n, "note").startswith("x")
            wait_for(written, lambda: f"what was typed and saved, it has {self.file(n, 'note')!r}\n{self.log(n)}", every=2)
            picture(self.system, n, OUTPUT / "editor")

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
                ("no shell was restarted, no lease lost, no call refused", self.undisturbed),
                ("a shell that crashes is back, and the other one never noticed", self.crash),
                ("ended, they give their scanouts back", self.ends),
                ("the guest's kernel has nothing to complain about", lambda: kernel_quiet(self.agent))]


def tried(report, after):
    OUTPUT.mkdir(parents=True, exist_ok=True)
    system = System(DESKTOPS, os.environ.get("ACCEL", ""), 0, OUTPUT / "run", kind="gnome")
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
