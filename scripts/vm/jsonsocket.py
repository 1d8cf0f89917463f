# SPDX-License-Identifier: GPL-2.0-only
"""One JSON object per line over a Unix socket, as QMP and the guest agent speak it.

A connection is for one caller and every wait on it has a deadline.
"""
import json
import socket
import time


class RemoteError(Exception):
    """The other side answered with an error, or did not answer in time."""


class JsonSocket:
    def __init__(self, path, timeout):
        self.path = path
        self.buffer = b""
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(timeout)
        try:
            self.sock.connect(str(path))
        except OSError as error:
            self.sock.close()
            raise RemoteError(f"cannot connect to {path}: {error}") from error

    def close(self):
        self.sock.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def send(self, message, fds=()):
        data = json.dumps(message).encode() + b"\n"
        if fds:
            data = data[socket.send_fds(self.sock, [data], fds):]
        self.sock.sendall(data)

    def receive(self, deadline):
        while b"\n" not in self.buffer:
            left = deadline - time.monotonic()
            if left <= 0:
                raise RemoteError(f"no answer from {self.path}")
            self.sock.settimeout(left)
            try:
                data = self.sock.recv(65536)
            except OSError as error:
                raise RemoteError(f"no answer from {self.path}: {error}") from error
            if not data:
                raise RemoteError(f"{self.path} was closed by the other side")
            self.buffer += data
        line, self.buffer = self.buffer.split(b"\n", 1)
        # The guest agent marks the start of a synchronised stream with a byte that is no UTF-8.
        return json.loads(line.lstrip(b"\xff"))

    def call(self, command, timeout, **arguments):
        return self.call_with_fd(command, timeout, None, **arguments)

    def call_with_fd(self, command, timeout, fd, **arguments):
        """The same, handing a descriptor over."""
        deadline = time.monotonic() + timeout
        message = {"execute": command}
        if arguments:
            message["arguments"] = arguments
        try:
            self.send(message, [] if fd is None else [fd])
        except OSError as error:
            raise RemoteError(f"cannot ask {self.path} for {command}: {error}") from error
        while True:
            answer = self.receive(deadline)
            if "return" in answer:
                return answer["return"]
            if "error" in answer:
                raise RemoteError(f"{command}: {answer['error'].get('desc', answer['error'])}")
            # an event: nobody here waits for one


def qmp(path, timeout=10):
    """A QMP connection past its greeting."""
    connection = JsonSocket(path, timeout)
    connection.receive(time.monotonic() + timeout)
    connection.call("qmp_capabilities", timeout)
    return connection
