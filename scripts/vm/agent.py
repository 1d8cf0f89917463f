# SPDX-License-Identifier: GPL-2.0-only
"""Runs commands in the guest through its agent, over virtio-serial.

No console, no network, no login: the agent answers as soon as systemd started
it, and says so when a command ends. Connections are short; one agent serves
one of them at a time.
"""
import base64
import random
import shlex
import time

from .jsonsocket import JsonSocket, RemoteError

ANSWER = 120        # seconds; an agent that answers no later than that is there, in a guest however busy


class Result:
    def __init__(self, status, out, err):
        self.status = status
        self.out = out
        self.err = err


class GuestAgent:
    def __init__(self, path):
        self.path = path

    def _connect(self, timeout):
        """A connection on which no late answer of an earlier one is left."""
        connection = JsonSocket(self.path, timeout)
        try:
            mark = random.getrandbits(31)
            connection.sock.sendall(b"\xff")
            connection.send({"execute": "guest-sync-delimited", "arguments": {"id": mark}})
            deadline = time.monotonic() + timeout
            while True:
                try:
                    answer = connection.receive(deadline)
                except ValueError:
                    continue
                if answer.get("return") == mark:
                    return connection
        except (RemoteError, OSError):
            connection.close()
            raise

    def alive(self, timeout=2):
        try:
            self._connect(timeout).close()
            return True
        except (RemoteError, OSError):
            return False

    def wait(self, timeout, gone=lambda: None):
        """Until the agent answers. `gone` raises when there is no point in waiting."""
        deadline = time.monotonic() + timeout
        while time.monotonic() < deadline:
            gone()
            if self.alive():
                return
            time.sleep(0.5)
        raise RemoteError(f"the guest agent did not answer within {timeout} s")

    def run(self, command, timeout=60, stdin=None):
        """A command line for the guest's shell, or a list; its output and status."""
        argv = ["/bin/bash", "-c", command] if isinstance(command, str) else list(command)
        arguments = {"path": argv[0], "arg": argv[1:], "capture-output": True}
        if stdin is not None:
            arguments["input-data"] = base64.b64encode(stdin).decode()
        deadline = time.monotonic() + timeout
        with self._connect(min(timeout, ANSWER)) as connection:
            pid = connection.call("guest-exec", ANSWER, **arguments)["pid"]
            pause = 0.02
            while True:
                status = connection.call("guest-exec-status", ANSWER, pid=pid)
                if status["exited"]:
                    break
                if time.monotonic() > deadline:
                    raise RemoteError(f"in the guest, after {timeout} s still running: {shlex.join(argv)}")
                # Each question is a line in the guest's journal, which emulation makes dear.
                time.sleep(pause)
                pause = min(pause * 2, 2)

        def text(key):
            return base64.b64decode(status.get(key, "")).decode(errors="replace")

        code = status.get("exitcode", 128 + status.get("signal", 0))
        return Result(code, text("out-data"), text("err-data"))

    def check(self, command, timeout=60):
        """The output of a command that must succeed."""
        result = self.run(command, timeout)
        if result.status != 0:
            raise RemoteError(f"in the guest, status {result.status}: {command}: {result.err.strip()[-400:]}")
        return result.out
