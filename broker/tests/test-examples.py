#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""The alarms of the example name metrics that there are: those that metrics.c of the export
daemon writes, those that metrics.jq makes of what helixctl tells, and of others' two.

usage: test-examples.py EXAMPLES METRICS_C HELIXCTL FAKE_BROKER
"""
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import yaml

sys.dont_write_bytecode = True
sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tests/e2e"))
from report import run_whole  # noqa: E402

examples, metrics_c, helixctl, broker = sys.argv[1:]
# Prometheus' own, and node_exporter's textfile collector's.
OF_OTHERS = {"up", "node_textfile_mtime_seconds"}


def told():
    """What metrics.jq makes of three scanouts, one of them in trouble."""
    with tempfile.TemporaryDirectory() as folder:
        socket = f"{folder}/socket"
        server = subprocess.Popen([broker, socket, "3", "stalled=2"], stdout=subprocess.PIPE, text=True)
        try:
            server.stdout.readline()
            top = subprocess.run([helixctl, "--socket", socket, "top", "--once", "--json", "--root", folder],
                                 check=True, capture_output=True, text=True).stdout
        finally:
            server.kill()
            server.wait()
    return subprocess.run(["jq", "-r", "-f", f"{examples}/metrics.jq"], input=top, check=True,
                          capture_output=True, text=True).stdout


def try_all(report, _after):
    point = report.holds

    text = told()
    samples = dict(line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#"))
    point(samples.get('helix_scanout_leased{scanout="2"}') == "1", "a leased scanout is told as one", text)
    point(samples.get('helix_scanout_leased{scanout="1"}') == "0", "a free one as none", text)
    point(samples.get('helix_scanout_stalled_seconds{scanout="2"}') == "90", "for how long one is stalled", text)
    point(all(samples.get(name) == "1" for name in ("helix_host_up", "helix_gpus", "helix_broker_up")),
          "the host, the GPUs and the broker", text)
    point('helix_scanout_flips_total{scanout="1"}' not in samples, "nothing is made up where nothing is told", text)
    form = re.compile(r'^(# TYPE helix_[a-z_]+ (gauge|counter)|helix_[a-z_]+(\{scanout="\d+"\})? [0-9.e+-]+)$')
    point(all(form.match(line) for line in text.splitlines()), "every line has Prometheus' form", text)

    with open(metrics_c, encoding="utf-8") as stream:
        source = stream.read()
    of_exportd = {f"helix_exportd_{name}" for name in re.findall(r'"([a-z]+(?:_[a-z]+)+)"', source)}
    of_guests = set(re.findall(r"^# TYPE (\S+)", text, re.M))
    with open(f"{examples}/prometheus-rules.yml", encoding="utf-8") as stream:
        groups = yaml.safe_load(stream)["groups"]
    rules = [rule for group in groups for rule in group["rules"]]
    point(len({rule["alert"] for rule in rules}) == len(rules) > 0, "alarms have names of their own")
    for rule in rules:
        names = set(re.findall(r"\bhelix_[a-z_]+|^up\b|\bnode_[a-z_]+", rule["expr"]))
        point(names and names <= of_exportd | of_guests | OF_OTHERS and rule["annotations"].keys() == {"summary", "action"},
              f"{rule['alert']} is about what is measured", names - of_exportd - of_guests - OF_OTHERS)


sys.exit(run_whole(try_all))
