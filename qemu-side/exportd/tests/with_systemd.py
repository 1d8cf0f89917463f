#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""The units of helix-exportd under a real systemd: started, activated by its sockets,
reloaded, ended by the watchdog, stopped; in its sandbox, as its own user.

That systemd is the first process of namespaces of its own, with a file system over
/etc and /usr/bin, and nobody else notices. It runs this file again, as a service.

usage: with_systemd.py HELIX-EXPORTD SYSTEMD-DIRECTORY
Prints TAP. Needs root.
"""
import http.client
import json
import os
import pwd
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile

sys.path.append(os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../../tests/e2e"))
import patience  # noqa: E402
from report import run, tests_of  # noqa: E402

PATIENCE = 90   # seconds: a guard against hanging, not a measure of anything
SYSTEMD = "/usr/lib/systemd/systemd"
RUNTIME = "/run/systemd/system"
CONFIG = "/etc/helix/exportd.conf"
SERVICE = "helix-exportd.service"
WEB, ATTACH = "helix-exportd.socket", "helix-exportd-attach.socket"
EXIT = 7        # of the whole of it, when all was tried

TARGET = """[Unit]
Wants=tried.service
"""
TRIED = """[Unit]
DefaultDependencies=no
[Service]
Type=oneshot
TimeoutStartSec=infinity
StandardOutput=append:{log}
StandardError=append:{log}
ExecStart={python} -B {me} --inside {units}
ExecStopPost=/usr/bin/systemctl exit {exit}
"""


# --- outside, and on the way in ---


def boot(exportd, units, log):
    """In the namespaces, as their first process: becomes systemd."""
    def mount(*arguments):
        subprocess.run(["mount", *arguments], check=True)

    def write(path, text):
        with open(path, "w", encoding="ascii") as out:
            out.write(text)

    for place in ("/run", "/tmp", "/var/lib"):
        mount("-t", "tmpfs", "-o", "mode=755" if place != "/tmp" else "mode=1777", "tmpfs", place)
    mount("-t", "tmpfs", "tmpfs", "/sys/fs/cgroup")
    mount("-t", "cgroup2", "cgroup2", "/sys/fs/cgroup")
    for place in ("/etc", "/usr/bin"):
        upper = "/run/upper" + place
        os.makedirs(upper)
        os.makedirs(upper + ".work")
        if place == "/usr/bin":
            shutil.copy(exportd, upper + "/helix-exportd")
        mount("-t", "overlay", "overlay", "-o", f"lowerdir={place},upperdir={upper},workdir={upper}.work", place)
    write("/etc/machine-id", "0123456789abcdef0123456789abcdef\n")
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    os.makedirs(RUNTIME)
    for name in (SERVICE, WEB, ATTACH):
        shutil.copy(f"{units}/{name}", RUNTIME)
    write(f"{RUNTIME}/tried.target", TARGET)
    write(f"{RUNTIME}/tried.service", TRIED.format(log=log, python=sys.executable, me=os.path.abspath(__file__), units=units, exit=EXIT))
    os.execve(SYSTEMD, [SYSTEMD, "--system", "--unit=tried.target", "--log-target=console", "--show-status=no"],
              {"PATH": os.environ["PATH"], "container": "test"})


def outside(exportd, units):
    if os.geteuid() != 0 or not os.path.exists(SYSTEMD):
        print("1..0 # SKIP root and systemd are needed")
        return 0
    folder = tempfile.mkdtemp(prefix="with-systemd-", dir=os.path.dirname(os.path.abspath(exportd)))
    log = f"{folder}/log"
    try:
        done = subprocess.run(
            ["unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc", "--cgroup", "--net", "--uts", "--ipc",
             sys.executable, "-B", os.path.abspath(__file__), "--boot", os.path.abspath(exportd), os.path.abspath(units), log],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace",
            timeout=10 * PATIENCE, check=False)
        said = ""
        if os.path.exists(log):
            with open(log, encoding="utf-8", errors="replace") as lines:
                said = lines.read()
        print(said, end="")
        if done.returncode == EXIT and not re.search("^not ok", said, re.M):
            return 0
        for line in done.stdout.splitlines()[-60:]:
            print("# " + line)
        if not said:
            print("1..1\nnot ok 1 - systemd runs in namespaces of its own")
        return 1
    finally:
        shutil.rmtree(folder)


# --- inside ---


def wait(what, probe):
    return patience.wait(what, probe, PATIENCE, state)


def systemctl(*arguments):
    done = subprocess.run(["systemctl", *arguments], capture_output=True, text=True, timeout=PATIENCE, check=False)
    assert done.returncode == 0, (arguments, done.stderr, state())


def show(what, unit=SERVICE):
    return subprocess.run(["systemctl", "show", "-P", what, unit], capture_output=True, text=True, timeout=PATIENCE,
                          check=True).stdout.strip()


def state():
    return ", ".join(f"{name}={show(name)}" for name in ("ActiveState", "SubState", "Result", "ExecMainStatus", "StatusText"))


def configure(text=""):
    os.makedirs(os.path.dirname(CONFIG), exist_ok=True)
    with open(CONFIG, "w", encoding="ascii") as out:
        out.write("[server]\nlog=text\n" + text)
    os.chmod(CONFIG, 0o644)


def ask(path):
    """What is answered on the port that the socket unit has, and the configuration by default."""
    connection = http.client.HTTPConnection("127.0.0.1", 8800, timeout=PATIENCE)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        assert answer.status == 200, answer.status
        return json.loads(answer.read())
    finally:
        connection.close()


def vms():
    return sorted(vm["name"] for vm in ask("/api/vms"))


def drop_in(text):
    folder = f"{RUNTIME}/{SERVICE}.d"
    os.makedirs(folder, exist_ok=True)
    with open(f"{folder}/test.conf", "w", encoding="ascii") as out:
        out.write("[Service]\n" + text)
    systemctl("daemon-reload")


def test_the_units_are_good(_):
    """systemd has nothing to say of them, and the service is exposed to 2.0 of 10 at most."""
    for arguments in (("verify", "--man=no", SERVICE, WEB, ATTACH),
                      ("security", "--offline=yes", "--threshold=20", f"{RUNTIME}/{SERVICE}")):
        done = subprocess.run(["systemd-analyze", *arguments], capture_output=True, text=True, timeout=PATIENCE, check=False)
        assert done.returncode == 0, (arguments, done.stdout[-200:], done.stderr)
        assert not done.stderr, (arguments, done.stderr)


def test_it_starts_and_says_when_it_serves(units):
    subprocess.run(["systemd-sysusers", f"{units}/helix-exportd.sysusers"], capture_output=True, timeout=PATIENCE, check=True)
    configure()
    # it returns when READY was said, so there is nothing to wait for
    systemctl("start", SERVICE)
    assert show("ActiveState") == "active" and show("StatusText").startswith("Serving 0 desktops"), state()
    assert vms() == []


def test_it_is_nobody_and_can_do_nothing(_):
    user = pwd.getpwnam("helix-exportd")
    with open(f"/proc/{show('MainPID')}/status", encoding="ascii") as text:
        status = dict(line.rstrip("\n").split(":\t", 1) for line in text if ":\t" in line)
    assert set(status["Uid"].split()) == {str(user.pw_uid)}, status["Uid"]
    assert all(int(status[name], 16) == 0 for name in ("CapEff", "CapPrm", "CapBnd")), status
    assert status["NoNewPrivs"] == "1" and status["Seccomp"] == "2", status
    kept = os.stat("/var/lib/helix-exportd")
    assert (kept.st_uid, kept.st_mode & 0o777) == (user.pw_uid, 0o700), kept
    root = f"/proc/{show('MainPID')}/root"
    with open(f"/proc/{show('MainPID')}/mounts", encoding="ascii") as text:
        mounts = {line.split()[1]: line.split()[3].split(",") for line in text}
    assert "ro" in mounts["/"] and "ro" in mounts.get("/etc", mounts["/"]), mounts
    assert os.listdir(root + "/tmp") == [], "it has the /tmp of all"


def test_a_reload_is_done_when_it_returns(_):
    pid = show("MainPID")
    configure("[vm one]\nqmp=/run/helix/one.sock\n[vm two]\nqmp=/run/helix/two.sock\n")
    systemctl("reload", SERVICE)
    assert vms() == ["one", "two"] and show("MainPID") == pid, state()
    # one that is wrong is over too, and changes nothing
    configure("[vm one]\nqmp=/run/helix/one.sock\nnonsense=1\n")
    systemctl("reload", SERVICE)
    assert vms() == ["one", "two"] and show("ActiveState") == "active", state()
    configure()
    systemctl("reload", SERVICE)
    assert vms() == [], state()


def test_it_stops(_):
    systemctl("stop", SERVICE)
    assert (show("ActiveState"), show("Result"), show("ExecMainStatus")) == ("inactive", "success", "0"), state()


def test_who_connects_starts_it(_):
    systemctl("start", WEB, ATTACH)
    assert show("ActiveState") == "inactive", state()
    assert vms() == []
    assert show("ActiveState") == "active", state()
    # while it is away nobody is refused
    systemctl("stop", SERVICE)
    with socket.create_connection(("127.0.0.1", 8800), PATIENCE) as early:
        early.sendall(b"GET /api/vms HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        assert early.recv(12) == b"HTTP/1.1 200", state()


def test_vms_are_handed_over_on_the_other_socket(_):
    systemctl("stop", SERVICE)
    assert os.stat("/run/helix-exportd-attach.sock").st_mode & 0o777 == 0o600
    ours, theirs = socket.socketpair()
    with ours, theirs, socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as sock:
        sock.settimeout(PATIENCE)
        sock.connect("/run/helix-exportd-attach.sock")
        socket.send_fds(sock, [b'{"name":"handed","fds":["display"]}'], [theirs.fileno()])
        assert json.loads(sock.recv(4096)) == {"ok": True}, state()


def test_a_crash_is_not_the_end(_):
    vms()
    pid = show("MainPID")
    os.kill(int(pid), signal.SIGSEGV)
    wait("another process", lambda: show("MainPID") not in ("0", pid) and show("ActiveState") == "active")
    assert vms() == []


def test_a_wrong_configuration_is_not_tried_again(_):
    systemctl("stop", WEB, ATTACH, SERVICE)
    configure("nonsense=1\n")
    done = subprocess.run(["systemctl", "start", SERVICE], capture_output=True, timeout=PATIENCE, check=False)
    assert done.returncode != 0, state()
    assert (show("ActiveState"), show("Result"), show("ExecMainStatus")) == ("failed", "exit-code", "2"), state()
    configure()
    systemctl("start", SERVICE)


def test_the_watchdog_ends_one_that_hangs(_):
    # the unit's 30 seconds would be waited for; what is tried is that it is heard and heeded
    assert show("WatchdogUSec") == "30s"
    drop_in("WatchdogSec=3\nTimeoutAbortSec=1\n")
    systemctl("restart", SERVICE)
    pid, before = show("MainPID"), int(show("NRestarts"))
    os.kill(int(pid), signal.SIGSTOP)
    wait("the watchdog", lambda: int(show("NRestarts")) > before)
    wait("another process", lambda: show("MainPID") not in ("0", pid) and show("ActiveState") == "active")
    assert vms() == []


if __name__ == "__main__":
    if sys.argv[1] == "--boot":
        boot(*sys.argv[2:])
    elif sys.argv[1] == "--inside":
        run(tests_of(globals(), sys.argv[2]))
    else:
        sys.exit(outside(*sys.argv[1:]))
