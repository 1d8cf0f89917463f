#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""One helix-exportd with several real QEMUs: they come and go, hang, and have
desktops of the same number. The guests are this script, as in with_qemu.py.

usage: with_vms.py HELIX-EXPORTD OPENAPI.YAML   (HELIX_QEMU: where the patched QEMU is installed)
Prints TAP.
"""
import array
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from openapi import Description, parse_metrics  # noqa: E402
from patience import PATIENCE, wait  # noqa: E402
from with_qemu import DISABLE, Guest, Socket, qemu_command, run_with_qemu  # noqa: E402
from report import tests_of  # noqa: E402


class Machine:
    """A QEMU and its guest."""

    def __init__(self, qemu, folder, name):
        self.name = name
        self.dir = os.path.join(folder, name)
        os.mkdir(self.dir)
        self.log = open(os.path.join(folder, name + ".log"), "wb")
        self.process = subprocess.Popen(qemu_command(qemu, self.dir), stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log)
        self.guest = Guest(f"{self.dir}/qtest.sock")

    def stop(self):
        self.process.send_signal(signal.SIGSTOP)

    def go_on(self):
        self.process.send_signal(signal.SIGCONT)

    def end(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGCONT)
            self.process.kill()
            self.process.wait()
        self.log.close()

    def open_display(self):
        """A socket on which QEMU speaks D-Bus, made as a manager of VMs makes it."""
        ours, theirs = socket.socketpair()
        with socket.socket(socket.AF_UNIX) as qmp, theirs:
            qmp.settimeout(PATIENCE)
            qmp.connect(f"{self.dir}/qmp.sock")
            lines = qmp.makefile("rb")
            json.loads(lines.readline())
            for command, fds in (({"execute": "qmp_capabilities"}, []),
                                 ({"execute": "getfd", "arguments": {"fdname": "d"}}, [theirs.fileno()]),
                                 ({"execute": "add_client", "arguments": {"protocol": "@dbus-display", "fdname": "d"}}, [])):
                rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))] if fds else []
                qmp.sendmsg([json.dumps(command).encode()], rights)
                while "return" not in (said := json.loads(lines.readline())):
                    assert "error" not in said, said
        return ours


class Bench:
    def __init__(self, exportd, qemu):
        self.qemu_path = qemu
        self.dir = tempfile.mkdtemp(prefix="helix-vms-")
        self.machines = {name: Machine(qemu, self.dir, name) for name in ("red", "blue")}
        self.config = os.path.join(self.dir, "exportd.conf")
        self.write("red", "blue")
        self.log = open(os.path.join(self.dir, "log"), "wb")
        self.exportd = subprocess.Popen([exportd, "--config", self.config], stdin=subprocess.DEVNULL,
                                        stdout=subprocess.PIPE, stderr=self.log)
        found = re.match(r"listening http://127\.0\.0\.1:(\d+)/$", self.exportd.stdout.readline().decode())
        assert found, "did not say where it listens"
        self.port = int(found.group(1))

    def write(self, *names):
        with open(self.config, "w", encoding="ascii") as out:
            out.write(f"[server]\nport=0\nvm-directory={self.dir}\nattach={self.dir}/attach\nlog-level=debug\n[idle]\nafter=86400\n")
            for name in names:
                out.write(f"[vm {name}]\nqmp={self.dir}/{name}/qmp.sock\ncontrol={self.dir}/{name}/control.sock\nconsole0=true\n")

    def said(self):
        with open(self.log.name, encoding="utf-8", errors="replace") as log:
            return log.read()

    def reload(self, *names):
        before = self.said().count("read again")
        self.write(*names)
        self.exportd.send_signal(signal.SIGHUP)
        wait("the reload", lambda: self.said().count("read again") > before)

    def call(self, method, path, body=None):
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}{path}", method=method,
                                         data=None if body is None else json.dumps(body).encode())
        try:
            with urllib.request.urlopen(request, timeout=PATIENCE) as answer:
                return answer.status, answer.headers["Content-Type"], answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.headers["Content-Type"], error.read().decode()

    def desktops(self):
        """Those that guests enabled, without the consoles."""
        return {d["id"]: d for d in json.loads(self.call("GET", "/api/desktops")[2]) if d["scanout"]}

    def vms(self):
        return {vm["name"]: vm for vm in json.loads(self.call("GET", "/api/vms")[2])}

    def live(self, desktop):
        status, _, text = self.call("GET", f"/api/desktops/{desktop}")
        return status == 200 and json.loads(text)["state"] == "live"

    def guest(self, name):
        return self.machines[name].guest

    def attached(self, name):
        wait(f"the host of {name}", self.guest(name).host)

    def end(self, failed):
        if self.exportd.poll() is None:
            self.exportd.kill()
            self.exportd.wait()
        for machine in self.machines.values():
            machine.end()
        self.log.close()
        if failed:
            for line in self.said().splitlines()[-60:]:
                print("# " + line)
        shutil.rmtree(self.dir)


def test_two_vms_have_desktops_of_the_same_number(b):
    for number, name in enumerate(("red", "blue")):
        b.attached(name)
        assert b.guest(name).enable(3, 5, f"of {name}", width=640 + 16 * number) == 0
    assert list(b.desktops()) == ["blue:3", "red:3"]
    for name in ("red", "blue"):
        desktop = b.desktops()[f"{name}:3"]
        assert (desktop["vm"], desktop["scanout"], desktop["name"]) == (name, 3, f"of {name}"), desktop


def test_a_number_alone_is_the_first_vms(b):
    for query, name in (("scanout=0", "red"), ("desktop=red:0", "red"), ("desktop=blue:0", "blue")):
        wait(f"the console of {name}", lambda name=name: b.live(f"{name}:0"))
        client = Socket(b.port, query)
        while (said := client.text())["type"] != "config":
            pass
        assert (said["id"], said["vm"]) == (f"{name}:0", name), (query, said)
        client.close()
    client = Socket(b.port, "desktop=green:3")
    assert client.text()["code"] == "no-desktop"
    client.close()


def test_one_desktops_end_is_not_the_others(b):
    others = Socket(b.port, "desktop=blue:3")
    assert others.text()["type"] == "state"
    assert b.guest("red").ask(DISABLE, output=3, scanout=3, generation=5) == 0
    assert list(b.desktops()) == ["blue:3"]
    others.send({"type": "time", "client": 1})
    while (said := others.text())["type"] != "time":
        assert said.get("state") != "gone", said
    others.close()
    assert b.guest("red").enable(3, 6, "again") == 0


def test_api_and_metrics_of_real_desktops(b):
    description = Description(sys.argv[2])
    client = Socket(b.port, "desktop=red:0")
    client.video()
    for method, path, _ in description.operations():
        if "/{id}" not in path or "tokens" in path:
            continue
        body = {"width": 800, "height": 600} if path.endswith("resize") else None
        status, mime, text = b.call(method, path.replace("{id}", "red:3"), body)
        assert status < 300, (method, path, status, text)
        description.check(method, path, status, mime, text)
    value = description.check("GET", "/api/desktops/{id}/stats", *b.call("GET", "/api/desktops/red:0/stats"))
    assert len(value["viewers"]) == 1 and value["viewers"][0]["rung"] == "full", value
    assert value["rungs"]["full"]["frames"] >= 1 and value["rungs"]["thumb"]["frames"] == 0, value
    for vm in description.check("GET", "/api/vms", *b.call("GET", "/api/vms")):
        assert vm["state"] == "connected" and vm["attached"] and vm["desktops"] == 2, vm
    description.check("GET", "/api/desktops", *b.call("GET", "/api/desktops"))
    metrics = parse_metrics(b.call("GET", "/metrics")[2])
    frames = metrics["helix_exportd_frames_total"]
    assert frames[(("rung", "full"), ("scanout", "0"), ("vm", "red"))] >= 1, frames
    assert frames[(("rung", "full"), ("scanout", "3"), ("vm", "blue"))] == 0, frames
    # nobody has told of painting, but what the server knows by itself is counted
    latency = {dict(labels)["part"] for labels in metrics["helix_exportd_latency_seconds"]}
    assert {"capture", "encode"} <= latency and "paint" not in latency, latency
    client.close()


def test_key_frame_by_the_api(b):
    client = Socket(b.port, "desktop=blue:0")
    client.video()
    assert b.call("POST", "/api/desktops/blue:0/keyframe")[0] == 202
    while not client.video()[1] & 1:
        pass
    client.close()


def test_a_vm_that_hangs_delays_no_other(b):
    b.machines["red"].stop()
    try:
        client = Socket(b.port, "desktop=blue:0")
        client.video()
        for generation in range(10, 20):
            assert b.guest("blue").enable(4, generation, "busy") == 0
            # what it answers to nobody: input, sizes, key frames
            assert b.call("POST", "/api/desktops/red:3/resize", {"width": 640, "height": 400 + generation})[0] == 202
            client.send({"type": "keyframe"})
            while not client.video()[1] & 1:
                pass
        client.close()
        b.reload("blue")
        assert list(b.vms()) == ["blue"] and list(b.desktops()) == ["blue:3", "blue:4"]
    finally:
        b.machines["red"].go_on()
    assert b.guest("blue").ask(DISABLE, output=4, scanout=4, generation=19) == 0


def test_a_vm_that_comes_back_by_a_reload(b):
    b.reload("blue", "red")
    b.attached("red")
    wait("its desktop", lambda: b.guest("red").enable(3, 7, "back") == 0)
    assert list(b.desktops()) == ["blue:3", "red:3"]
    # now blue is the first
    client = Socket(b.port, "scanout=0")
    while (said := client.text())["type"] != "config":
        pass
    assert said["vm"] == "blue", said
    client.close()


def test_a_qemu_that_is_killed_takes_only_its_own(b):
    client = Socket(b.port, "desktop=blue:3")
    client.text()
    b.machines["red"].end()
    wait("the end of red's desktops", lambda: list(b.desktops()) == ["blue:3"])
    wait("the word of it", lambda: b.vms()["red"]["state"] == "connecting")
    client.send({"type": "time", "client": 2})
    while (said := client.text())["type"] != "time":
        assert said.get("state") != "gone", said
    client.close()


def test_a_vm_by_the_api(b):
    b.machines["green"] = Machine(b.qemu_path, b.dir, "green")
    body = {"name": "green", "qmp": f"{b.dir}/green/qmp.sock", "control": f"{b.dir}/green/control.sock"}
    status, _, text = b.call("POST", "/api/vms", body)
    assert status == 201, text
    b.attached("green")
    assert b.guest("green").enable(3, 1, "by the API") == 0
    assert list(b.desktops()) == ["blue:3", "green:3"]
    client = Socket(b.port, "desktop=green:3")
    client.text()
    assert b.call("DELETE", "/api/vms/green")[0] == 200
    while (said := client.text()).get("state") != "gone":
        assert said, "hung up without a word"
    assert list(b.desktops()) == ["blue:3"]
    wait("the device to be free", lambda: not b.guest("green").host())


def test_a_vm_handed_over(b):
    green = b.machines["green"]
    display = green.open_display()
    control = socket.socket(socket.AF_UNIX)
    control.connect(f"{green.dir}/control.sock")
    with display, control, socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as sock:
        sock.settimeout(PATIENCE)
        sock.connect(f"{b.dir}/attach")
        fds = array.array("i", [display.fileno(), control.fileno()])
        sock.sendmsg([json.dumps({"name": "handed", "console0": True, "fds": ["display", "control"]}).encode()],
                     [(socket.SOL_SOCKET, socket.SCM_RIGHTS, fds)])
        assert json.loads(sock.recv(4096)) == {"ok": True}
    b.attached("green")
    assert b.guest("green").enable(5, 9, "handed over") == 0
    assert b.desktops()["handed:5"]["name"] == "handed over"
    assert b.vms()["handed"]["origin"] == "handed-over"
    wait("its console", lambda: b.live("handed:0"))
    green.end()
    wait("its end", lambda: "handed" not in b.vms())
    assert list(b.desktops()) == ["blue:3"]


def test_ends_cleanly_with_several(b):
    b.exportd.terminate()
    assert b.exportd.wait(PATIENCE) == 0


if __name__ == "__main__":
    sys.exit(run_with_qemu(tests_of(globals()), Bench))
