# SPDX-License-Identifier: GPL-2.0-only
"""The host side beside QEMU: helix-exportd and helix-viewer as child processes."""
import json
import re
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from pathlib import Path

ANSWER = 60         # seconds, of a daemon on a busy machine


class ExportError(Exception):
    """The export daemon cannot be started, or does not answer."""


def check_port_free(port):
    if port == 0:
        return
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            raise ExportError(f"port {port} on 127.0.0.1 cannot be used: {error.strerror}; choose another with PORT=") from error


class Exportd:
    def __init__(self, binary, web, rundir, port):
        self.binary = binary
        self.web = web
        self.rundir = Path(rundir)
        self.port = port
        self.options = []       # more of them
        self.process = None
        self.url = None

    def start(self, timeout=ANSWER):
        log = open(self.rundir / "exportd.log", "ab")
        position = log.tell()
        self.process = subprocess.Popen(
            [str(self.binary), "--qmp", f"{self.rundir}/qmp.sock", "--control", f"{self.rundir}/control.sock",
             "--port", str(self.port), "--web", str(self.web), *self.options],
            stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)
        log.close()
        deadline = time.monotonic() + timeout
        while time.monotonic() < deadline:
            with open(self.rundir / "exportd.log", "rb") as text:
                text.seek(position)
                said = text.read().decode(errors="replace")
            found = re.search(r"^listening (http://\S+:(\d+)/)", said, re.M)
            if found:
                self.url = found.group(1)
                self.port = int(found.group(2))     # a restart keeps the address
                return
            if self.process.poll() is not None:
                tail = said.strip().splitlines()[-5:]
                raise ExportError(f"helix-exportd ended with status {self.process.returncode}: {' | '.join(tail)}")
            time.sleep(0.1)
        raise ExportError(f"helix-exportd did not listen within {timeout} s; see {self.rundir}/exportd.log")

    def alive(self):
        return self.process is not None and self.process.poll() is None

    def desktops(self):
        """What GET /api/desktops says now."""
        try:
            with urllib.request.urlopen(self.url + "api/desktops", timeout=ANSWER) as answer:
                return json.load(answer)
        except (urllib.error.URLError, OSError, ValueError) as error:
            raise ExportError(f"{self.url}api/desktops: {error}") from error

    def live(self):
        try:
            return {d["scanout"] for d in self.desktops() if d["state"] == "live"}
        except ExportError:
            return set()

    def stop(self):
        if not self.alive():
            return
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


class Viewer:
    """helix-viewer on every desktop; `report` is what it wrote."""

    def __init__(self, binary, url, desktops, seconds, wait, since, output, log):
        self.output = Path(output)
        self.output.unlink(missing_ok=True)
        with open(log, "wb") as stream:
            self.process = subprocess.Popen(
                [str(binary), "--url", url, "--desktops", str(desktops), "--wait", str(wait), "--for", str(seconds),
                 "--since", f"{since:.3f}", "--output", str(output)],
                stdin=subprocess.DEVNULL, stdout=stream, stderr=stream, start_new_session=True)
        self.deadline = time.monotonic() + wait + seconds + 60
        self.wait_s = wait

    def done(self):
        if self.process.poll() is not None:
            return True
        if time.monotonic() > self.deadline:
            self.process.kill()
            self.process.wait()
            return True
        return False

    def report(self):
        try:
            return json.loads(self.output.read_text())
        except (OSError, ValueError):
            return {"measured_s": 0, "desktops": []}

    def stop(self):
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(5)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
