#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""helix-exportd as somebody meets it who should not get in, or not get far:
each attempt is refused with the answer that Documentation/stream-protocol.rst
gives, nothing of one desktop is told to the viewer of another, and the server
goes on as if nothing had been. Tokens are signed by another implementation
(python3-jwt) than the one that judges them.

usage: security.py HELIX-EXPORTD [WORD-OF-A-TEST'S-NAME]...   (HELIX_QEMU: where QEMU is installed; without it,
what needs desktops is skipped)
Prints TAP.
"""
import base64
import json
import os
import signal
import socket
import ssl
import struct
import subprocess
import sys
import tempfile
import threading
import time

import jwt

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../qemu-side/exportd/tests"))
import with_qemu  # noqa: E402
from patience import PATIENCE, wait  # noqa: E402
from with_qemu import Socket, run_tests  # noqa: E402
from report import tests_of  # noqa: E402

KEY = b"a key that is only for tests, of 32 bytes and more"
FAILURES = 10  # bad tokens that an address may send in a minute
EACH = 160  # connections that an address may have
VIEWERS = 256  # WebSockets at once
BODY_MAX = 4096
TICKETS = 1024  # that wait to be used
TICKETS_EACH = 64  # of one token
TOKENS = 4096  # that are remembered

numbers = iter(range(1, 1 << 30))


def token(desktop="*", role="admin", key=KEY, algorithm="HS256", **claims):
    now = int(time.time())
    claims = {"aud": "helix", "sub": desktop, "role": role, "exp": now + 600, "nbf": now - 60,
              "jti": f"t{next(numbers)}", **claims}
    return jwt.encode({name: value for name, value in claims.items() if value is not None}, key, algorithm)


class Place:
    """An address to come from: what one does wrong is not held against another."""

    def __init__(self, server, last):
        self.server, self.address = server, f"127.0.0.{last}"

    def connect(self, tls=True):
        sock = socket.create_connection(("127.0.0.1", self.server.port), PATIENCE, source_address=(self.address, 0))
        if not (tls and self.server.tls):
            return sock
        return self.server.tls.wrap_socket(sock, server_hostname="localhost")

    def raw(self, data, tls=True):
        """All that is answered to `data` until the server closes."""
        with self.connect(tls) as sock:
            try:
                sock.sendall(data)
                return read_all(sock)
            except ConnectionError:
                return b""

    def ask(self, path, method="GET", bearer=None, body=None, **headers):
        """(status, headers, body) of a request; the status is None if it was hung up on."""
        lines = [f"{method} {path} HTTP/1.1", "Connection: close"]
        headers.setdefault("Host", f"localhost:{self.server.port}")
        if bearer is not None:
            headers["Authorization"] = f"Bearer {bearer}"
        if body is not None:
            headers["Content-Length"] = len(body)
        lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
        head, _, rest = self.raw("\r\n".join(lines).encode() + b"\r\n\r\n" + (body or b"")).partition(b"\r\n\r\n")
        head = head.decode("latin-1").split("\r\n")
        if len(head[0].split()) < 2:
            return None, {}, b""
        fields = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:])}
        return int(head[0].split()[1]), fields, rest

    def code(self, *args, **kwargs):
        """(status, code) of a refusal."""
        status, _, body = self.ask(*args, **kwargs)
        return status, json.loads(body)["error"]["code"] if body else None

    def ticket(self, bearer):
        status, _, body = self.ask("/api/ticket", "POST", bearer, b"")
        assert status == 200, (status, body)
        return json.loads(body)

    def socket(self, query, bearer=None, protocol="helix.v1", origin=None, host=None):
        return Socket(self.server.port, query, origin=origin, host=host or f"localhost:{self.server.port}",
                      protocol=protocol, sock=self.connect(),
                      headers=[f"Authorization: Bearer {bearer}"] if bearer else ())


def read_all(sock):
    data = b""
    while True:
        try:
            part = sock.recv(65536)
        except ConnectionError:
            return data
        if not part:
            return data
        data += part


class Server:
    """helix-exportd; with QEMU it has the desktops 0 (the console), 1 and 3."""

    def __init__(self, path, qemu=None, tls=False, directory=None, environment=None, options=()):
        self.path, self.qemu, self.tls, self.bench = path, qemu, None, None
        self.environment = {**os.environ, **(environment or {})}
        self.dir = directory or tempfile.mkdtemp(prefix="helix-security-")
        self.key = self.file("key", KEY)
        self.process, self.port = None, 0
        os.makedirs(os.path.join(self.dir, "state"), exist_ok=True)
        self.options = ["--auth", "token", "--token-key", self.key, "--state", os.path.join(self.dir, "state"),
                        *options]
        if tls:
            self.certificate("first")
            self.options += ["--tls-certificate", f"{self.dir}/certificate", "--tls-key", f"{self.dir}/private"]
            self.tls = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            self.tls.check_hostname, self.tls.verify_mode = False, ssl.CERT_NONE
        if qemu:
            self.bench = with_qemu.Bench(path, os.path.join(qemu, "bin/qemu-system-x86_64"), self.options)
            self.process, self.port = self.bench.exportd, self.bench.port
            wait("the host bit", self.bench.guest.host)
            for scanout in (1, 3):
                assert self.bench.guest.enable(scanout, 1, f"secret {scanout}") == 0
            self.web = self.bench.web
        else:
            self.web = os.path.join(self.dir, "web")
            os.makedirs(self.web, exist_ok=True)
            with open(os.path.join(self.web, "index.html"), "w", encoding="ascii") as page:
                page.write("<!doctype html>the page")
            self.log = open(os.path.join(self.dir, "log"), "ab")
            self.start()

    def file(self, name, data, mode=0o600):
        path = os.path.join(self.dir, name)
        with open(path, "wb") as file:
            file.write(data)
        os.chmod(path, mode)
        return path

    def certificate(self, name, *key):
        key = key or ("ec", "-pkeyopt", "ec_paramgen_curve:prime256v1")
        subprocess.run(["openssl", "req", "-x509", "-newkey", *key, "-nodes", "-subj", f"/CN={name}", "-days", "2", "-out",
                        f"{self.dir}/certificate.new", "-keyout", f"{self.dir}/private.new"], check=True,
                       stderr=subprocess.DEVNULL)
        os.rename(f"{self.dir}/certificate.new", f"{self.dir}/certificate")
        os.rename(f"{self.dir}/private.new", f"{self.dir}/private")

    def start(self):
        self.process = subprocess.Popen(
            [self.path, "--qmp", f"{self.dir}/no-qmp.sock", "--port", str(self.port), "--web", self.web, *self.options],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=self.log, env=self.environment)
        line = self.process.stdout.readline().decode()
        assert line.startswith("listening http"), line
        self.port = int(line.rstrip("/\n").rpartition(":")[2])

    def restart(self, how=signal.SIGKILL):
        self.process.send_signal(how)
        self.process.wait()
        self.process.stdout.close()
        self.start()

    def descriptors(self):
        return len(os.listdir(f"/proc/{self.process.pid}/fd"))

    def resident(self):
        """Bytes of memory."""
        with open(f"/proc/{self.process.pid}/status", encoding="ascii") as status:
            return next(int(line.split()[1]) << 10 for line in status if line.startswith("VmRSS:"))

    def alive(self):
        return self.process.poll() is None

    def end(self, failed):
        if self.bench:
            self.bench.end(failed)
        else:
            if self.alive():
                self.process.kill()
            self.process.wait()
            self.log.close()
            if failed:
                with open(self.log.name, encoding="utf-8", errors="replace") as log:
                    print("".join("# " + line for line in log.readlines()[-40:]))
        with_qemu.shutil.rmtree(self.dir)


class Bed:
    """The servers that the tests share, and what takes long and is begun early."""

    def __init__(self, path, qemu):
        self.path = path
        self.plain = Server(path)
        self.tls = Server(path, tls=True)
        self.desks = Server(path, qemu) if qemu else None
        self.friend = Place(self.plain, 2)

    def servers(self):
        return [server for server in (self.plain, self.tls, self.desks) if server]

    def place(self, last):
        return Place(self.plain, last)

    def is_served(self):
        status, _, body = self.friend.ask("/api/desktops", bearer=token())
        assert status == 200 and json.loads(body) == [], (status, body)

    def end(self, failed):
        for server in self.servers():
            server.end(failed)


# --- tokens ---


def test_without_a_token_there_is_the_page_and_nothing_else(b):
    me = b.place(3)
    assert me.ask("/")[0] == 200
    for path in ("/api/desktops", "/api/desktops/vm:0", "/api/nothing", "/api/"):
        status, headers, body = me.ask(path)
        assert status == 401 and headers["www-authenticate"].startswith("Bearer"), (path, status)
        assert json.loads(body)["error"]["code"] == "no-token"
    for method in ("POST", "DELETE"):
        assert me.code("/api/tokens", method, body=b"{}") == (401, "no-token")
    for query in ("events", "scanout=0", "desktop=vm:0"):
        client = me.socket(query)
        assert client.status == 401 and json.loads(client.refusal)["error"]["code"] == "no-token", client.status
    # nor does it help to put it where it does not belong
    for query in (f"events&token={token()}", f"events&access_token={token()}"):
        assert me.socket(query).status == 401
    assert me.ask("/api/desktops", Cookie=f"token={token()}")[0] == 401
    assert me.code("/api/desktops", Authorization="Basic YWRtaW46YWRtaW4=") == (401, "malformed")


def test_tokens_of_another_implementation_are_taken(b):
    me = b.place(4)
    for role in ("view", "control", "admin"):
        for desktop in ("*", "vm:*", "vm:3"):
            assert me.ask("/api/desktops", bearer=token(desktop, role))[0] == 200
            assert me.socket("events", token(desktop, role)).accepted


def test_tokens_that_are_not_good(b):
    now = int(time.time())
    rsa = base64.urlsafe_b64encode(b'{"alg":"RS256","typ":"JWT"}').rstrip(b"=").decode()
    head, claims, signature = token().split(".")
    view = token(role="view").split(".")
    bad = [
        ("expired", token(exp=now - 1)),
        ("not-yet", token(nbf=now + 300)),
        ("signature", token(key=b"some other key that nobody gave us, long enough")),
        ("signature", token(algorithm="HS512")),
        ("signature", f"{rsa}.{claims}.{signature}"),
        ("signature", token(key=None, algorithm="none")),
        ("signature", jwt.encode({"aud": "helix"}, None, "none") + signature),
        ("signature", f"{head}.{claims}.{view[2]}"),
        ("signature", f"{head}.{view[1]}.{signature}"),
        ("signature", f"{head}.{claims}."),
        ("malformed", ""), ("malformed", "x"), ("malformed", "a.b.c"), ("malformed", "." * 2), ("malformed", "A" * 5000),
        ("malformed", f"{head}.{claims}"),
        ("malformed", token(aud="other")), ("malformed", token(aud=None)), ("malformed", token(aud=["helix"])),
        ("malformed", token(exp=None)), ("malformed", token(exp=now + 10 * 366 * 86400)), ("malformed", token(exp="never")),
        ("malformed", token(jti=None)), ("malformed", token(jti="../../etc")),
        ("malformed", token(role="root")), ("malformed", token(role=None)), ("malformed", token(role=3)),
        ("malformed", token("vm:3,vm:4")), ("malformed", token("")), ("malformed", token(once="yes")),
    ]
    for number, (code, text) in enumerate(bad):
        me = b.place(40 + number)   # each from its own address: bad tokens are counted
        status, headers, body = me.ask("/api/desktops", bearer=text)
        assert status == 401 and json.loads(body)["error"]["code"] == code, (code, text[:60], status, body)
        assert 'error="invalid_token"' in headers["www-authenticate"]
        client = me.socket("events", text)
        assert client.status == 401, (code, text[:60])
    b.is_served()


def test_bad_tokens_are_counted(b):
    me, good = b.place(5), token()
    for _ in range(FAILURES):
        assert me.ask("/api/desktops", bearer="nonsense")[0] == 401
    status, headers, _ = me.ask("/api/desktops", bearer=good)
    assert status == 429 and int(headers["retry-after"]) > 0, status
    assert me.socket("events", good).status == 429
    assert me.ask("/")[0] == 200
    # of those that were good once there may be any number
    old = b.place(6)
    for _ in range(FAILURES + 2):
        assert old.code("/api/desktops", bearer=token(exp=int(time.time()) - 1)) == (401, "expired")
    b.is_served()


def test_a_token_for_one_use(b):
    me, once = b.place(7), token("vm:3", "view", once=True)
    said = me.ticket(once)
    assert (said["role"], said["desktop"]) == ("view", "vm:3"), said
    assert me.code("/api/desktops", bearer=once) == (401, "used")
    assert me.socket("events", once).status == 401
    assert b.place(8).code("/api/ticket", "POST", once, b"") == (401, "used")
    # who came first goes on with what it got for it: the same rights, no longer
    claims = jwt.decode(said["token"], KEY, ["HS256"], audience="helix")
    given = jwt.decode(once, KEY, ["HS256"], audience="helix")
    assert {name: claims[name] for name in ("sub", "role", "exp", "jti")} == \
           {name: given[name] for name in ("sub", "role", "exp", "jti")}, claims
    assert "once" not in claims
    assert me.ask("/api/desktops", bearer=said["token"])[0] == 200


def test_what_was_used_stays_used(b):
    once = token("vm:3", "view", once=True)
    assert b.friend.ask("/api/desktops", bearer=once)[0] == 200
    b.plain.restart()
    assert b.friend.code("/api/desktops", bearer=once) == (401, "used")


class SlowDisk:
    """A server whose disk takes nothing as long as one says so."""

    def __init__(self, b):
        self.dir = tempfile.mkdtemp(prefix="helix-security-")
        self.hold = os.path.join(self.dir, "hold")
        library = os.path.join(os.path.dirname(b.path), "tests/standin_disk.so")
        self.server = Server(b.path, directory=self.dir, environment={"LD_PRELOAD": library, "STANDIN_DISK": self.hold})
        self.me, self.other = Place(self.server, 2), Place(self.server, 3)

    def __enter__(self):
        self.stall()
        return self

    def __exit__(self, kind, value, trace):
        self.go_on()
        self.server.end(kind is not None)

    def stall(self):
        with open(self.hold, "w", encoding="ascii"):
            pass

    def go_on(self):
        if os.path.exists(self.hold):
            os.unlink(self.hold)

    def ask(self, *args, **kwargs):
        """A request that is under way."""
        asked = Asked(lambda: self.me.ask(*args, **kwargs))
        self.is_served()
        assert not asked.answered(), asked.answer
        return asked

    def is_served(self):
        for _ in range(3):
            assert self.other.ask("/api/desktops", bearer=token())[0] == 200

    def remembered(self, name, what):
        rows = json.loads(self.other.ask("/api/tokens", bearer=token())[2])
        return any(row["id"] == name and row[what] for row in rows)

    def state(self, name):
        """Where the records are, or are not any more."""
        return os.path.join(self.dir, name)


class Asked(threading.Thread):
    def __init__(self, function):
        super().__init__(daemon=True)
        self.function, self.answer = function, None
        self.start()

    def run(self):
        self.answer = self.function()

    def answered(self):
        return not self.is_alive()

    def get(self):
        self.join(PATIENCE)
        assert not self.is_alive(), "there is no answer"
        return self.answer


def test_a_slow_disk_holds_up_who_waits_for_it_and_nobody_else(b):
    with SlowDisk(b) as slow:
        new = slow.ask("/api/tokens", "POST", token(), b'{"desktop":"vm:3","role":"view","ttl":60}')
        end = slow.ask("/api/tokens/victim", "DELETE", token())
        once = token("vm:3", "view", once=True, jti="once")
        used = slow.ask("/api/ticket", "POST", once, b"")
        wait("both have arrived", lambda: slow.remembered("victim", "revoked") and slow.remembered("once", "used"))
        # it is used, and its victim is out, before all of that is on the disk
        assert slow.other.code("/api/desktops", bearer=once) == (401, "used")
        assert slow.other.code("/api/desktops", bearer=token(jti="victim")) == (401, "revoked")
        slow.go_on()
        assert [asked.get()[0] for asked in (new, end, used)] == [201, 200, 200]
        assert json.loads(used.get()[2])["ticket"] and json.loads(new.get()[2])["token"]
        slow.server.restart()
        assert slow.other.code("/api/desktops", bearer=once) == (401, "used")
        assert slow.other.code("/api/desktops", bearer=token(jti="victim")) == (401, "revoked")


def test_a_websocket_hears_nothing_before_its_token_is_noted(b):
    with SlowDisk(b) as slow:
        once = token("*", "view", once=True)
        client = slow.me.socket("events", once)
        assert client.accepted
        first = Asked(client.receive)
        slow.is_served()
        assert not first.answered(), first.answer
        slow.go_on()
        assert json.loads(first.get()[1])["type"] == "desktops", first.answer
        client.close()


def test_who_waits_for_the_disk_is_not_hung_up_on(b):
    """For longer than a request has to be complete, and than a WebSocket may be silent."""
    def first_text(client):
        while frame := client.receive():
            if frame[0] == 9:
                client.frame(10, frame[1])
            elif frame[0] == 1:
                return json.loads(frame[1])["type"]
        return None

    with SlowDisk(b) as slow:
        client = slow.me.socket("events", token("*", "view", once=True))
        listed = Asked(lambda: first_text(client))
        wanted = b'{"desktop":"vm:3","role":"view","ttl":60}'
        asked = [slow.ask("/api/ticket", "POST", token(once=True), b""), slow.ask("/api/ticket", "POST", token(once=True), b"x"),
                 slow.ask("/api/desktops", "GET", token(once=True)), slow.ask("/api/tokens/victim", "DELETE", token()),
                 slow.ask("/api/tokens", "POST", token(), wanted)]
        client.send(b"what is said meanwhile is not heard")
        time.sleep(22)
        assert not listed.answered() and not any(each.answered() for each in asked), asked
        slow.go_on()
        assert [each.get()[0] for each in asked] == [200, 200, 200, 200, 201], [each.answer for each in asked]
        assert listed.get() == "desktops", listed.answer
        client.send(b"but then it is")
        assert client.say("error")["code"] == "bad-message"
        client.close()


def test_what_the_disk_does_not_take_was_not_used(b):
    with SlowDisk(b) as slow:
        once = [token("*", "view", once=True) for _ in range(2)]
        client = slow.me.socket("events", once[0])
        used = slow.ask("/api/ticket", "POST", once[1], b"")
        end = slow.ask("/api/tokens/victim", "DELETE", token())
        os.rename(slow.state("state"), slow.state("away"))
        slow.go_on()
        assert used.get()[0] == 503 and json.loads(used.get()[2])["error"]["code"] == "unavailable", used.answer
        assert end.get()[0] == 503 and json.loads(end.get()[2])["error"]["code"] == "not-noted", end.answer
        assert client.close_code() == 4401
        # out all the same, as long as this server runs
        assert slow.other.code("/api/desktops", bearer=token(jti="victim")) == (401, "revoked")
        os.rename(slow.state("away"), slow.state("state"))
        assert [slow.other.ask("/api/desktops", bearer=each)[0] for each in once] == [200, 200]
        assert [slow.other.ask("/api/desktops", bearer=each)[0] for each in once] == [401, 401]


def test_who_waits_for_the_disk_is_judged_again(b):
    with SlowDisk(b) as slow:
        once = [token("*", "view", once=True, jti=f"once{number}") for number in range(2)]
        used = [slow.ask("/api/ticket", "POST", each, b"") for each in once]
        wait("both have arrived", lambda: all(slow.remembered(f"once{number}", "used") for number in range(2)))
        end = slow.ask("/api/tokens/once0", "DELETE", token())
        wait("one is revoked", lambda: slow.remembered("once0", "revoked"))
        slow.go_on()
        assert end.get()[0] == 200 and used[1].get()[0] == 200, (end.answer, used[1].answer)
        assert used[0].get()[0] == 401 and json.loads(used[0].get()[2])["error"]["code"] == "revoked", used[0].answer


def test_tickets(b):
    me = b.place(9)
    ticket = me.ticket(token("vm:3", "view"))["ticket"]
    client = me.socket("events", protocol=f"helix.v1, helix.ticket.{ticket}")
    assert client.accepted and client.headers["Sec-WebSocket-Protocol"] == "helix.v1"
    for wrong in (ticket, "A" * 22, "", "A" * 60):
        client = me.socket("events", protocol=f"helix.v1, helix.ticket.{wrong}")
        assert client.status == 401, wrong
    # a ticket is no token
    fresh = me.ticket(token())["ticket"]
    assert me.ask("/api/desktops", bearer=fresh)[0] == 401
    assert me.ask("/api/ticket", bearer=token())[0] == 405
    # one token cannot have all of them
    greedy = token()
    codes = [b.place(10).ask("/api/ticket", "POST", greedy, b"")[0] for _ in range(66)]
    assert codes.count(200) == TICKETS_EACH and codes[-1] == 429, codes
    assert me.ticket(token())["ticket"]


def test_tickets_of_one_machine_are_no_other_ones_loss(b):
    """Who may make tokens has tickets of as many as they like: when all are taken, they lose their own."""
    mine, greedy = b.place(30), b.place(31)
    boss, kept = token("vm:3", "admin", exp=int(time.time()) + 900), mine.ticket(token("other:1", "view"))["ticket"]
    for _ in range(TICKETS // TICKETS_EACH):
        status, _, body = greedy.ask("/api/tokens", "POST", boss, b'{"desktop":"vm:3","role":"view","ttl":600}')
        assert status == 201, (status, body)
        for _ in range(TICKETS_EACH):
            assert greedy.ask("/api/ticket", "POST", json.loads(body)["token"], b"")[0] == 200
    link = mine.ticket(token("other:1", "view", once=True))
    for ticket in (kept, link["ticket"]):
        assert mine.socket("events", protocol=f"helix.v1, helix.ticket.{ticket}").accepted
    assert mine.ask("/api/desktops", bearer=link["token"])[0] == 200


def test_what_one_machine_used_up_is_no_other_ones_loss(b):
    """Who may make tokens can have as many used up and revoked as there is room for: half of it, then no more."""
    directory = tempfile.mkdtemp(prefix="helix-security-")
    ends = int(time.time()) + 600
    os.mkdir(os.path.join(directory, "state"))
    with open(os.path.join(directory, "state/tokens.json"), "w", encoding="ascii") as file:
        json.dump({"version": 1, "tokens": [
            {"id": f"used{number}", "desktop": "vm:3", "role": "view", "expires": ends, "once": True, "used": True,
             "revoked": False} for number in range(TOKENS // 2)]}, file)
    server = Server(b.path, directory=directory)
    try:
        me, boss, other = Place(server, 2), token("vm:3", "admin"), token("other:*", "admin")
        once = token("vm:3", "view", once=True, jti="once")
        assert me.code("/api/desktops", bearer=once) == (503, "no-room")
        assert me.code("/api/tokens", "POST", boss, b'{"desktop":"vm:3","role":"view","ttl":60,"once":true}') == (503, "not-issued")
        status, _, body = me.ask("/api/tokens", "POST", boss, b'{"desktop":"vm:3","role":"view","ttl":60}')
        assert status == 201 and me.ask("/api/desktops", bearer=json.loads(body)["token"])[0] == 200, (status, body)
        assert me.code(f"/api/tokens/{json.loads(body)['id']}", "DELETE", boss) == (503, "no-room")
        assert me.ask("/api/desktops", bearer=json.loads(body)["token"])[0] == 200
        # what is remembered needs no more room; and the administrator of everything always has some
        assert me.ask("/api/tokens/used1", "DELETE", boss)[0] == 200
        assert me.ask(f"/api/tokens/{json.loads(body)['id']}", "DELETE", token())[0] == 200
        assert me.code("/api/desktops", bearer=json.loads(body)["token"]) == (401, "revoked")
        assert me.ask("/api/tokens/never-seen", "DELETE", token())[0] == 200
        # another machine notices nothing
        assert me.ticket(token("other:1", "view", once=True))["token"]
        status, _, body = me.ask("/api/tokens", "POST", other, b'{"desktop":"other:1","role":"view","ttl":60,"once":true}')
        assert status == 201 and me.ask(f"/api/tokens/{json.loads(body)['id']}", "DELETE", other)[0] == 200, (status, body)
    finally:
        server.end(False)


def test_a_connection_ends_with_its_token(b):
    soon = token(exp=int(time.time()) + 6)
    client = b.place(11).socket("events", soon)
    assert client.accepted
    assert client.close_code() == 4401
    assert b.place(11).code("/api/desktops", bearer=soon) == (401, "expired")


def test_tokens_that_the_server_issues(b):
    """By its API and by its command; nobody gives more than he has."""
    me, boss = b.place(24), token("vm:*", "admin")

    def issue(bearer, **wanted):
        status, _, body = me.ask("/api/tokens", "POST", bearer, json.dumps(wanted).encode())
        return status, json.loads(body)

    status, said = issue(boss, desktop="vm:3", role="view", ttl=60)
    assert status == 201, (status, said)
    claims = jwt.decode(said["token"], KEY, ["HS256"], audience="helix")
    assert (claims["sub"], claims["role"], claims["jti"]) == ("vm:3", "view", said["id"]), claims
    assert claims["exp"] - claims["iat"] == 60 and "once" not in claims, claims
    for bearer, wanted in ((boss, {"desktop": "*"}), (boss, {"desktop": "other:1"}), (boss, {"ttl": 86400 * 30}),
                           (token("vm:3", "control"), {}), (token("vm:3", "view"), {}), (said["token"], {})):
        status, refusal = issue(bearer, **{"desktop": "vm:3", "role": "view", "ttl": 60, **wanted})
        assert status == 403, (wanted, status, refusal)
    done = subprocess.run([b.path, "token", "--key", b.plain.key, "--desktop", "vm:3", "--role", "control", "--ttl", "60",
                           "--once"], capture_output=True, timeout=PATIENCE, check=False)
    assert done.returncode == 0, done.stderr
    claims = jwt.decode(done.stdout.decode().strip(), KEY, ["HS256"], audience="helix")
    assert (claims["sub"], claims["role"], claims["once"]) == ("vm:3", "control", True), claims
    assert me.ticket(done.stdout.decode().strip())["role"] == "control"


def test_a_revoked_token_is_out_at_once(b):
    me, boss = b.place(25), token("vm:*", "admin")
    victim = token("vm:3", "control", jti="victim")
    client, ticket = me.socket("events", victim), me.ticket(victim)["ticket"]
    # neither who may only use the desktop, nor the administrator of another one
    for bearer, wanted in ((token("vm:3", "control"), 403), (token("vm:4", "admin"), 404), (token("other:*", "admin"), 404)):
        assert me.ask("/api/tokens/victim", "DELETE", bearer)[0] == wanted
    assert me.ask("/api/desktops", bearer=victim)[0] == 200
    assert me.ask("/api/tokens/victim", "DELETE", boss)[0] == 200
    assert client.close_code() == 4401
    assert me.code("/api/desktops", bearer=victim) == (401, "revoked")
    assert me.code("/api/ticket", "POST", victim, b"") == (401, "revoked")
    client = me.socket("events", protocol=f"helix.v1, helix.ticket.{ticket}")
    assert client.status == 401 and json.loads(client.refusal)["error"]["code"] == "revoked"
    b.plain.restart()
    assert me.code("/api/desktops", bearer=victim) == (401, "revoked")


def test_another_key_ends_all(b):
    client, old = b.friend.socket("events", token()), token()
    ticket = b.friend.ticket(old)["ticket"]
    b.plain.file("key", b"another key, which is what one makes when one is lost")
    b.plain.process.send_signal(signal.SIGHUP)
    try:
        assert client.close_code() == 4401
        assert b.place(12).code("/api/desktops", bearer=old) == (401, "signature")
        assert b.place(12).socket("events", protocol=f"helix.v1, helix.ticket.{ticket}").status == 401
    finally:
        b.plain.file("key", KEY)
        b.plain.process.send_signal(signal.SIGHUP)
    wait("the key again", lambda: b.friend.ask("/api/desktops", bearer=old)[0] == 200)


class HeldBack:
    """A request whose body is still to come."""

    def __init__(self, place, path, bearer, body):
        self.sock, self.body = place.connect(), body
        head = (f"POST {path} HTTP/1.1\r\nHost: localhost:{place.server.port}\r\nAuthorization: Bearer {bearer}\r\n"
                f"Connection: close\r\nContent-Length: {len(body)}\r\n\r\n")
        self.sock.sendall(head.encode())

    def code(self):
        """As Place.code(), of what it is answered when the body has come."""
        self.sock.sendall(self.body)
        head, _, rest = read_all(self.sock).partition(b"\r\n\r\n")
        self.sock.close()
        said = json.loads(rest)
        return int(head.split()[1]), said["error"]["code"] if "error" in said else None


def test_who_was_let_in_before_a_token_ended_is_not_served_after(b):
    me, boss = b.place(28), token()

    def let_in(name, **claims):
        """Requests that make a token, a ticket, and a ticket of a token for one use."""
        names = [f"{name}-{number}" for number in range(3)]
        asked = [HeldBack(me, "/api/tokens", token(jti=names[0], **claims), b'{"desktop":"*","role":"admin","ttl":60}'),
                 HeldBack(me, "/api/ticket", token(jti=names[1], **claims), b"x"),
                 HeldBack(me, "/api/ticket", token(jti=names[2], once=True, **claims), b"x")]
        wait("all to be let in", lambda: set(names) <= {
            row["id"] for row in json.loads(b.friend.ask("/api/tokens", bearer=boss)[2])})
        return names, asked

    def served(asked):
        return [each.code() for each in asked]

    _, asked = let_in("served")
    assert served(asked) == [(201, None), (200, None), (200, None)]
    names, asked = let_in("revoked")
    assert [b.friend.ask(f"/api/tokens/{name}", "DELETE", boss)[0] for name in names] == [200] * 3
    assert served(asked) == [(401, "revoked")] * 3
    soon = int(time.time()) + 3
    _, asked = let_in("expired", exp=soon)
    wait("their end", lambda: time.time() > soon)
    assert served(asked) == [(401, "expired")] * 3
    _, asked = let_in("former")
    b.plain.file("key", b"another key, which is what one makes when one is lost")
    b.plain.process.send_signal(signal.SIGHUP)
    try:
        wait("the other key", lambda: b.place(29).ask("/api/desktops", bearer=boss)[0] == 401)
        assert served(asked) == [(401, "signature")] * 3
    finally:
        b.plain.file("key", KEY)
        b.plain.process.send_signal(signal.SIGHUP)
    wait("the key again", lambda: b.friend.ask("/api/desktops", bearer=boss)[0] == 200)


# --- where a request comes from ---


def test_forged_host_and_origin(b):
    me, good, port = b.place(13), token(), b.plain.port
    for host in ("evil.example", f"localhost.evil.example:{port}", "127.0.0.1.evil.example", "", "localhost:", "[::2]"):
        assert me.code("/api/desktops", bearer=good, Host=host) == (403, "host"), host
        assert me.code("/", Host=host) == (403, "host"), host
        if host:
            assert me.socket("events", good, host=host).status == 403, host
    for origin in ("http://evil.example", "null", f"https://localhost:{port}", f"http://localhost:{port}.evil.example",
                   f"http://127.0.0.1:{port}", "http://localhost", "file://"):
        client = me.socket("events", good, origin=origin)
        assert client.status == 403, (origin, client.status)
        assert me.code("/api/ticket", "POST", good, b"", Origin=origin) == (403, "origin"), origin
    assert me.socket("events", good, origin=f"http://localhost:{port}").accepted


# --- requests ---


def test_path_traversal(b):
    me, secret = b.place(14), b"only for tests"
    dots = ("..", "%2e%2e", "%2E.", ".%2e", "..;", "..%00", "%252e%252e", "..%c0%af", "%c0%ae%c0%ae", "....", "%u002e%u002e")
    slashes = ("/", "%2f", "\\", "%5c", "//", "%252f", "/./")
    for dot in dots:
        for slash in slashes:
            path = "/" + f"{dot}{slash}" * 3
            for tail in ("key", "state/tokens.json", "etc/passwd"):
                status, _, body = me.ask(path + tail)
                assert status in (None, 400, 403, 404), (path + tail, status)
                assert secret not in body and b"root:" not in body
    os.symlink(b.plain.key, os.path.join(b.plain.web, "link.txt"))
    os.mkfifo(os.path.join(b.plain.web, "pipe.js"))
    for path in ("/link.txt", "/pipe.js", "/web/", "/index.html/", "/.hidden", "/" + "a" * 4000, "/index.html%00.js"):
        status, _, body = me.ask(path)
        assert status in (None, 400, 403, 404) and secret not in body, (path[:60], status)
    for target in ("http://evil.example/", "*", "..", "index.html"):
        status, _, body = me.ask(target)
        assert status in (None, 400, 403, 404, 405) and secret not in body, (target, status)
    b.is_served()


def test_methods(b):
    me, good = b.place(15), token()
    for method in ("PUT", "PATCH", "OPTIONS", "TRACE", "PROPFIND", "GETX"):
        for path in ("/", "/api/desktops"):
            status, _, _ = me.ask(path, method, good, b"")
            assert status in (None, 400, 403, 404, 405), (method, path, status)
    for method in ("POST", "DELETE"):
        assert me.ask("/", method, body=b"")[0] == 405
    # an answer to HEAD has no body, also one that refuses: what came would be taken for the next answer
    for path, bearer, body, wanted in (("/", None, None, 200), ("/nothing.js", None, None, 404),
                                       ("/api/desktops", good, None, 200), ("/api/desktops", good, b"{}", 200),
                                       ("/api/desktops", None, None, 401), ("/api/desktops", None, b"{}", 401),
                                       ("/api/ticket", good, None, 405)):
        status, fields, rest = me.ask(path, "HEAD", bearer, body)
        assert (status, rest) == (wanted, b"") and int(fields["content-length"]) > 0, (path, body, status, rest)
    assert me.raw(b"CONNECT evil.example:80 HTTP/1.1\r\nHost: localhost\r\n\r\n" + b"x" * 100) == b""
    b.is_served()


def test_bodies_and_their_lengths(b):
    me, good, host = b.place(16), token(), f"Host: localhost:{b.plain.port}\r\n".encode()
    authorization = b"Authorization: Bearer " + good.encode() + b"\r\n"
    assert me.code("/api/ticket", "POST", good, b"x" * (BODY_MAX + 1)) == (413, "too-large")
    assert me.ask("/api/ticket", "POST", good, b"x" * BODY_MAX)[0] == 200
    assert me.code("/api/ticket", "POST", good) == (411, "length")
    for length in (b"-1", b"1,2", b"0x10", b"99999999999999999999", b"1e3", b"+1"):
        answer = me.raw(b"POST /api/ticket HTTP/1.1\r\n" + host + authorization + b"Content-Length: " + length + b"\r\n\r\n{}")
        assert answer.startswith((b"HTTP/1.1 400", b"HTTP/1.1 413")) or not answer, (length, answer[:60])
    # what one reader takes for a body and another for a request must not be served
    for smuggled in (b"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
                     b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
                     b"Content-Length: 0\r\nContent-Length: 40\r\n\r\n"):
        answer = me.raw(b"POST /api/ticket HTTP/1.1\r\n" + host + authorization + smuggled + b"GET / HTTP/1.1\r\n" + host + b"\r\n")
        assert answer.count(b"HTTP/1.1 ") <= 1 and b"the page" not in answer, answer[:200]
    b.is_served()


def test_headers_that_are_too_long_or_none(b):
    me, host = b.place(17), f"Host: localhost:{b.plain.port}\r\n".encode()
    for junk in (b"X: " + b"a" * 20000, b"\r\n".join(b"X%d: y" % n for n in range(5000)), b"Host: x\r\n" * 2000,
                 b"Authorization: Bearer " + b"a" * 7000):
        answer = me.raw(b"GET / HTTP/1.1\r\n" + host + junk + b"\r\n\r\n")
        assert not answer or answer.split()[1] in (b"200", b"400", b"403", b"413", b"431"), answer[:60]
    for junk in (b"\0" * 1000, b"\x16\x03\x01" + os.urandom(500), b"GET\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n", b"\r\n" * 5000,
                 b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\0" * 64, os.urandom(4096)):
        answer = me.raw(junk + b"\r\n\r\n")
        assert b"the page" not in answer
    upgrade = b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n"
    answer = me.raw(b"GET / HTTP/1.1\r\n" + host + upgrade)
    assert b"101" not in answer.split(b"\r\n")[0], answer[:60]
    b.is_served()


# --- WebSockets ---


def test_frames_that_break_the_protocol(b):
    me, good = b.place(18), token()
    mask = b"\0\0\0\0"
    for name, data in (
            ("not masked", b"\x81\x02{}"),
            ("reserved bits", b"\xf1\x82" + mask + b"{}"),
            ("unknown opcode", b"\x83\x82" + mask + b"{}"),
            ("a long ping", b"\x89\xfe\x00\x80" + mask + b"x" * 128),
            ("a ping in parts", b"\x09\x81" + mask + b"x"),
            ("a part of nothing", b"\x80\x82" + mask + b"{}"),
            ("of 2^63 bytes", b"\x81\xff" + struct.pack(">Q", 1 << 63) + mask),
            ("of 2^62 bytes", b"\x81\xff" + struct.pack(">Q", 1 << 62) + mask + b"x" * 8192),
            ("binary", b"\x82\x82" + mask + b"{}"),
            ("too long", b"\x81\xfe" + struct.pack(">H", 5000) + mask + b"x" * 5000),
            ("too long in parts", (b"\x01\xfe" + struct.pack(">H", 3000) + mask + b"x" * 3000) +
             (b"\x80\xfe" + struct.pack(">H", 3000) + mask + b"x" * 3000)),
    ):
        client = me.socket("events", good)
        assert client.accepted
        client.sock.sendall(data)
        try:
            client.close_code()     # returns when the server has closed; the code depends
        except ConnectionError:
            pass
        client.close()
        assert b.plain.alive(), name
    for half in (b"\x81", b"\x81\xfe", b"\x81\xfe\x01\x00" + mask + b"x" * 10, b"\x01\x80" + mask):
        client = me.socket("events", good)
        client.sock.sendall(half)
        client.close()
    b.is_served()


def test_nonsense_in_messages(b):
    client = b.place(19).socket("events", token())
    client.text()
    for text in (b"", b"{", b"[" * 2000, b'{"type":' * 400, b"\xff\xfe", b'{"type":"key","code":1e999,"down":true}'):
        client.send(text)
        assert client.say("error")["code"] == "bad-message", text[:20]
    client.close()


def test_messages_that_cost_more_than_they_say(b):
    """What is parsed is looked at before: half a megabyte of empty objects is a tenth of a second."""
    client = b.place(32).socket("events", token("vm:3", "view"))
    client.text()
    for many in (b"{},", b"[],", b"0,", b'"",'):
        client.send(b'{"type":"time","client":1,"x":[' + many * (4000 // len(many)) + b"0]}")
        assert client.say("error")["message"] == "message has too many parts", many
    client.close()
    # only who may use a desktop has something to copy
    for role in ("view", "control"):
        client = b.place(32).socket("events", token("vm:3", role))
        client.text()
        client.send(b'{"type":"clipboard","mime":"text/plain;charset=utf-8","text":"' + b"x" * 5000 + b'"}')
        assert client.close_code() == 1009, role
    b.is_served()


def test_who_watches_the_list_is_told_the_time(b):
    """How a client learns that its path is alive; nothing else of a desktop's is taken there."""
    client = b.place(19).socket("events", token("vm:3", "view"))
    client.text()
    client.send({"type": "keyframe"})
    client.send({"type": "time", "client": 7})
    said = client.text()
    assert said["type"] == "time" and said["client"] == 7 and said["server"] > 0, said
    client.close()


def test_a_flood_of_messages(b):
    client = b.place(20).socket("events", token())
    frame = b"\x81\x92\0\0\0\0" + b'{"type":"release"}'
    try:
        for _ in range(40):
            client.sock.sendall(frame * 500)
    except ConnectionError:
        pass
    try:
        assert client.close_code() in (1008, None)
    except ConnectionError:
        pass
    b.is_served()


# --- taking all there is ---


def test_slow_ones_are_hung_up_on_and_others_served(b):
    """Headers, a body, a handshake that come byte by byte, and connections that say nothing."""
    good, port = token(), b.plain.port
    begin = f"POST /api/ticket HTTP/1.1\r\nHost: localhost:{port}\r\nAuthorization: Bearer {good}\r\n".encode()
    slow = [(b.place(21), True, b"GET / HT"), (b.place(21), True, b""), (b.place(21), True, begin + b"X: "),
            (b.place(21), True, begin + b"Content-Length: 4000\r\n\r\n"),
            (Place(b.tls, 21), False, b""), (Place(b.tls, 21), False, b"\x16\x03\x01\x02\x00\x01")]
    socks = []
    for place, tls, first in slow:
        sock = place.connect(tls)
        sock.sendall(first)
        sock.setblocking(False)
        socks.append((sock, first))
    left = list(socks)
    deadline = time.monotonic() + PATIENCE
    while left:
        assert time.monotonic() < deadline, f"still open: {[first for _, first in left]}"
        for sock, first in list(left):
            try:
                if first:
                    sock.send(b"a")
                if not sock.recv(4096):
                    left.remove((sock, first))
            except BlockingIOError:
                pass
            except OSError:
                left.remove((sock, first))
        b.is_served()
        time.sleep(0.5)
    for sock, _ in socks:
        sock.close()


def test_too_many_connections_of_one_address(b):
    me = b.place(22)
    before = b.plain.descriptors()
    socks = [me.connect() for _ in range(EACH + 20)]
    # those above are closed, the rest waits for a request
    for sock in socks[EACH:]:
        assert read_all(sock) == b""
    b.is_served()
    for sock in socks:
        sock.close()
    wait("the server to forget them", lambda: b.plain.descriptors() <= before)
    assert me.ask("/")[0] == 200


def events(place, bearer):
    """Who is told of the desktops, which takes a place for as long as one likes; None where none is left."""
    client = place.socket("events=1", bearer)
    if not client.accepted:
        assert client.status == 503 and json.loads(client.refusal)["error"]["code"] == "full", client.status
        return None
    said = client.text()
    if said["type"] == "desktops":
        return client
    assert said["code"] == "busy" and client.close_code() == 1013, said
    client.close()
    return None


def test_one_link_has_half_of_the_places_at_most(b):
    """From however many addresses."""
    link, places = token("vm:1", "view"), [b.place(26), b.place(27)]
    held = [events(place, link) for place in places for _ in range(VIEWERS // 4)]
    assert all(held) and not events(places[0], link)
    mine = events(places[0], token("vm:1", "view"))
    assert mine, "another token is told nothing"
    for client in (*held, mine):
        client.close()


def test_who_has_most_places_makes_room(b):
    server = Server(b.path, options=["--viewers", "8"])
    try:
        me, other = Place(server, 2), Place(server, 3)
        one, two = token("vm:1", "view"), token("vm:2", "view")
        first, second = [events(me, one) for _ in range(4)], [events(me, two) for _ in range(4)]
        assert all(first + second) and not events(me, one) and not events(me, two)
        late = []
        # another link, an administrator of everything, and another machine: the newest of who then has most goes
        for bearer, loser in ((token("vm:3", "view"), second[3]), (token("*", "admin"), first[3]),
                              (token("other:1", "view"), second[2])):
            late.append(events(other, bearer))
            assert late[-1] and loser.close_code() == 1013
    finally:
        server.end(False)


def test_one_machine_has_not_every_place(b):
    """Who may make tokens has as many as they like, with one place each."""
    server = Server(b.path, options=["--viewers", "8"])
    try:
        me, other, link = Place(server, 2), Place(server, 3), token("other:1", "view")
        held = [events(me, token("vm:1", "view")) for _ in range(8)]
        assert all(held) and not events(other, token("vm:2", "view"))
        assert all([events(other, link), events(other, link), events(other, token("*", "admin"))])
    finally:
        server.end(False)


def test_a_link_for_one_use_is_not_spent_on_a_server_that_is_full(b):
    server = Server(b.path, options=["--viewers", "3"])
    try:
        me, once = Place(server, 2), token("vm:1", "view", once=True)
        held = [events(me, token("vm:1", "view")) for _ in range(3)]
        assert all(held) and not events(me, once)
        held[0].close()
        wait("a place", lambda: events(me, once))
        assert me.code("/api/desktops", bearer=once) == (401, "used")
    finally:
        server.end(False)


def test_nothing_is_left_behind(b):
    """Many of everything above, then as many descriptors and about as much memory as before."""
    good, me = token(), b.place(23)

    def round_of_visits():
        for _ in range(25):
            me.ask("/")
            me.ask("/api/desktops", bearer=good)
            me.ask("/api/desktops")
            client = me.socket("events", good)
            client.send(b"nonsense")
            client.close()
            me.socket("scanout=9", good).close()
            sock = me.connect()
            sock.sendall(b"GET / HTTP/1.1\r\nHost: ")
            sock.close()

    wait("earlier visitors to be gone", lambda: b.plain.descriptors() < 60)
    round_of_visits()
    wait("the first round's descriptors", lambda: b.plain.descriptors() < 60)
    before, memory = b.plain.descriptors(), b.plain.resident()
    for _ in range(4):
        round_of_visits()
    wait("the same number of descriptors", lambda: b.plain.descriptors() <= before)
    assert b.plain.resident() < memory + (24 << 20), (memory, b.plain.resident())


# --- TLS ---


def test_tls(b):
    me, good = Place(b.tls, 2), token()
    status, headers, _ = me.ask("/api/desktops", bearer=good)
    assert status == 200 and "max-age" in headers["strict-transport-security"], (status, headers)
    assert "strict-transport-security" not in b.friend.ask("/")[1]
    port = b.tls.port
    assert me.socket("events", good, origin=f"https://localhost:{port}").accepted
    assert me.socket("events", good, origin=f"http://localhost:{port}").status == 403
    # plain text on this port gets nothing
    answer = me.raw(f"GET / HTTP/1.1\r\nHost: localhost:{port}\r\n\r\n".encode(), tls=False)
    assert b"the page" not in answer
    with me.connect() as sock:
        assert sock.version() in ("TLSv1.2", "TLSv1.3")
    for version in ("-tls1", "-tls1_1"):
        done = subprocess.run(["openssl", "s_client", version, "-cipher", "ALL:@SECLEVEL=0", "-connect", f"127.0.0.1:{port}"],
                              stdin=subprocess.DEVNULL, capture_output=True, timeout=PATIENCE, check=False)
        assert b"Cipher is (NONE)" in done.stdout or done.returncode, version


def test_a_new_certificate_without_a_restart(b):
    old_version = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    old_version.check_hostname, old_version.verify_mode = False, ssl.CERT_NONE
    old_version.maximum_version = ssl.TLSVersion.TLSv1_2

    def served(context=b.tls.tls):
        with context.wrap_socket(Place(b.tls, 2).connect(tls=False)) as sock:
            return sock.getpeercert(binary_form=True)

    def on_disk():
        with open(f"{b.tls.dir}/certificate", encoding="ascii") as file:
            return ssl.PEM_cert_to_DER_cert(file.read())

    client, before = Place(b.tls, 2).socket("events", token()), served()
    assert before == on_disk()
    # also of another kind of key, of which there could be two
    for name, *key in (("second",), ("third", "rsa:2048"), ("fourth",)):
        b.tls.certificate(name, *key)
        b.tls.process.send_signal(signal.SIGHUP)
        wait(f"the {name} certificate", lambda: served() == on_disk())
        assert served(old_version) == on_disk() != before, name
    # and with its chain
    good = on_disk()
    with open(f"{b.tls.dir}/certificate", "a", encoding="ascii") as file:
        file.write(ssl.DER_cert_to_PEM_cert(before))
    b.tls.process.send_signal(signal.SIGHUP)

    def chain():
        shown = subprocess.run(["openssl", "s_client", "-showcerts", "-connect", f"127.0.0.1:{b.tls.port}"], check=False,
                               stdin=subprocess.DEVNULL, capture_output=True, timeout=PATIENCE).stdout.decode()
        return [ssl.PEM_cert_to_DER_cert("-----BEGIN " + part.partition("END CERTIFICATE-----")[0] + "END CERTIFICATE-----")
                for part in shown.split("-----BEGIN ")[1:]]

    wait("the chain", lambda: chain() == [good, before])
    # one that is none changes nothing
    b.tls.file("certificate", b"no certificate")
    b.tls.process.send_signal(signal.SIGHUP)
    mark = b.tls.log.name
    wait("the refusal in the log", lambda: "former certificate goes on" in open(mark, encoding="utf-8").read())
    assert served() == good
    client.send(b"x")
    assert client.say("error")["code"] == "bad-message", "who was connected stays connected"
    client.close()


# --- starting ---


def refused(b, *options, **environment):
    done = subprocess.run([b.path, "--qmp", f"{b.plain.dir}/no.sock", "--port", "0", *options], stdin=subprocess.DEVNULL,
                          capture_output=True, timeout=PATIENCE, check=False, env={**os.environ, **environment})
    assert done.returncode > 0 and not done.stdout, (options, done)
    return done.stderr.decode()


def test_what_it_does_not_start_with(b):
    state = ("--state", f"{b.plain.dir}/state")
    key = ("--auth", "token", "--token-key", b.plain.key, *state)
    tls = ("--tls-certificate", f"{b.tls.dir}/certificate", "--tls-key", f"{b.tls.dir}/private")
    b.tls.certificate("third")
    for address in ("0.0.0.0", "::"):
        for options in ((), key, tls):
            refused(b, "--listen", address, *options)
    refused(b, "--auth", "token")
    refused(b, "--auth", "token", *state)
    refused(b, "--auth", "token", "--token-key", b.plain.file("open", KEY, 0o644), *state)
    refused(b, "--auth", "token", "--token-key", b.plain.file("short", b"short"), *state)
    refused(b, "--auth", "token", "--token-key", f"{b.plain.dir}/none", *state)
    refused(b, *tls[:2])
    refused(b, *tls[:2], "--tls-key", f"{b.plain.dir}/key")
    broken = tempfile.mkdtemp(dir=b.plain.dir)
    with open(os.path.join(broken, "tokens.json"), "w", encoding="ascii") as file:
        file.write("{")
    assert "tokens.json" in refused(b, "--auth", "token", "--token-key", b.plain.key, "--state", broken)


def test_it_serves_other_machines_with_both(b):
    server = b.tls
    process = subprocess.Popen([b.path, "--qmp", f"{server.dir}/no.sock", "--port", "0", "--listen", "0.0.0.0",
                                "--server-names", "desk.example", *server.options],
                               stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    try:
        other = Place(server, 2)
        port = int(process.stdout.readline().decode().rstrip("/\n").rpartition(":")[2])
        kept, server.port = server.port, port
        try:
            good = token()
            assert other.ask("/api/desktops", bearer=good, Host="desk.example")[0] == 200
            assert other.ask("/api/desktops", bearer=good, Host=f"desk.example:{port}")[0] == 200
            assert other.code("/api/desktops", bearer=good, Host="other.example") == (403, "host")
        finally:
            server.port = kept
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


# --- desktops ---


def needs_desktops(test):
    def run(b):
        return test(b, Place(b.desks, 2)) if b.desks else "HELIX_QEMU is not set"
    run.__name__ = test.__name__
    return run


@needs_desktops
def test_the_list_has_what_the_token_covers(b, me):
    for desktop, wanted in (("vm:3", ["vm:3"]), ("vm:*", ["vm:0", "vm:1", "vm:3"]), ("*", ["vm:0", "vm:1", "vm:3"]),
                            ("other:*", []), ("vm:2", [])):
        for role in ("view", "control", "admin"):
            bearer = token(desktop, role)
            status, _, body = me.ask("/api/desktops", bearer=bearer)
            assert status == 200 and [d["id"] for d in json.loads(body)] == wanted, (desktop, role, body)
            client = me.socket("events", bearer)
            assert [d["id"] for d in client.text()["desktops"]] == wanted, (desktop, role)
            client.close()


@needs_desktops
def test_another_desktop_is_like_none(b, me):
    """To who may see vm:3, vm:1 (which is there) and vm:2 (which is not) must look the same."""
    bearer = token("vm:3", "admin")

    def visit(query):
        client = me.socket(query, bearer)
        said = client.status, client.text(), client.close_code()
        client.close()
        return said

    there, absent = visit("desktop=vm:1"), visit("desktop=vm:2")
    assert there == absent and there[1]["code"] == "no-desktop" and there[2] == 1000, (there, absent)
    assert visit("scanout=1") == visit("scanout=2")
    for query in ("desktop=vm:*", "desktop=*", "desktop=vm:3/../vm:1", "desktop=vm%3A1", "desktop=vm:1&desktop=vm:3",
                  "scanout=1&desktop="):
        said = visit(query)
        assert said[1]["code"] == "no-desktop" and "secret" not in json.dumps(said), (query, said)
    answers = [me.ask(f"/api/desktops/vm:{n}", bearer=bearer) for n in (1, 2)]
    assert [answer[0] for answer in answers] == [404, 404] and answers[0][2] == answers[1][2], answers
    client = me.socket("desktop=vm:3", bearer)
    assert client.text()["state"] in ("waiting", "live")
    client.close()


@needs_desktops
def test_nothing_of_one_desktop_reaches_the_viewer_of_another(b, me):
    """A viewer of vm:3 and one of its list, while everything happens on 0 and 1."""
    watched, listed = me.socket("desktop=vm:3", token("vm:3", "view")), me.socket("events", token("vm:3", "view"))
    heard = []

    def listen(client):
        while True:
            try:
                frame = client.receive()
            except (OSError, ValueError):
                return
            if frame is None:
                return
            heard.append(frame[1])

    threads = [threading.Thread(target=listen, args=(client,), daemon=True) for client in (watched, listed)]
    for thread in threads:
        thread.start()
    other = me.socket("desktop=vm:0", token("vm:0", "control"))
    other.video()
    for down in (True, False):
        other.send({"type": "key", "code": "KeyA", "down": down})
    assert b.desks.bench.guest.enable(1, 2, "secret 1 again") == 0
    assert b.desks.bench.guest.enable(5, 1, "secret 5") == 0
    assert b.desks.bench.guest.ask(with_qemu.DISABLE, output=5, scanout=5, generation=1) == 0
    assert b.desks.bench.guest.enable(3, 2, "mine") == 0
    wait("the news of desktop 3", lambda: any(b"mine" in data for data in list(heard)))
    other.close()
    for client in (watched, listed):
        client.sock.shutdown(socket.SHUT_RDWR)
    for thread in threads:
        thread.join(PATIENCE)
    for data in heard:
        assert b"secret 1" not in data and b"secret 5" not in data and b"vm:1" not in data and b"vm:0" not in data, data[:200]
    assert b.desks.bench.guest.enable(1, 3, "secret 1") == 0


@needs_desktops
def test_who_may_only_watch_does_not_act(b, me):
    client, mark = me.socket("desktop=vm:0", token("vm:0", "view")), b.desks.bench.mark()
    assert client.say("role")["role"] == "view"
    for message in ({"type": "key", "code": "KeyA", "down": True}, {"type": "move", "x": 3, "y": 3},
                    {"type": "button", "button": 0, "down": True}, {"type": "wheel", "dx": 0, "dy": 1},
                    {"type": "resize", "width": 640, "height": 480}, {"type": "rel", "dx": 1, "dy": 1},
                    {"type": "touch", "points": [{"id": 0, "phase": "begin", "x": 1, "y": 1}]},
                    {"type": "clipboard", "mime": "text/plain;charset=utf-8", "text": "x"},
                    {"type": "control", "action": "request"}, {"type": "control", "action": "take"}):
        client.send(message)
    assert client.say("error")["code"] == "not-controller"
    assert client.say("control")["action"] == "denied"
    assert client.say("control")["action"] == "denied"
    assert b.desks.bench.input_since(mark) == []
    # a controller cannot take what another one has, an administrator can
    one, two = me.socket("desktop=vm:0", token("vm:0", "control")), me.socket("desktop=vm:0", token("vm:0", "control"))
    number = one.say("role")["viewer"]
    one.send({"type": "key", "code": "KeyA", "down": True})
    wait("one to control", lambda: two.say("role")["controller"] == number)
    two.send({"type": "control", "action": "take"})
    assert two.say("control")["action"] == "denied"
    boss = me.socket("desktop=vm:0", token("vm:*", "admin"))
    boss.send({"type": "control", "action": "take"})
    mine = boss.say("role")["viewer"]
    wait("the administrator to control", lambda: one.say("role")["controller"] == mine)
    # what is long is only taken of who may have something to copy
    long = {"type": "clipboard", "mime": "text/plain;charset=utf-8", "text": "x" * 5000}
    one.send(long)
    assert one.say("error")["code"] == "not-controller"
    client.send(long)
    assert client.close_code() == 1009
    for each in (client, one, two, boss):
        each.close()


@needs_desktops
def test_a_link_cannot_keep_others_out_of_a_desktop(b, me):
    """Who has most of its 64 places gives way to who would have fewer, the last one first."""
    def watch(bearer):
        client = me.socket("desktop=vm:1", bearer)
        said = client.text()
        if said.get("code") == "busy":
            assert client.close_code() == 1013
            client.close()
            return None
        return client

    link, mine = token("vm:1", "view"), token("vm:1", "control")
    held = [watch(link) for _ in range(64)]
    assert all(held) and watch(link) is None
    ours = [watch(mine) for _ in range(32)]
    assert all(ours), ours
    assert watch(mine) is None and watch(link) is None, "half of them are each token's"
    assert [client.close_code() for client in held[32:]] == [1013] * 32
    third = watch(token("vm:1", "view"))
    assert third, "a third token gets none"
    for client in (*held, *ours, third):
        client.close()


@needs_desktops
def test_an_expired_viewer_gets_nothing_more(b, me):
    client = me.socket("desktop=vm:0", token("vm:0", "control", exp=int(time.time()) + 6))
    client.send({"type": "button", "button": 0, "down": True})
    mark = b.desks.bench.mark()
    assert client.close_code() == 4401
    wait("the button to go up", lambda: ("mouse_release", "0") in b.desks.bench.input_since(mark))
    client.close()


@needs_desktops
def test_a_viewer_that_stops_reading(b, me):
    """Its frames are dropped; memory stays bounded; another viewer goes on."""
    bearer = token("vm:0", "control")
    stuck, other = me.socket("desktop=vm:0", bearer), me.socket("desktop=vm:0", bearer)
    other.video()
    before = b.desks.resident()
    for _ in range(12):
        try:
            stuck.send({"type": "keyframe"})
            stuck.send(b"answer this") if _ < 10 else None
        except OSError:
            pass
        other.send({"type": "keyframe"})
        while (video := other.video()) and not video[1] & 1:
            pass
        if not video:   # this client answers no pings: on a slow machine it is hung up on too
            other.close()
            other = me.socket("desktop=vm:0", bearer)
            assert other.video(), "nobody is served any more"
    assert b.desks.resident() < before + (48 << 20), (before, b.desks.resident())
    stuck.close()
    other.close()


def servers_are_alive(b):
    assert all(server.alive() for server in b.servers()), "a server died"


def main():
    tests = [(words, test) for words, test in tests_of(globals())
             if not sys.argv[2:] or any(word in words for word in sys.argv[2:])]
    return run_tests(tests, lambda: Bed(sys.argv[1], os.environ.get("HELIX_QEMU")), servers_are_alive)


sys.exit(main())
