# SPDX-License-Identifier: GPL-2.0-only
"""Headless Firefox with the page in it, driven by WebDriver BiDi over its own
WebSocket: geckodriver is not in Debian, and BiDi needs none."""

import base64
import itertools
import json
import os
import re
import shutil
import subprocess
import tempfile
import threading

from websockets.sync.client import connect

from browser import Page
from report import wait_for

PROGRAM = "/usr/bin/firefox-esr"
START_S = 120
ANSWER_S = 120
# Nothing of its own on the network, no first-run pages.
PREFERENCES = {
    "app.update.enabled": False, "browser.shell.checkDefaultBrowser": False, "browser.startup.page": 0,
    "browser.aboutwelcome.enabled": False, "datareporting.policy.dataSubmissionEnabled": False,
    "toolkit.telemetry.enabled": False, "extensions.update.enabled": False, "network.captive-portal-service.enabled": False,
    "network.connectivity-service.enabled": False, "browser.safebrowsing.downloads.remote.enabled": False,
    "services.settings.server": "data:,", "media.gmp-manager.updateEnabled": False,
}


class Firefox(Page):
    """One Firefox with one window. Use as a context manager."""

    def __init__(self, width=1280, height=800):
        self.profile = tempfile.mkdtemp(prefix="helix-firefox-")
        with open(os.path.join(self.profile, "user.js"), "w", encoding="utf-8") as file:
            for name, value in PREFERENCES.items():
                file.write(f"user_pref({json.dumps(name)}, {json.dumps(value)});\n")
        self.output = []
        self.process = subprocess.Popen(
            [PROGRAM, "--headless", "--no-remote", "--profile", self.profile, "--remote-debugging-port=0", "about:blank"],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, errors="replace",
            env={**os.environ, "HOME": self.profile, "MOZ_DISABLE_CONTENT_SANDBOX": "1",
                 "MOZ_DISABLE_RDD_SANDBOX": "1", "MOZ_DISABLE_UTILITY_SANDBOX": "1"})
        # Read to the end, or it would block once the pipe is full.
        threading.Thread(target=lambda: self.output.extend(self.process.stderr), daemon=True).start()
        self.socket = None
        try:
            address = wait_for(self.listening, START_S, lambda: f"Firefox did not start: {self.output[-5:]}")
            self.socket = connect(f"{address}/session", max_size=None, open_timeout=START_S)
            self.numbers = itertools.count(1)
            self.call("session.new", capabilities={})
            self.context = self.call("browsingContext.getTree")["contexts"][0]["context"]
            self.call("browsingContext.setViewport", context=self.context, viewport={"width": width, "height": height})
        except BaseException:
            self.__exit__()
            raise

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.socket:
            self.socket.close()
        self.process.terminate()
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        shutil.rmtree(self.profile, ignore_errors=True)

    def listening(self):
        """The address at which it said that it listens."""
        found = re.search(r"listening on (ws://\S+)", "".join(self.output))
        if not found and self.process.poll() is not None:
            raise AssertionError(f"Firefox ended with {self.process.returncode}: {self.output[-5:]}")
        return found and found.group(1)

    def call(self, method, **params):
        number = next(self.numbers)
        self.socket.send(json.dumps({"id": number, "method": method, "params": params}))
        while True:
            answer = json.loads(self.socket.recv(timeout=ANSWER_S))
            if answer.get("id") != number:
                continue            # an event, or the answer to a call that was given up
            if answer["type"] == "error":
                raise AssertionError(f"{method}: {answer['error']}: {answer['message']}")
            return answer["result"]

    def open(self, url):
        self.call("browsingContext.navigate", context=self.context, url=url, wait="complete")

    def js(self, script, *arguments):
        """As Selenium's: a function's body; what it returns comes as JSON."""
        expression = f"JSON.stringify((function () {{ {script}\n}}).apply(null, {json.dumps(arguments)}) ?? null)"
        answer = self.call("script.evaluate", expression=expression, target={"context": self.context}, awaitPromise=True)
        if answer["type"] == "exception":
            raise AssertionError(f"in the page: {answer['exceptionDetails']['text']}")
        return json.loads(answer["result"]["value"])

    def console(self):
        return self.output[-5:]

    def click(self, x, y, button=0):
        self.call("input.performActions", context=self.context, actions=[{
            "type": "pointer", "id": "mouse", "actions": [
                {"type": "pointerMove", "x": int(x), "y": int(y)},
                {"type": "pointerDown", "button": button}, {"type": "pointerUp", "button": button}]}])

    def type(self, text):
        self.call("input.performActions", context=self.context, actions=[{
            "type": "key", "id": "keyboard", "actions": [
                {"type": kind, "value": character} for character in text for kind in ("keyDown", "keyUp")]}])

    def move(self, x, y):
        self.call("input.performActions", context=self.context, actions=[{
            "type": "pointer", "id": "mouse", "actions": [{"type": "pointerMove", "x": int(x), "y": int(y)}]}])

    def stroke(self, value, down):
        """One key, by the character that it has without Shift, or by its number in WebDriver."""
        self.call("input.performActions", context=self.context, actions=[{
            "type": "key", "id": "keyboard", "actions": [{"type": "keyDown" if down else "keyUp", "value": value}]}])

    def screenshot(self, path):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(base64.b64decode(self.call("browsingContext.captureScreenshot", context=self.context)["data"]))
