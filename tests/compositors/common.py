# SPDX-License-Identifier: GPL-2.0-only
"""What the tests of compositors share: what a viewer sees, and a hand on keyboard, pointer and screen."""
import json
import re
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

TOP = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(TOP / part) for part in ("scripts", "qemu-side/exportd/tests", "tests/e2e")]
from PIL import Image  # noqa: E402
from report import HANG, check, wait_long  # noqa: E402
from with_qemu import Socket  # noqa: E402

PACE = 0.15     # seconds between two keys that are typed
PUNCTUATION = {" ": "Space", "\n": "Enter", "-": "Minus", "=": "Equal", ";": "Semicolon", "'": "Quote", ",": "Comma",
               ".": "Period", "/": "Slash", "\\": "Backslash", "[": "BracketLeft", "]": "BracketRight"}
SHIFTED = dict(zip("~!@#$%^&*()_+{}|:\"<>?", "`1234567890-=[]\\;',./"))


class Hand:
    """Uses one desktop as a browser would, and looks at no picture."""

    def __init__(self, port, scanout):
        self.socket = Socket(port, f"scanout={scanout}&rung=none")
        check(self.socket.accepted, f"no viewer of scanout {scanout}: {self.socket.refusal}")
        self.told = []      # every message
        self.listener = threading.Thread(target=self.listen, daemon=True)
        self.listener.start()

    def listen(self):
        while (frame := self.socket.receive()) and frame[0] != 8:
            if frame[0] == 9:       # who does not answer a ping is hung up on
                self.socket.frame(10, frame[1])
            elif frame[0] == 1:
                self.told.append(json.loads(frame[1]))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.sock.shutdown(socket.SHUT_RDWR)
        self.listener.join(HANG)
        self.socket.close()

    def key(self, code, *held):
        """One key, with others held down meanwhile."""
        for name in held:
            self.socket.send({"type": "key", "code": name, "down": True})
        for down in (True, False):
            self.socket.send({"type": "key", "code": code, "down": down})
        for name in reversed(held):
            self.socket.send({"type": "key", "code": name, "down": False})

    def type(self, text):
        """On the guest's layout, which is US; as fast as a person, for a guest's input queue has room for few events."""
        for character in text:
            plain = SHIFTED.get(character, character.lower())
            code = PUNCTUATION.get(plain) or ("Backquote" if plain == "`" else
                                              f"Digit{plain}" if plain.isdigit() else f"Key{plain.upper()}")
            self.key(code, *(["ShiftLeft"] if plain != character else []))
            time.sleep(PACE)

    def move(self, x, y):
        self.socket.send({"type": "move", "x": x, "y": y})

    def click(self, x, y):
        self.move(x, y)
        for down in (True, False):
            self.socket.send({"type": "button", "button": 0, "down": down})

    def tap(self, x, y):
        for phase in ("begin", "end"):
            self.socket.send({"type": "touch", "points": [{"id": 1, "phase": phase, "x": x, "y": y}]})

    def copy(self, text):
        """Puts a text on the desktop's clipboard."""
        self.socket.send({"type": "clipboard", "mime": "text/plain;charset=utf-8", "text": text})

    def copied(self):
        """What came from the desktop's clipboard, in order."""
        return [message["text"] for message in self.told if message["type"] == "clipboard"]

    def resize(self, width, height):
        self.socket.send({"type": "resize", "width": width, "height": height, "scale": 1})


def picture(system, scanout, record):
    """What a viewer sees: the last frame of the stream, decoded; also as record.png."""
    record = Path(record)
    record.mkdir(parents=True, exist_ok=True)
    stream = record / f"scanout-{scanout}.h264"
    stream.unlink(missing_ok=True)
    done = subprocess.run(
        [str(system.viewer_binary), "--url", system.exportd.url, "--scanout", str(scanout), "--wait", "60",
         "--for", "3", "--record", str(record), "--output", str(record / "report.json"), "--quiet"],
        stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=HANG)
    check(stream.exists(), f"the viewer ended with status {done.returncode}: {done.stderr[-400:]}")
    image = record.with_suffix(".png")
    subprocess.run(["ffmpeg", "-loglevel", "error", "-y", "-f", "h264", "-i", str(stream), "-update", "1", str(image)],
                   stdin=subprocess.DEVNULL, check=True, timeout=HANG)
    with Image.open(image) as found:
        return found.convert("RGB")


def resize(system, scanout, size, instead):
    """As the window of a viewer would: until the desktop has that size. Returns how often its connector was plugged in for it."""
    def replugs():
        return int(system.agent.check(f"cat '/sys/class/helix/helix!scanout{scanout}/replugs'"))

    def now():
        desktop = next(d for d in system.exportd.desktops() if d["scanout"] == scanout)
        return desktop["width"], desktop["height"]
    before = replugs()
    with Hand(system.exportd.port, scanout) as hand:
        hand.resize(*size)
        wait_long(lambda: now() == size, lambda: f"{size}: it is {now()}, plugged in again {replugs() - before} times\n{instead()}")
    return replugs() - before


def share_of(image, colour):
    """How much of a picture has a colour, or nearly."""
    pixels = list(image.resize((128, 96), Image.NEAREST).getdata())
    return sum(all(abs(a - b) < 24 for a, b in zip(p, colour)) for p in pixels) / len(pixels)


def kernel_quiet(agent):
    found = [line for line in agent.check("journalctl -k -q --no-pager -o cat").splitlines()
             if re.search(r"\bBUG\b|WARNING:|Oops|general protection|hung task|blocked for more|refcount_t|use-after-free", line)]
    check(not found, "\n".join(found[:20]))
