#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""helix-exportd as a service: configuration, reload, the service manager, socket
activation, the API's description, metrics, the log. No QEMU: monitors here are
sockets that say nothing.

usage: test_service.py HELIX-EXPORTD OPENAPI.YAML
Prints TAP.
"""
import array
import http.client
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request

sys.dont_write_bytecode = True
sys.path[:0] = [os.path.join(os.path.dirname(os.path.abspath(__file__)), part) for part in ("", "../../../tests/e2e")]
from openapi import Description, parse_metrics  # noqa: E402
from patience import PATIENCE, wait  # noqa: E402
from report import run, tests_of  # noqa: E402

EXPORTD, OPENAPI = sys.argv[1:3]


class Server:
    """One helix-exportd with a configuration file of its own."""

    def __init__(self, config, arguments=(), environment=None, pass_fds=(), wrapper=(), key=None):
        self.dir = tempfile.mkdtemp(prefix="helix-service-")
        if key:
            with open(os.open(f"{self.dir}/key", os.O_CREAT | os.O_WRONLY, 0o600), "wb") as out:
                out.write(key)
        self.config = os.path.join(self.dir, "exportd.conf")
        self.log = os.path.join(self.dir, "log")
        self.write(config)
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen(
                [*wrapper, EXPORTD, "--config", self.config, *arguments], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                stderr=log, pass_fds=pass_fds, env={**os.environ, **(environment or {})})
        line = self.process.stdout.readline().decode()
        found = re.match(r"listening http://127\.0\.0\.1:(\d+)/$", line)
        if not found:
            self.process.kill()
            self.process.wait()
            raise AssertionError(f"said {line!r} and not where it listens: {self.said()}")
        self.port = int(found.group(1))

    def __enter__(self):
        return self

    def __exit__(self, kind, value, trace):
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self.process.stdout.close()
        if kind:
            for line in self.said().splitlines()[-20:]:
                print("# " + line)
        shutil.rmtree(self.dir)

    def write(self, config):
        with open(self.config, "w", encoding="ascii") as out:
            out.write(config.replace("DIR", self.dir))

    def said(self):
        with open(self.log, encoding="utf-8") as log:
            return log.read()

    def reload(self, config, until):
        self.write(config)
        self.process.send_signal(signal.SIGHUP)
        wait(until, lambda: until in self.said())

    def call(self, method, path, body=None, **headers):
        data = None if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}{path}", method=method, data=data,
                                         headers={"Content-Type": "application/json", **headers})
        try:
            with urllib.request.urlopen(request, timeout=PATIENCE) as answer:
                return answer.status, answer.headers["Content-Type"], answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.headers["Content-Type"], error.read().decode()

    def vms(self):
        return {vm["name"]: vm for vm in json.loads(self.call("GET", "/api/vms")[2])}


class Mute:
    """Monitors that take a connection and say nothing."""

    def __init__(self, folder, count):
        self.sockets, self.peers = [], []
        for number in range(count):
            listener = socket.socket(socket.AF_UNIX)
            listener.bind(f"{folder}/mute{number}")
            listener.listen(4)
            listener.setblocking(False)
            self.sockets.append(listener)

    def visited(self):
        """How many have been connected to, all of them kept open."""
        for listener in self.sockets:
            try:
                self.peers.append((listener, listener.accept()[0]))
            except BlockingIOError:
                pass
        return len({id(listener) for listener, _ in self.peers})

    def close(self):
        for each in [peer for _, peer in self.peers] + self.sockets:
            each.close()


PLAIN = "[server]\nport=0\n"


def test_check_config_says_whether_it_is_good():
    folder = tempfile.mkdtemp(prefix="helix-service-")
    path = os.path.join(folder, "exportd.conf")
    try:
        for text, status, words in ((PLAIN, 0, ""), ("[server]\nport=99999\n", 2, "port=99999"),
                                    ("[vm x]\n", 2, "[vm x] qmp")):
            with open(path, "w", encoding="ascii") as out:
                out.write(text)
            done = subprocess.run([EXPORTD, "--config", path, "--check-config"], capture_output=True, timeout=PATIENCE,
                                  text=True, check=False)
            assert done.returncode == status, (text, done)
            assert words in done.stderr and (not words or path in done.stderr), done.stderr
    finally:
        shutil.rmtree(folder)


def test_an_encoder_that_was_forced_has_to_work():
    with tempfile.TemporaryDirectory(prefix="helix-service-") as folder:
        for name, status, words in (("x264", 2, 'no encoder "x264"; there are auto, libx264'),
                                    # of macOS alone
                                    ("h264_videotoolbox", 1, "h264_videotoolbox: not in this libavcodec")):
            done = subprocess.run([EXPORTD, "--attach", os.path.join(folder, "attach"), "--port", "0", "--encoder", name],
                                  capture_output=True, timeout=PATIENCE, text=True, check=False)
            assert done.returncode == status and words in done.stderr, done


def test_encoders_are_tried_and_told():
    with Server(PLAIN + "[encoder]\nname=libsvtav1,auto\n") as server:
        choices = json.loads(server.call("GET", "/api/server")[2])["encoder"]["choices"]
        assert [c["name"] for c in choices] == ["libsvtav1", "h264_nvenc", "h264_vaapi", "h264_videotoolbox", "libx264"], choices
        assert choices[0]["works"] and choices[0]["codec"] == "av1" and choices[-1]["works"], choices
        for choice in choices:
            assert choice["works"] == (choice["why"] == ""), choice
            assert f"encoder {choice['name']}: {choice['why'] or 'works'}" in server.said(), server.said()


def test_the_example_is_good():
    example = os.path.join(os.path.dirname(OPENAPI), "systemd/exportd.conf")
    subprocess.run([EXPORTD, "--config", example, "--check-config"], timeout=PATIENCE, check=True)
    with open(example, encoding="ascii") as text:
        # with what it shows commented out as well
        every = re.sub(r"^#(\[|\w[\w-]*=)", r"\1", text.read(), flags=re.M)
    with tempfile.NamedTemporaryFile("w", encoding="ascii", suffix=".conf") as out:
        out.write(every)
        out.flush()
        subprocess.run([EXPORTD, "--config", out.name, "--check-config"], timeout=PATIENCE, check=True)


def test_help_has_every_setting():
    done = subprocess.run([EXPORTD, "--help"], capture_output=True, timeout=PATIENCE, text=True, check=True)
    for flag in ("--qmp", "--config", "--check-config", "--tls-certificate", "--token-key", "--log", "--thumb-fps"):
        assert flag in done.stdout, flag
    assert all(len(line) <= 80 for line in done.stdout.splitlines()), done.stdout


def test_the_service_manager_is_told():
    folder = tempfile.mkdtemp(prefix="helix-service-")
    told = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    told.bind(f"{folder}/notify")
    told.settimeout(PATIENCE)

    def until(word):
        while True:
            fields = dict(line.split("=", 1) for line in told.recv(4096).decode().splitlines())
            if word in fields:
                return fields

    try:
        with Server(PLAIN, environment={"NOTIFY_SOCKET": f"{folder}/notify", "WATCHDOG_USEC": "300000"}) as server:
            ready = until("READY")
            assert "0 desktops" in ready["STATUS"], ready
            for _ in range(3):
                until("WATCHDOG")
            server.process.send_signal(signal.SIGHUP)
            reloading = until("RELOADING")
            assert int(reloading["MONOTONIC_USEC"]) <= time.monotonic_ns() // 1000, reloading
            until("READY")
            server.process.terminate()
            until("STOPPING")
            assert server.process.wait(PATIENCE) == 0
    finally:
        told.close()
        shutil.rmtree(folder)


def test_sockets_that_the_service_manager_made():
    web = socket.create_server(("127.0.0.1", 0))
    attach = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    folder = tempfile.mkdtemp(prefix="helix-service-")
    attach.bind(f"{folder}/attach")
    attach.listen(4)
    port = web.getsockname()[1]
    # the descriptors 3 and 4 of a process that knows its own number
    script = f'exec 3<&{web.fileno()} 4<&{attach.fileno()}; LISTEN_PID=$$ LISTEN_FDS=2 LISTEN_FDNAMES=http:attach exec "$@"'
    try:
        with Server("[server]\nlisten=127.0.0.2\nport=1\n", pass_fds=(web.fileno(), attach.fileno()),
                    wrapper=("/bin/bash", "-c", script, "bash")) as server:
            assert server.port == port, f"{server.port}, not {port}"
            assert server.call("GET", "/api/server")[0] == 200
            answer = hand_over(f"{folder}/attach", {"name": "x"}, [])
            assert answer["error"]["code"] == "invalid", answer
    finally:
        web.close()
        attach.close()
        shutil.rmtree(folder)


def hand_over(path, message, fds):
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as sock:
        sock.settimeout(PATIENCE)
        sock.connect(path)
        data = message if isinstance(message, bytes) else json.dumps(message).encode()
        sock.sendmsg([data], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))] if fds else [])
        return json.loads(sock.recv(4096))


def test_what_is_handed_over_wrongly_is_refused():
    with Server(PLAIN + "attach=DIR/attach\n") as server:
        path = f"{server.dir}/attach"
        assert os.stat(path).st_mode & 0o777 == 0o600, oct(os.stat(path).st_mode)
        ours, theirs = socket.socketpair()
        with ours, theirs:
            fd = theirs.fileno()
            for message, fds in (({"name": "a"}, [fd]), (b"\xff", [fd]), ({"name": "a b", "fds": ["display"]}, [fd]),
                                 ({"name": "a", "fds": ["display"]}, []), (b"x" * 5000, [fd]),
                                 ({"name": "a", "fds": ["display"] * 3}, [fd, fd, fd])):
                answer = hand_over(path, message, fds)
                assert answer["error"]["code"] == "invalid", (message, answer)
            assert not server.vms()
            # the display of this one never speaks: it is dropped, and that is its end
            assert hand_over(path, {"name": "a", "fds": ["display"]}, [fd]) == {"ok": True}
            assert server.vms()["a"]["origin"] == "handed-over"
            assert hand_over(path, {"name": "a", "fds": ["display"]}, [fd])["error"]["code"] == "exists"
        wait("the end of what was handed over", lambda: not server.vms())
    assert not os.path.exists(path)


def test_reload():
    one = PLAIN + "[vm one]\nqmp=DIR/one\n"
    with Server(one) as server:
        assert list(server.vms()) == ["one"]
        wait("a word on the monitor", lambda: server.vms()["one"]["error"])
        server.reload(one + "[vm two]\nqmp=DIR/two\nconsole0=true\n", "vm two: added")
        assert list(server.vms()) == ["one", "two"]
        assert server.vms()["two"]["origin"] == "configured"
        server.reload(PLAIN + "[vm two]\nqmp=DIR/two\nconsole0=true\n[vm one]\n", "stays as it was")
        assert "[vm one] qmp" in server.said()
        assert list(server.vms()) == ["one", "two"], "a wrong file changed something"
        server.reload("[server]\nport=1\nlog-level=debug\n[encoder]\nfps=7\n[vm two]\nqmp=DIR/two\nconsole0=true\n",
                      "needs a restart: [server] port, [encoder] fps")
        assert list(server.vms()) == ["two"]
        assert "vm two: removed" not in server.said(), "what did not change was started over"
        server.reload(PLAIN + "[vm two]\nqmp=DIR/elsewhere\n", "vm two: removed: its configuration changed")
        wait("the new monitor", lambda: server.vms()["two"]["qmp"].endswith("elsewhere"))
        server.reload(PLAIN + "tls-certificate=DIR/certificate\ntls-key=DIR/private\n", "TLS cannot be begun without a restart")


def test_monitors_that_hang_delay_nobody():
    with Server(PLAIN) as server:
        mutes = Mute(server.dir, 24)
        try:
            names = "".join(f"[vm v{n}]\nqmp=DIR/mute{n}\n" for n in range(24))
            server.reload(PLAIN + names, "read again")
            # all at once: none waits for another's thread
            wait("24 visits", lambda: mutes.visited() == 24)
            assert server.call("GET", "/api/desktops")[2] == "[]"
            server.reload(PLAIN, "vm v23: removed")
            assert not server.vms()
        finally:
            mutes.close()


def test_vms_by_the_api():
    with Server(PLAIN + "vm-directory=DIR\n") as server:
        added = {"name": "api", "qmp": f"{server.dir}/qmp"}
        assert server.call("POST", "/api/vms", added)[0] == 201
        assert server.vms()["api"]["origin"] == "added"
        assert server.call("POST", "/api/vms", {"name": "b", "qmp": "/etc/passwd"})[0] == 400
        server.reload(PLAIN + "vm-directory=/run/other\n", "read again")
        assert list(server.vms()) == ["api"], "a reload ends what came by the API"
        assert server.call("POST", "/api/vms", {"name": "b", "qmp": f"{server.dir}/qmp"})[0] == 400
        assert server.call("DELETE", "/api/vms/api")[0] == 200
        assert not server.vms()


def test_every_answer_is_as_described():
    description = Description(OPENAPI)
    bodies = {"/api/desktops/{id}/resize": {"width": 640, "height": 480},
              "/api/vms": {"name": "described", "qmp": "/run/helix/none"},
              "/api/tokens": {"desktop": "vm:3", "role": "view", "ttl": 60}}
    seen = set()
    with Server(PLAIN) as server:
        for method, path, operation in description.operations():
            url = path.replace("{id}", "vm:3").replace("{name}", "described")
            body = bodies.get(path) if method == "POST" else None
            assert ("requestBody" in operation) == (body is not None), f"{method} {path}: its body"
            if body:
                description.check_request(method, path, body)
            status, mime, text = server.call(method, url, body)
            description.check(method, path, status, mime, text)
            seen.add(status)
            if body:
                for wrong in (b"", b"{", b"[]", b'{"width":1,"name":[],"desktop":{}}', b"x" * 4097):
                    status, mime, text = server.call(method, url, wrong)
                    assert 400 <= status < 500, (method, path, wrong, status)
                    description.check(method, path, status, mime, text)
            assert server.call("PUT", url)[0] == 405, f"PUT {url}"
            others = {"GET", "POST", "DELETE"} - {m for m, p, _ in description.operations() if p == path}
            for other in others:
                assert server.call(other, url)[0] == 405, f"{other} {url}"
        assert server.call("GET", "/api/undescribed")[0] == 404
    assert {200, 201, 404} <= seen, seen


def test_metrics():
    with Server(PLAIN + "[vm a-b]\nqmp=DIR/none\n") as server:
        status, mime, text = server.call("GET", "/metrics")
        assert (status, mime) == (200, "text/plain; version=0.0.4; charset=utf-8"), (status, mime)
        families = parse_metrics(text)
        assert all(name.startswith("helix_exportd_") for name in families)
        assert families["helix_exportd_vm_connected"] == {(("vm", "a-b"),): 0}, families
        assert families["helix_exportd_cpu_seconds_total"][()] > 0
        assert families["helix_exportd_encoder_usable"][(("encoder", "libx264"),)] == 1, families
        assert families["helix_exportd_encoder_failures_total"][(("encoder", "libx264"),)] == 0, families
        before = families["helix_exportd_log_lines_total"][(("level", "error"),)]
        server.reload("nonsense\n", "stays as it was")
        after = parse_metrics(server.call("GET", "/metrics")[2])["helix_exportd_log_lines_total"][(("level", "error"),)]
        assert after == before + 1, (before, after)


def test_log_as_json():
    with Server(PLAIN + "log=json\n[vm quiet]\nqmp=DIR/none\n") as server:
        wait("a word on the VM", lambda: "trying again" in server.said())
        lines = [json.loads(line) for line in server.said().splitlines()]
        assert all({"time", "level", "message"} <= set(line) for line in lines), lines
        assert any(line.get("vm") == "quiet" and line["level"] == "warning" for line in lines), lines


def test_a_flood_of_one_line_is_cut():
    with Server(PLAIN + "attach=DIR/attach\n") as server:
        for _ in range(200):
            hand_over(f"{server.dir}/attach", b"{}", [])
        lines = server.said().count("attach: refused")
        assert 0 < lines < 200, lines


def test_tokens():
    with Server(PLAIN + "auth=token\ntoken-key=DIR/key\nstate=DIR\n", key=os.urandom(40)) as server:
        def token(*arguments):
            done = subprocess.run([EXPORTD, "token", "--key", f"{server.dir}/key", *arguments], capture_output=True,
                                  timeout=PATIENCE, text=True, check=False)
            assert done.returncode == 0 and done.stdout.count("\n") == 1, done
            return {"Authorization": f"Bearer {done.stdout.strip()}"}

        description = Description(OPENAPI)

        def call(method, path, body=None, described=None, **headers):
            status, mime, text = server.call(method, path, body, **headers)
            return status, description.check(method, described or path, status, mime, text)

        assert call("GET", "/api/vms")[0] == 401
        viewer, admin = token("--desktop", "vm:3"), token("--role", "admin", "--ttl", "600")
        assert call("GET", "/api/vms", **viewer)[0] == 403
        assert call("GET", "/api/desktops", **viewer) == (200, [])
        assert server.call("GET", "/metrics", **viewer)[0] == 403
        assert server.call("GET", "/metrics", **admin)[0] == 200
        status, made = call("POST", "/api/tokens", {"desktop": "vm:*", "role": "control", "ttl": 60}, **admin)
        assert status == 201 and made["role"] == "control", made
        child = {"Authorization": "Bearer " + made["token"]}
        assert call("GET", "/api/desktops", **child)[0] == 200
        assert call("POST", "/api/tokens", {"desktop": "vm:3", "role": "view"}, **child)[0] == 403
        assert call("POST", "/api/tokens", {"desktop": "*", "role": "view", "ttl": 3600}, **admin)[0] == 403, "longer than its own"
        listed = call("GET", "/api/tokens", **admin)[1]
        assert [t["revoked"] for t in listed if t["id"] == made["id"]] == [False], listed
        assert call("DELETE", f"/api/tokens/{made['id']}", described="/api/tokens/{id}", **admin)[0] == 200
        assert call("GET", "/api/desktops", **child)[0] == 401
        local = token("--role", "admin", "--desktop", "vm:*")
        seen = call("GET", "/api/tokens", **local)[1]
        assert [t["revoked"] for t in seen if t["id"] == made["id"]] == [True], seen
        assert all(t["desktop"].startswith("vm:") for t in seen), "tokens of more than the caller's desktops"
        assert call("GET", "/api/vms", **local)[0] == 403
        # another key: nothing that was made with the former is good any more
        with open(f"{server.dir}/key", "wb") as key:
            key.write(os.urandom(40))
        server.reload(PLAIN + "auth=token\ntoken-key=DIR/key\nstate=DIR\n", "read again")
        assert call("GET", "/api/desktops", **admin)[0] == 401
        assert call("GET", "/api/desktops", **token())[0] == 200
    for arguments in ((), ("--key", "/nonexistent/key"), ("--key", "/dev/null"), ("--key", "x", "--role", "god"),
                      ("--key", "x", "--ttl", "0"), ("--key", "x", "--desktop", "a b"), ("--key", "x", "more")):
        done = subprocess.run([EXPORTD, "token", *arguments], capture_output=True, timeout=PATIENCE, text=True, check=False)
        assert done.returncode and done.stderr and not done.stdout, (arguments, done)


def ask(server, method="GET", path="/api/desktops", place="127.0.0.1", **headers):
    """Status and body, from any address of this machine's."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=PATIENCE, source_address=(place, 0))
    try:
        connection.request(method, path, headers={name.replace("_", "-"): value for name, value in headers.items()})
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    finally:
        connection.close()


def test_tokens_without_state_are_warned_of():
    for state, told in (("state=DIR\n", False), ("", True)):
        with Server(PLAIN + "auth=token\ntoken-key=DIR/key\n" + state, key=os.urandom(40)) as server:
            assert ("no state: tokens that were used up" in server.said()) == told, server.said()


BEHIND = PLAIN + "auth=token\ntoken-key=DIR/key\nstate=DIR\ntoken-failures=2\nconnections-each=2\ntrusted-proxies=127.0.0.8/29\n"


def test_a_proxy_is_believed_for_whom_it_asks():
    with Server(BEHIND, key=os.urandom(40)) as server:
        bad = {"Authorization": "Bearer nonsense"}

        def asked_for(client, **headers):
            return ask(server, place="127.0.0.9", X_Forwarded_For=client, **bad, **headers)[0]

        # what one client does wrong is held against that one, whatever it writes before the proxy does
        assert [asked_for("192.0.2.1") for _ in range(3)] == [401, 401, 429]
        assert asked_for("192.0.2.2") == 401
        assert asked_for("192.0.2.7, 192.0.2.1") == 429
        assert asked_for("192.0.2.1, 127.0.0.10") == 429
        assert "192.0.2.1" in server.said()
        # whom nobody trusts is who it is
        assert [ask(server, place="127.0.0.20", X_Forwarded_For=f"192.0.2.{n}", **bad)[0] for n in (10, 11, 12)] == [401, 401, 429]


def test_connections_of_a_proxy_are_its_clients():
    with Server(BEHIND, key=os.urandom(40)) as server:
        def connection(client):
            one = http.client.HTTPConnection("127.0.0.1", server.port, timeout=PATIENCE, source_address=("127.0.0.9", 0))
            one.request("GET", "/api/desktops", headers={"X-Forwarded-For": client})
            answer = one.getresponse()
            return one, answer.status, answer.read().decode()

        kept = [connection(client) for client in ("192.0.2.1", "192.0.2.1", "192.0.2.2", "192.0.2.3")]
        assert [status for _, status, _ in kept] == [401] * 4, "the proxy has more than a client may have"
        more = connection("192.0.2.1")
        assert more[1] == 429 and '"connections"' in more[2], more
        # the same connection, for another client
        more[0].request("GET", "/api/desktops", headers={"X-Forwarded-For": "192.0.2.4"})
        assert more[0].getresponse().status == 401
        server.reload(BEHIND.replace("each=2", "each=3"), "read again")
        kept.append(connection("192.0.2.1"))
        assert kept[-1][1] == 401, kept[-1]
        for one, *_ in (*kept, more):
            one.close()


def test_a_proxy_says_by_what_the_page_came():
    with Server(PLAIN + "server-names=desk.example\ntrusted-proxies=127.0.0.9\n") as server:
        def post(place, **headers):
            return ask(server, "POST", "/api/ticket", place, Host="desk.example", Origin="https://desk.example",
                       Content_Length="0", **headers)[0]

        assert post("127.0.0.9", X_Forwarded_Proto="https") == 200
        assert post("127.0.0.9", X_Forwarded_Proto="http") == 403
        assert post("127.0.0.9") == 403
        assert post("127.0.0.1", X_Forwarded_Proto="https") == 403, "anybody could say so"


def test_metrics_are_not_open_to_who_comes_by_a_proxy():
    with Server(BEHIND + "metrics-open=true\n", key=os.urandom(40)) as server:
        assert ask(server, path="/metrics", place="127.0.0.9")[0] == 200
        refused = ask(server, path="/metrics", place="127.0.0.9", X_Forwarded_For="192.0.2.1")
        assert refused[0] == 403, refused
        # nor by one whose client wrote much before
        refused = ask(server, path="/metrics", place="127.0.0.9", X_Forwarded_For="127.0.0.9, " * 400 + "192.0.2.1")
        assert refused[0] == 403, refused
        # or a header of its own, which the proxy left where it was
        refused = ask(server, path="/metrics", place="127.0.0.9", x_forwarded_for="127.0.0.9", X_Forwarded_For="192.0.2.1")
        assert refused[0] == 403, refused


if __name__ == "__main__":
    sys.exit(run(tests_of(globals())))
