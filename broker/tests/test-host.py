#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""helixctl host between a terminal, which stands for the port, and the broker with a stand-in
for the module. The host is this script.

usage: test-host.py HELIXCTL FAKE_BROKER
"""
import json
import os
import pty
import select
import subprocess
import sys
import tempfile
import time
import tty
from pathlib import Path

sys.dont_write_bytecode = True
sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tests/e2e"))
from report import run_whole  # noqa: E402

PATIENCE = 60   # seconds: a guard against hanging
helixctl, broker = sys.argv[1:]


class Host:
    """The host's end, and what runs in the guest."""

    def __init__(self, socket, folder):
        self.socket, self.folder = socket, folder
        self.fd, self.slave = pty.openpty()
        tty.setraw(self.slave)
        self.rest = b""
        self.start()

    def start(self):
        self.log = open(f"{self.folder}/host.log", "a+", encoding="utf-8")
        self.process = subprocess.Popen([helixctl, "--socket", self.socket, "host", "--port", os.ttyname(self.slave)],
                                        stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log)

    def stop(self):
        self.process.kill()
        self.process.wait()
        self.log.close()

    def send(self, message):
        os.write(self.fd, message if isinstance(message, bytes) else json.dumps(message).encode() + b"\n")

    def receive(self):
        deadline = time.monotonic() + PATIENCE
        while b"\n" not in self.rest:
            if not select.select([self.fd], [], [], max(0, deadline - time.monotonic()))[0]:
                raise AssertionError(f"nothing came from helixctl host in {PATIENCE} s: {self.said()}")
            self.rest += os.read(self.fd, 4096)
        line, self.rest = self.rest.split(b"\n", 1)
        return json.loads(line)

    def answers(self):
        """It goes on, and everything before was dealt with."""
        self.send({"op": "hello", "version": 1})
        return self.receive()

    def said(self):
        with open(f"{self.folder}/host.log", encoding="utf-8") as log:
            return log.read()


def ctl(socket, *arguments):
    return subprocess.run([helixctl, "--socket", socket, *arguments], capture_output=True, text=True, check=True,
                          timeout=PATIENCE).stdout


def lease(socket, number):
    """(whether it is leased, its generation)"""
    row = json.loads(ctl(socket, "info", "--json", str(number)))
    return row["state"] == "leased", row["generation"]


def try_all(report, after):
    folder = after.enter_context(tempfile.TemporaryDirectory())
    point = report.holds
    socket = f"{folder}/socket"
    server = subprocess.Popen([broker, socket, "3"], stdout=subprocess.PIPE, text=True)
    server.stdout.readline()
    holder = subprocess.Popen([helixctl, "--socket", socket, "acquire", "--scanout", "1"], stdout=subprocess.PIPE, text=True,
                              stderr=subprocess.DEVNULL)
    holder.stdout.readline()
    host = Host(socket, folder)
    try:
        hello = host.receive()
        point(hello["op"] == "hello" and hello["version"] == 1 and len(hello["session"]) == 16, "it says hello by itself", hello)
        session = hello["session"]
        point(host.answers() == hello, "it answers a hello with its own")
        leased, generation = lease(socket, 1)
        point(leased and generation > 0, "there is a lease to be ended", (leased, generation))
        asked = {"session": session, "scanout": 1, "generation": generation}

        host.send({"op": "ending", **asked, "seconds": 30})
        host.send({"op": "kept", **asked})
        host.answers()
        point(f"scanout 1 generation {generation} ends in 30 s: nobody uses it" in host.said()
              and f"scanout 1 generation {generation} stays" in host.said(), "what it is told is in its log", host.said())

        for bad, why in (({"op": "revoke", **asked, "session": "0" * 16}, "meant for a former run"),
                         ({"op": "revoke", "scanout": 1, "generation": generation}, "meant for a former run"),
                         ({"op": "revoke", **asked, "scanout": 0}, '"scanout" 0 is not in 1..65535'),
                         ({"op": "revoke", **asked, "scanout": "1"}, '"scanout" has to be a whole number'),
                         ({"op": "revoke", **asked, "generation": -1}, '"generation" has to be a whole number'),
                         ({"op": "ending", **asked, "seconds": 0}, '"seconds" 0 is not in'),
                         ({"op": "acquire", **asked}, '"op" has to be'), ({"op": 7}, '"op" has to be'),
                         (b"[]\n", "object"), (b"\n", "incomplete JSON"), (b'{"op":"revoke"\n', "incomplete JSON"),
                         (b"\xff\xfe\n", "not UTF-8"), (b"x" * 5000 + b"\n", "longer than 1024 bytes")):
            host.send(bad)
            point(host.answers() == hello and why in host.said() and lease(socket, 1)[0],
                  f"refused: {str(bad)[:60]}", host.said()[-300:])

        host.send({"op": "revoke", **asked, "generation": generation + 1})
        answer = host.receive()
        point(answer["op"] == "failed" and answer["scanout"] == 1 and "generation" in answer["error"] and lease(socket, 1)[0],
              "a lease that is another one stays, and the host hears why", answer)

        line = json.dumps({"op": "revoke", **asked}).encode() + b"\n"
        host.send(line[:20])
        host.send(line[20:])
        answer = host.receive()
        point(answer == {"op": "done", "scanout": 1}, "a lease ends when the host asks for it, in whatever pieces", answer)
        point(holder.wait(PATIENCE) != 0 and not lease(socket, 1)[0], "its holder hears of it, the scanout is free")

        server.kill()
        server.wait()
        host.send({"op": "revoke", **asked, "scanout": 2})
        answer = host.receive()
        point(answer["op"] == "failed" and "helix-leased" in answer["error"], "without a broker the host hears that", answer)

        host.stop()
        host.start()
        again = host.receive()
        point(again["op"] == "hello" and again["session"] != session, "another run is another session", again)
    finally:
        host.stop()
        for process in (holder, server):
            process.kill()
            process.wait()
    gone = subprocess.run([helixctl, "host", "--port", f"{folder}/none"], capture_output=True, text=True, check=False)
    point(gone.returncode == 1 and f"{folder}/none: No such file" in gone.stderr, "without a port it ends and says so", gone)


sys.exit(run_whole(try_all))
