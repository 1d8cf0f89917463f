#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""helix-viewer as a program, against the stand-in server: what it reports, how it
ends, and that it outlives a server which comes late or restarts. Prints TAP.

  test_viewer.py PATH-OF-HELIX-VIEWER
"""

import json
import pathlib
import signal
import subprocess
import sys
import tempfile
import time

sys.dont_write_bytecode = True
from standin import StandIn  # noqa: E402
from report import check, run, wait_for  # noqa: E402

HANG_S = 90


class ViewerTest:
    def __init__(self, program, standin, directory):
        self.program = program
        self.standin = standin
        self.directory = directory

    def start(self, *arguments):
        return subprocess.Popen([self.program, "--url", self.standin.url, *map(str, arguments)],
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def finish(self, process, status):
        """Its report, after it ended with this status."""
        try:
            out, err = process.communicate(timeout=HANG_S)
        except subprocess.TimeoutExpired:
            process.kill()
            raise AssertionError(f"helix-viewer did not end within {HANG_S} s") from None
        check(process.returncode == status, f"ended with {process.returncode} instead of {status}: {err}")
        return json.loads(out) if out else None

    def reports_every_desktop_that_delivered(self):
        report = self.finish(self.start("--desktops", 2, "--wait", 30, "--for", 1), 0)
        check([d["scanout"] for d in report["desktops"]] == [1, 2], f"the report has {report}")
        for desktop in report["desktops"]:
            check((desktop["width"], desktop["height"]) == (320, 180), f"the size is wrong: {desktop}")
            check(desktop["frames"] > 0 and desktop["bytes"] > 0 and desktop["key_frames"] > 0, f"nothing in {desktop}")
            check(desktop["first_frame_s"] is not None and desktop["violations"] == 0, f"wrong: {desktop}")
            check(desktop["encoder"] == "stand-in" and desktop["name"] == f"Desktop {desktop['scanout']}", f"{desktop}")

    def watches_only_the_scanouts_it_was_told(self):
        report = self.finish(self.start("--scanout", 2, "--for", 0.2), 0)
        check([d["scanout"] for d in report["desktops"]] == [2], f"the report has {report}")

    def counts_the_first_frame_from_the_given_time(self):
        report = self.finish(self.start("--scanout", 1, "--for", 0.2, "--since", time.time() - 1000), 0)
        first = report["desktops"][0]["first_frame_s"]
        check(1000 <= first < 1000 + HANG_S, f"first_frame_s is {first}")

    def a_record_is_video_that_ffmpeg_decodes_without_a_word(self):
        record = self.directory / "record"
        report = self.finish(self.start("--for", 1, "--record", record), 0)
        for desktop in report["desktops"]:
            probe = subprocess.run(
                ["ffprobe", "-v", "error", "-count_frames", "-show_entries", "stream=nb_read_frames", "-of", "csv=p=0",
                 record / f"scanout-{desktop['scanout']}.h264"], capture_output=True, text=True, timeout=HANG_S)
            check(not probe.stderr, f"ffprobe says: {probe.stderr}")
            check(int(probe.stdout) == desktop["frames"], f"{probe.stdout.strip()} frames decoded of {desktop['frames']}")

    def a_desktop_that_is_not_there_is_status_1_and_still_a_report(self):
        output = self.directory / "report.json"
        self.finish(self.start("--desktops", 3, "--wait", 1, "--for", 0.2, "--output", output), 1)
        check(len(json.loads(output.read_text())["desktops"]) == 2, "the report lacks the desktops that were there")

    def a_desktop_without_a_frame_is_status_1_and_null(self):
        self.standin.desktops[2].state = "waiting"
        try:
            report = self.finish(self.start("--wait", 2, "--for", 0.2), 1)
        finally:
            self.standin.desktops[2].state = "live"
        check(report["desktops"][1]["first_frame_s"] is None, f"a first frame that never came: {report}")

    def no_server_is_status_2(self):
        self.standin.down()
        try:
            self.finish(self.start("--wait", 1), 2)
        finally:
            self.standin.up()

    def a_server_that_comes_late_is_found(self):
        self.standin.down()
        try:
            process = self.start("--desktops", 2, "--wait", HANG_S / 2, "--for", 0.2)
            time.sleep(1.5)             # not for a verdict: it is to have failed at least once
        finally:
            self.standin.up()
        self.finish(process, 0)

    def a_server_that_restarts_is_joined_again(self):
        process = self.start("--desktops", 2, "--for", 6, "--wait", HANG_S / 2)
        self.wait_acknowledged()
        self.standin.down()
        self.standin.up()
        report = self.finish(process, 0)
        check(all(d["connections"] >= 2 for d in report["desktops"]), f"not two connections each: {report}")

    def an_interrupt_ends_it_with_a_report(self):
        process = self.start("--desktops", 2, "--for", 1000)
        self.wait_acknowledged()
        process.send_signal(signal.SIGINT)
        check(len(self.finish(process, 0)["desktops"]) == 2, "the report is not whole")

    def wait_acknowledged(self):
        """Until the viewer has had a frame of each desktop."""
        wait_for(lambda: all(any(m["type"] == "ack" for m in list(d.received))
                             for d in self.standin.desktops.values()), 20, "the viewer acknowledged nothing")

    def case(self, function):
        for desktop in self.standin.desktops.values():
            desktop.received.clear()
        function()


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    with StandIn(2, width=320, height=180, fps=15) as standin, tempfile.TemporaryDirectory() as directory:
        test = ViewerTest(sys.argv[1], standin, pathlib.Path(directory))
        names = [name for name in vars(ViewerTest) if name.count("_") > 2 and not name.startswith("_")]
        return run([(name.replace("_", " "), lambda name=name: test.case(getattr(test, name))) for name in names])


if __name__ == "__main__":
    sys.exit(main())
