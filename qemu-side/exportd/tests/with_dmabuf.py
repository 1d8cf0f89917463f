#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""Dma-bufs of a real QEMU, into a helix-exportd whose GPU is a stand-in
(standin_drv_video.c). QEMU has no render node here: x-export-memfd makes it send
shared memory as a dma-buf, with nothing drawn on it, so that a black picture is one
that came that way, and one with QEMU's own text in it is one that was read back.

usage: with_dmabuf.py HELIX-EXPORTD   (HELIX_QEMU: where the patched QEMU is installed)
Prints TAP.
"""
import json
import os
import socket
import struct
import subprocess
import sys
import time

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from patience import PATIENCE, wait  # noqa: E402
from with_qemu import Bench, Socket, run_with_qemu  # noqa: E402
from report import tests_of  # noqa: E402

OPTIONS = "--encoder", "h264_vaapi,libx264", "--encoder-device", "/dev/null"


class Gpu(Bench):
    def __init__(self, exportd, qemu):
        self.ready = False
        super().__init__(exportd, qemu, OPTIONS)
        self.set_display("x-export-memfd", True)
        self.ready = True

    def set_display(self, name, value):
        with socket.socket(socket.AF_UNIX) as sock:
            sock.settimeout(PATIENCE)
            wait("the monitor", lambda: sock.connect_ex(f"{self.dir}/qmp.sock") == 0)
            lines = sock.makefile("rb")
            lines.readline()
            for command in ({"execute": "qmp_capabilities"},
                            {"execute": "qom-set",
                             "arguments": {"path": "/objects/dbus-display", "property": name, "value": value}}):
                sock.sendall(json.dumps(command).encode() + b"\n")
                answer = json.loads(lines.readline())
                assert "return" in answer, answer

    def start_exportd(self):
        if self.ready:
            super().start_exportd()

    def restart(self, fails="", *options):
        """From now on with a GPU that does not do everything."""
        self.stop()
        tests = os.path.join(os.path.dirname(self.exportd_path), "tests")
        os.environ.update(HELIX_STANDIN_VA=fails, LIBVA_DRIVERS_PATH=tests, LIBVA_DRIVER_NAME="standin",
                          LIBVA_MESSAGING_LEVEL="0", LD_PRELOAD=f"{tests}/standin_node.so")
        self.options = [*OPTIONS, *options]
        try:
            self.start_exportd()
        finally:
            del os.environ["LD_PRELOAD"]
        wait("the console's picture", lambda: self.state() == "live")

    def stop(self):
        if self.exportd:
            self.exportd.kill()
            self.exportd.wait()

    def state(self):
        return next((d["state"] for d in json.loads(self.get("/api/desktops")[1])), None)

    def rung(self, name="full"):
        ident = json.loads(self.get("/api/desktops")[1])[0]["id"]
        return json.loads(self.get(f"/api/desktops/{ident}/stats")[1])["rungs"][name]

    def await_import(self, name, way):
        wait(f"frames by {way}", lambda: self.rung(name)["import"] == way)


def brightest(video):
    """Luma of the brightest pixel of a key frame."""
    raw = subprocess.run(["ffmpeg", "-v", "error", "-f", "h264", "-i", "-", "-f", "rawvideo", "-pix_fmt", "gray", "-"],
                         input=video[24:], stdout=subprocess.PIPE, check=True, timeout=PATIENCE).stdout
    width, height = struct.unpack("<II", video[16:24])
    assert len(raw) == width * height, f"{len(raw)} bytes of {width}x{height}"
    return max(raw)


def key_frame(client):
    while True:
        video = client.video()
        assert video, "hung up"
        if video[0] == 1 and video[1] & 1:
            return video


def test_a_dma_buf_is_what_viewers_get(b):
    b.restart()
    client = Socket(b.port, "scanout=0")
    assert client.say("config")["encoder"] == "h264_vaapi"
    assert brightest(key_frame(client)) < 24, "that was not the dma-buf"
    b.await_import("full", "dmabuf")
    metrics = b.get("/metrics")[1].decode()
    assert 'encoder="h264_vaapi",codec="h264",import="dmabuf"' in metrics, metrics
    client.close()


def test_import_off_has_qemu_read_back(b):
    b.restart("", "--import", "off")
    client = Socket(b.port, "scanout=0")
    assert client.say("config")["encoder"] == "h264_vaapi"
    assert brightest(key_frame(client)) > 100, "no picture of QEMU's"
    b.await_import("full", "shm")
    client.close()


def test_software_has_qemu_read_back(b):
    b.restart("", "--encoder", "libx264")
    client = Socket(b.port, "scanout=0")
    assert client.say("config")["encoder"] == "libx264"
    assert brightest(key_frame(client)) > 100, "no picture of QEMU's"
    b.await_import("full", "shm")
    client.close()


def expect_fallback(b, fails, encoder, words):
    """The thumbnail is the second to have the picture, and so the first to fail."""
    b.restart(fails)
    client = Socket(b.port, "scanout=0")
    assert brightest(key_frame(client)) < 24
    thumb = Socket(b.port, "scanout=0&rung=thumb")
    said = client.say("error")
    assert said["code"] == "encoder-changed" and words in said["message"], said
    for watching in client, thumb:
        deadline = time.monotonic() + PATIENCE
        while brightest(key_frame(watching)) < 100:
            assert time.monotonic() < deadline, "it stays black"
            watching.send({"type": "keyframe"})
        watching.send({"type": "keyframe"})
    b.await_import("full", "shm")
    b.await_import("thumb", "shm")
    assert b.rung("thumb")["encoder"] == encoder, b.rung("thumb")
    assert b.state() == "live"
    client.close()
    thumb.close()


def test_a_gpu_that_refuses_the_buffer(b):
    expect_fallback(b, "import=2", "h264_vaapi", "shared memory")


def test_a_gpu_that_fails_to_convert_it(b):
    expect_fallback(b, "vpp=2", "h264_vaapi", "shared memory")


if __name__ == "__main__":
    sys.exit(run_with_qemu(tests_of(globals()), Gpu))
