#!/usr/bin/python3
"""IPFIX over TCP and TLS: what arrives over a connection equals what an import of the same messages stores;
peers that drip, cut, lie, stay silent or come by the thousand; certificates."""
import collections
import json
import os
import pathlib
import random
import socket
import ssl
import struct
import subprocess
import sys
import time
import warnings

import lib
import lib_soap

CORPUS = pathlib.Path(os.environ.get("CORPUS", lib.ROOT.parent / "shared" / "corpus"))
LOOP = "127.0.0.1"
AT = int(time.time()) // 60 * 60 - 86400  # old times are not believed for ever
warnings.simplefilter("ignore", DeprecationWarning)  # old TLS is what we want to see refused
TEMPLATE = struct.pack("!HH10H", 256, 5, 8, 4, 12, 4, 1, 8, 2, 8, 153, 8)


def a_set(number, content):
    return struct.pack("!HH", number, 4 + len(content)) + content


def a_message(sequence, domain, *sets, at=AT):
    body = b"".join(sets)
    return struct.pack("!HHIII", 10, 16 + len(body), at, sequence, domain) + body


def flows(first, count, at=AT):
    return a_set(256, b"".join(struct.pack("!IIQQQ", 0x0a000000 + i, 0x0a010000 + i, 1000 + i, 1 + i % 7,
                                           at * 1000) for i in range(first, first + count)))


def a_stream(count, domains=1, size=20, base=0):
    """`count` messages, templates first, domains in turn; records are all different."""
    sent, out = collections.Counter(), []
    for i in range(count):
        domain = i % domains
        sets = [a_set(2, TEMPLATE)] if sent[domain] == 0 else []
        out.append(a_message(sent[domain], domain, *sets, flows(base + i * size, size)))
        sent[domain] += size
    return out


def connect(server, name="ipfix"):
    return socket.create_connection((LOOP, server.port(name)), timeout=lib.PATIENCE)


def status(server):
    return lib_soap.call(server, "GetStatus", "collector")["collector"]


def wait_records(server, count):
    lib.wait_for(f"{count} records", lambda: status(server)["records"] >= count)


def identity(record):
    return json.dumps({k: v for k, v in record.items() if not k.startswith("_")}, sort_keys=True)


def stored(data):
    return collections.Counter(identity(r) for r in lib.records(data))


def imported(messages):
    """What `weird import` makes of a file of the messages (RFC 5655)."""
    place = lib.folder()
    (place / "messages.ipfix").write_bytes(b"".join(messages))
    lib.weird_import(place / "data", place / "messages.ipfix")
    return stored(place / "data")


def loss_of(server, domain=0):
    rows = lib_soap.coverage(server)
    return rows[(LOOP, domain, 10)]


def closed_by_peer(connection):
    try:
        return connection.recv(1) == b""
    except ConnectionResetError:
        return True
    except socket.timeout:
        return False


# ---- whole and in pieces ----

def test_pieces():
    """Byte by byte, cut anywhere, all at once: the same records, the same as imported; one connection each."""
    messages = a_stream(40, domains=3)
    expected = imported(messages)
    octets = b"".join(messages)
    for name, piece in (("drip", 1), ("sevens", 7), ("cut", 1000), ("at once", len(octets))):
        server = lib.Server(lib.folder())
        with connect(server) as c:
            c.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            for at in range(0, len(octets), piece):
                c.sendall(octets[at:at + piece])
        wait_records(server, 800)
        for domain in range(3):
            row = loss_of(server, domain) if lib.wait_for("account", lambda: len(
                lib_soap.coverage(server)) == 3) else None
            lib.equal(row["loss"], "complete", f"{name}: domain {domain} is")
        server.stop()
        lib.equal(stored(server.data), expected, f"{name}: records")


def test_corpus():
    """Captured IPFIX, its payloads over a connection."""
    captures = sorted(CORPUS.glob("captures/**/*.ipfix")) + sorted(CORPUS.glob("captures/**/ipfix_*/"))
    if not captures:
        print("       (no corpus here)")
    for path in captures:
        files = sorted(path.iterdir()) if path.is_dir() else [path]
        octets, messages = b"".join(f.read_bytes() for f in files), []
        while len(octets) >= 16 and octets[:2] == b"\0\x0a":
            length = struct.unpack("!H", octets[2:4])[0]
            messages.append(octets[:length])
            octets = octets[length:]
        if not messages:
            continue
        expected = imported(messages)
        server = lib.Server(lib.folder())
        with connect(server) as c:
            c.sendall(b"".join(messages))
        wait_records(server, sum(1 for r in expected.elements() if '"flow"' in r))
        server.stop()
        got = stored(server.data)
        lib.equal(sum(got.values()), sum(expected.values()), f"{path.name}: records")
        lib.check(got == expected, f"{path.name}: records differ in an element")


def test_reconnect():
    """The same port again: fresh templates, a fresh sequence; the reset before is an unknown loss."""
    server = lib.Server(lib.folder())
    first = socket.socket()
    first.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    first.bind((LOOP, 0))
    port = first.getsockname()[1]
    first.connect((LOOP, server.port("ipfix")))
    first.sendall(b"".join(a_stream(5)))
    wait_records(server, 100)
    first.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    first.close()
    second = socket.socket()
    second.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    second.bind((LOOP, port))
    second.connect((LOOP, server.port("ipfix")))
    second.sendall(a_message(0, 0, flows(5000, 20)))
    lib.wait_for("the message", lambda: status(server)["datagrams"] >= 6)
    lib.equal(status(server)["records"], 100, "records: the old template decodes nothing")
    second.sendall(a_message(20, 0, a_set(2, TEMPLATE), flows(6000, 20)))
    wait_records(server, 140)
    second.close()
    server.stop()
    server = lib.Server(server.data)
    row = loss_of(server)
    lib.equal(row["counters"]["unknownGaps"], 1, "unknown gaps of the reset")
    lib.equal(row["missing"], 0, "missing")
    server.stop()


# ---- peers that are not well ----

def test_garbage():
    """Each is closed and counted; exporters beside them are not disturbed."""
    server = lib.Server(lib.folder())
    good = connect(server)
    good.sendall(b"".join(a_stream(3)))
    wrong = [b"GET / HTTP/1.1\r\nHost: weir\r\n\r\n", b"\0\x09\0\x14" + bytes(16), b"\0\x0a\0\x0f" + bytes(20),
             random.Random(70000).randbytes(70000).replace(b"\0\x0a", b"\1\x0a"), a_stream(1)[0] + b"\0\0\0\0\0"]
    for octets in wrong:
        with connect(server) as c:
            try:
                c.sendall(octets)
            except ConnectionError:
                pass
            lib.check(closed_by_peer(c), f"{octets[:8]!r}…: the connection is closed")
    good.sendall(a_message(60, 0, flows(900, 20)))
    wait_records(server, 100)
    good.close()
    server.stop()
    server = lib.Server(server.data)
    counters = collections.Counter()
    for row in lib_soap.coverage(server).values():
        counters.update({k: v for k, v in row["counters"].items() if isinstance(v, int)})
    lib.equal(counters["undecodableDatagrams"], len(wrong), "refused connections")
    lib.equal(counters["records"], 100, "records")
    server.stop()


def test_log_of_garbage():
    """Who connects for nothing, again and again, does not fill the disk with the log of it."""
    server = lib.Server(lib.folder())
    started = time.monotonic()
    for _ in range(200):
        with connect(server) as c:
            c.sendall(b"GET / HTTP/1.1\r\n\r\n")
            closed_by_peer(c)
    minutes = 1 + (time.monotonic() - started) // 60
    server.stop()
    lines = server.errors().count("not IPFIX")
    # at most 4 receivers, 20 a minute each
    lib.check(1 <= lines <= 90 * minutes, f"200 connections in {minutes:.0f} min, {lines} lines")


def test_slow_and_silent():
    """Silence ends a connection after --connection-idle; one that sends now and then stays. (A message that is
    never finished, which takes half a minute to be found out, is tests/collector/test_stream.c's.)"""
    for _ in range(5):
        if now_and_then():
            return
        print("       the machine stood still for as long as silence may last: once more")
    lib.check(False, "the machine stood still again and again")


def now_and_then():
    """False when the one that sends each second could not, so that it, too, was silent."""
    server = lib.Server(lib.folder(), "--connection-idle", "3s")
    begun, silent, half, alive = (connect(server) for _ in range(4))
    half.sendall(a_stream(1)[0])
    begun.sendall(b"\0\x0a\1\0")
    messages, sent = a_stream(6), [time.monotonic()]
    for message in messages:
        try:
            alive.sendall(message)
        except ConnectionError:
            lib.check(time.monotonic() - sent[-1] > 2, "the exporter that sends now and then was closed")
            return False
        sent.append(time.monotonic())
        time.sleep(1)
    if max(b - a for a, b in zip(sent, sent[1:])) > 2:
        return False
    lib.check(closed_by_peer(silent), "the silent peer was closed")
    lib.check(closed_by_peer(begun), "the peer that began a message was closed")
    lib.check(closed_by_peer(half), "the exporter that fell silent was closed")
    wait_records(server, 7 * 20)
    server.stop()
    return True


def test_thousand():
    """1000 exporters at once, each its own session; memory and descriptors in bounds; all stored."""
    server = lib.Server(lib.folder())
    peers = [connect(server) for _ in range(1000)]
    octets = [b"".join(a_stream(3, size=10, base=30 * i)) for i in range(1000)]
    for i, c in enumerate(peers):
        c.sendall(octets[i][:300 + i % 200])
    for i, c in enumerate(peers):
        c.sendall(octets[i][300 + i % 200:])
    wait_records(server, 30000)
    now = status(server)
    lib.equal(now["sessions"], 1000, "sessions")
    memory = int(next(line.split()[1] for line in open(f"/proc/{server.process.pid}/status")
                      if line.startswith("VmRSS")))
    lib.check(memory < 400000 * lib.SLOW, f"memory with 1000 connections: {memory} kB")
    for c in peers:
        c.close()
    lib.wait_for("all sessions to end", lambda: status(server)["sessions"] == 0)
    server.stop()
    lib.equal(sum(stored(server.data).values()), 30000, "records stored")


def test_end():
    """SIGTERM while connections hold what was not read yet: all of it is stored."""
    server = lib.Server(lib.folder())
    peers = [connect(server) for _ in range(20)]
    for i, c in enumerate(peers):
        c.sendall(b"".join(a_stream(100, base=2000 * i)))
    server.stop()
    lib.equal(sum(stored(server.data).values()), 20 * 2000, "records sent before the end")


# ---- TLS ----

def certificates():
    """A CA, a collector's certificate and an exporter's, and a stranger's."""
    place = lib.folder()

    def openssl(*arguments):
        subprocess.run(["openssl", *map(str, arguments)], cwd=place, check=True, capture_output=True)

    for name in ("ca", "stranger"):
        openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout",
                f"{name}.key", "-out", f"{name}.pem", "-subj", f"/CN={name}", "-days", "2")
    for name in ("collector", "exporter"):
        openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout",
                f"{name}.key", "-out", f"{name}.csr", "-subj", f"/CN={name}")
        openssl("x509", "-req", "-in", f"{name}.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial",
                "-out", f"{name}.pem", "-days", "2")
    return place


def tls_server(place, *options):
    return lib.Server(lib.folder(), "--ipfix-tls", f"{LOOP}:0", "--tls-cert", place / "collector.pem", "--tls-key",
                      place / "collector.key", *options)


def tls_client(server, place, identity=None, most=None):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(place / "ca.pem")
    context.check_hostname = False
    if identity:
        context.load_cert_chain(place / f"{identity}.pem", place / f"{identity}.key")
    if most:
        context.minimum_version = ssl.TLSVersion.TLSv1
        context.maximum_version = most
        context.set_ciphers("ALL:@SECLEVEL=0")
    return context.wrap_socket(connect(server, "ipfix-tls"))


def test_tls():
    """openssl s_client pipes an IPFIX file; python's TLS sends in pieces; the same records as imported."""
    place = certificates()
    messages = a_stream(60, domains=2)
    expected = imported(messages)
    (place / "messages.ipfix").write_bytes(b"".join(messages))
    server = tls_server(place)
    with open(place / "messages.ipfix", "rb") as stream:
        subprocess.run(["openssl", "s_client", "-quiet", "-no_ign_eof", "-verify_return_error", "-CAfile",
                        place / "ca.pem", "-connect", f"{LOOP}:{server.port('ipfix-tls')}"], stdin=stream,
                       check=True, capture_output=True, timeout=2 * lib.PATIENCE)
    wait_records(server, 1200)
    octets = b"".join(messages)
    for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
        c = tls_client(server, place, most=version)
        lib.equal(c.version(), {771: "TLSv1.2", 772: "TLSv1.3"}[int(version)], "version")
        for at in range(0, len(octets), 777):
            c.sendall(octets[at:at + 777])
        c.unwrap() if version == ssl.TLSVersion.TLSv1_2 else c.close()
    wait_records(server, 3600)
    server.stop()
    lib.equal(stored(server.data), collections.Counter({k: 3 * v for k, v in expected.items()}), "records")


def test_tls_certificates():
    """With --tls-ca only exporters with a certificate it signed are heard."""
    place = certificates()
    server = tls_server(place, "--tls-ca", place / "ca.pem")
    for who in (None, "stranger"):
        try:
            c = tls_client(server, place, who)
            c.sendall(b"".join(a_stream(3)))
            c.recv(1)
            refused = c.recv(1) == b""
        except (ssl.SSLError, ConnectionError):
            refused = True
        lib.check(refused, f"certificate of {who}: refused")
    lib.equal(status(server)["records"], 0, "records of strangers")
    c = tls_client(server, place, "exporter")
    c.sendall(b"".join(a_stream(3)))
    wait_records(server, 60)
    server.stop()


def test_tls_garbage():
    place = certificates()
    server = tls_server(place)
    old = None
    try:
        old = tls_client(server, place, most=ssl.TLSVersion.TLSv1_1)
    except (ssl.SSLError, ConnectionError, OSError):
        pass
    lib.check(old is None, "TLS 1.1 is refused")
    watch = lib.Watch()
    silent = connect(server, "ipfix-tls")
    begun = connect(server, "ipfix-tls")
    begun.sendall(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03")
    for octets in (b"GET / HTTP/1.0\r\n\r\n", random.Random(5000).randbytes(5000), b"\x16\x03\x01\xff\xff" + bytes(3000),
                   a_stream(1)[0]):
        with connect(server, "ipfix-tls") as c:
            try:
                c.sendall(octets)
                c.shutdown(socket.SHUT_WR)
            except OSError:
                pass
            try:
                while c.recv(100):
                    pass
                closed = True
            except ConnectionError:
                closed = True
            except socket.timeout:
                closed = False
            lib.check(closed, f"{octets[:6]!r}… instead of TLS: closed")
    inside = tls_client(server, place)
    inside.sendall(b"not IPFIX at all")
    try:
        lib.check(inside.recv(1) == b"", "garbage inside TLS: closed")
    except (ssl.SSLError, ConnectionError):
        pass
    lib.check(closed_by_peer(silent) and closed_by_peer(begun), "handshakes without end: closed")
    took = watch.seconds()
    lib.check(took < 20 * lib.SLOW, f"handshakes without end took {took:.0f} s")
    good = tls_client(server, place)
    good.sendall(b"".join(a_stream(3)))
    wait_records(server, 60)
    server.stop()
    server = lib.Server(server.data)
    refused = sum(row["counters"]["undecodableDatagrams"] for row in lib_soap.coverage(server).values())
    lib.check(refused >= 5, f"{refused} refused connections are counted")
    server.stop()


def test_options():
    """--check says what is wrong with files and addresses, and touches nothing."""
    place = certificates()
    cert, key = place / "collector.pem", place / "collector.key"
    tls = ["--ipfix-tls", f"{LOOP}:0"]
    for wrong, said in ((tls, "tls-cert"), (tls + ["--tls-cert", cert], "tls-key"),
                        (tls + ["--tls-cert", place / "none.pem", "--tls-key", key], "No such file"),
                        (tls + ["--tls-cert", key, "--tls-key", key], "tls-cert"),
                        (tls + ["--tls-cert", cert, "--tls-key", place / "ca.key"], "tls-key"),
                        (tls + ["--tls-cert", cert, "--tls-key", key, "--tls-ca", key], "tls-ca"),
                        (["--ipfix", "nowhere"], "nowhere"), (["--receivers", "0"], "receivers")):
        done = subprocess.run([lib.WEIRD, "--data", place / "data", "--check", *wrong], capture_output=True,
                              text=True)
        lib.equal(done.returncode, 2, f"--check {wrong}: exit code")
        lib.check(said in done.stderr, f"--check {wrong} says {done.stderr!r}")
        lib.equal(len(done.stderr.strip().splitlines()), 1, f"--check {wrong}: lines")
    lib.run(lib.WEIRD, "--data", place / "data", "--check", *tls, "--tls-cert", cert, "--tls-key", key, "--tls-ca",
            place / "ca.pem")
    lib.check(not (place / "data").exists(), "--check leaves no data")


def test_udp_and_tcp_port():
    """One port for both; busy for either means busy."""
    server = lib.Server(lib.folder(), "--receivers", "2")
    port = server.port("ipfix")
    with connect(server) as c:
        c.sendall(b"".join(a_stream(2)))
        u = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        u.sendto(a_stream(1, base=900)[0], (LOOP, port))
        wait_records(server, 60)
    taken = socket.socket()
    taken.bind((LOOP, 0))
    taken.listen()
    for busy in (port, taken.getsockname()[1]):
        done = subprocess.run([lib.WEIRD, "--data", lib.folder(), "--http", f"{LOOP}:0", "--netflow",
                               f"{LOOP}:0", "--sflow", f"{LOOP}:0", "--ipfix", f"{LOOP}:{busy}"],
                              capture_output=True, text=True, timeout=60)
        lib.equal(done.returncode, 1, "exit code with a busy port")
        lib.check("in use" in done.stderr, f"a busy port: {done.stderr!r}")
    server.stop()


if __name__ == "__main__":
    tests = [test_pieces, test_corpus, test_reconnect, test_garbage, test_log_of_garbage,
             test_slow_and_silent, test_thousand, test_end, test_tls, test_tls_certificates,
             test_tls_garbage, test_options, test_udp_and_tcp_port]
    lib.main(*[test for test in tests if not sys.argv[1:] or test.__name__ in sys.argv[1:]])
