"""Hostile and odd requests: each is answered or closed at once, none costs much, and the server goes on.

The budgets are for quadratic parsing: the inputs of this size cost an unguarded parser 1 to 40 seconds of
processor time each. What is never answered shows as a closed connection or another status: the server's own
limits are shorter than those of this file."""
import os
import socket
import struct
import time

from lib import PATIENCE, SLOW, Server, Watch, check, equal, folder, main, quickly, threads

SOAP = "http://schemas.xmlsoap.org/soap/envelope/"
HEAD = (f'<e:Envelope xmlns:e="{SOAP}" xmlns:d="urn:weir:db:1" '
        'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"><e:Body>')
TAIL = "</e:Body></e:Envelope>"
CPU_MOST = 0.5 * SLOW       # seconds of the server's processor time for one request
WALL_MOST = 5 * SLOW        # and of waiting for it


def operation(address="192.0.2.1", since="1", until="2", extra=""):
    return (f"<d:flowSrcIP><d:address>{address}</d:address><d:from>{since}</d:from>"
            f"<d:to>{until}</d:to>{extra}</d:flowSrcIP>")


def good(**words):
    return HEAD + operation(**words) + TAIL


def cpu(server):
    with open(f"/proc/{server.process.pid}/stat") as file:
        fields = file.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def dial(server):
    host, port = server.url.removeprefix("http://").rsplit(":", 1)
    return socket.create_connection((host, int(port)), timeout=PATIENCE)


def answer(connection):
    """The status of what comes back (0: closed without an answer), and all of it."""
    data = b""
    try:
        while True:
            got = connection.recv(1 << 16)
            if not got:
                break
            data += got
            head, end, body = data.partition(b"\r\n\r\n")
            length = [line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
            if end and length and len(body) >= int(length[0].split(b":")[1]):
                break
    except ConnectionError:
        pass
    return (int(data.split(b" ")[1]) if data.startswith(b"HTTP/") else 0), data


def request(body, path="/db", kind="text/xml; charset=utf-8", **headers):
    lines = [f"POST {path} HTTP/1.1", "Host: h", f"Content-Type: {kind}", f"Content-Length: {len(body)}",
             'SOAPAction: ""', *(f"{k.replace('_', '-')}: {v}" for k, v in headers.items())]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def ask(server, raw):
    with dial(server) as connection:
        try:
            connection.sendall(raw)
        except ConnectionError:
            pass
        return answer(connection)


def attempt(server, name, raw, statuses):
    status, text = -1, b""

    def measure():
        """How much of what is allowed it took: the larger of processor time and waiting."""
        nonlocal status, text
        before, start = cpu(server), watch.seconds()
        try:
            status, text = ask(server, raw)
        except TimeoutError:
            status, text = -1, b""
            print(f"{name}: no answer; the server's threads:\n{threads(server.process)}")
        check(status in statuses, f"{name}: status {status}, expected one of {statuses}: {text[-300:]!r}")
        return max((cpu(server) - before) / CPU_MOST, (watch.seconds() - start) / WALL_MOST)

    quickly(f"{name}: of {CPU_MOST} s of processor time or {WALL_MOST} s", 1, measure)
    check(server.process.poll() is None, f"{name}: the server is gone")
    return text


def answered(what):
    """A plain question is answered, and soon."""
    def measure():
        started = watch.seconds()
        equal(ask(server, request(good().encode()))[0], 200, what)
        return watch.seconds() - started

    quickly(what, 3 * SLOW, measure)


def xml_cases():
    many = lambda n, each: "".join(each(i) for i in range(n))
    inside = lambda text: HEAD + operation().replace("<d:address", "<d:address " + text) + TAIL
    yield "good", good(), {200}
    yield "entities that grow", ('<?xml version="1.0"?><!DOCTYPE l [<!ENTITY a "aaaaaaaaaa">'
                                 '<!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]>') + good(address="&b;"), {500}
    yield "an external entity", ('<?xml version="1.0"?><!DOCTYPE l [<!ENTITY x SYSTEM "file:///etc/passwd">]>'
                                 ) + good(address="&x;"), {500}
    yield "100 levels", good(extra="<d:x>" * 100 + "</d:x>" * 100), {500}
    yield "1,000,000 levels in the header", HEAD.replace(
        "<e:Body>", "<e:Header>" + "<d:x>" * 1000000 + "</e:Header><e:Body>") + operation() + TAIL, {500}
    yield "a header to be ignored", HEAD.replace(
        "<e:Body>", '<e:Header><q:h xmlns:q="urn:q"><q:i/></q:h></e:Header><e:Body>') + operation() + TAIL, {200}
    yield "a header to be understood", HEAD.replace(
        "<e:Body>", '<e:Header><q:h xmlns:q="urn:q" e:mustUnderstand="1"/></e:Header><e:Body>'
    ) + operation() + TAIL, {500}
    yield "an unknown element", good(extra="<d:zzz>1</d:zzz>"), {500}
    yield "an element twice", good(extra="<d:from>5</d:from>"), {500}
    yield "two operations", HEAD + operation() + operation() + TAIL, {200, 500}
    yield "the wrong namespace", good().replace("d:flow", "e:flow"), {500}
    yield "no operation", HEAD + "<d:Nope/>" + TAIL, {500}
    yield "nothing", HEAD + TAIL, {500}
    yield "nil", HEAD + '<d:flowSrcIP xsi:nil="true"/>' + TAIL, {500}
    yield "nil inside", HEAD + ('<d:flowSrcIP><d:address xsi:nil="true"/><d:from>1</d:from><d:to>2</d:to>'
                                "</d:flowSrcIP>") + TAIL, {500}
    yield "a nil block", HEAD + '<d:StoreBlock><d:block xsi:nil="true"/></d:StoreBlock>' + TAIL, {500}
    yield "a reference to nothing", HEAD + '<d:StoreBlock><d:block href="cid:none"/></d:StoreBlock>' + TAIL, {500}
    yield "a long address", good(address="1" * 100000), {500}
    yield "a bad number", good(since="12x"), {500}
    yield "a huge number", good(since="9" * 25), {500}
    yield "garbage", "hello", {400, 500}
    yield "no envelope", "<a>1</a>", {500}
    yield "an empty body", "", {400, 500}
    yield "half a message", good()[:200], {500}
    yield "a long tag", HEAD + "<d:" + "a" * 100000 + "/>" + TAIL, {500}
    yield "a long attribute", inside('a="' + "x" * 300000 + '"'), {200, 500}
    yield "40,000 attributes", inside(" ".join(f'a{i}="1"' for i in range(40000))), {500}
    yield "40,000 attributes with > in them", inside(" ".join(f'a{i}=">"' for i in range(40000))), {500}
    yield "40,000 attributes after a comment", inside(" ".join(f'a{i}="1"' for i in range(40000))).replace(
        "<e:Body>", "<e:Body><!-- ' -->"), {500}
    yield "40,000 attributes without quotes", inside(" ".join(f"a{i}=1" for i in range(40000))), {500}
    yield "20,000 namespaces", inside(" ".join(f'xmlns:a{i}="u{i}"' for i in range(20000))), {500}
    yield "namespaces on every level", good(extra="".join(
        "<d:x " + " ".join(f'xmlns:a{level}x{i}="u"' for i in range(60)) + ">" for level in range(12))
        + "<d:y/>" * 100000), {500}
    yield "40,000 references", HEAD + "<d:Aggregate>" + many(40000, lambda i: f'<d:by href="#x{i}"/>') + \
        "</d:Aggregate>" + TAIL, {500}
    yield "40,000 ids", HEAD + "<d:Aggregate>" + many(40000, lambda i: f'<d:by id="x{i}">a</d:by>') + \
        "</d:Aggregate>" + TAIL, {500}
    yield "1,000,000 keys", HEAD + "<d:Aggregate>" + "<d:by/>" * 1000000 + "</d:Aggregate>" + TAIL, {500}
    yield "a deep filter", HEAD + "<d:Aggregate><d:filter>" + "(" * 60000 + \
        "</d:filter><d:from>1</d:from><d:to>2</d:to></d:Aggregate>" + TAIL, {500}
    yield "a long filter", HEAD + "<d:Aggregate><d:filter>" + "ip 1.2.3.4 or " * 100000 + \
        "any</d:filter><d:from>1</d:from><d:to>2</d:to></d:Aggregate>" + TAIL, {500}
    yield "all time in small steps", HEAD + ("<d:Aggregate><d:from>-9223372036854775808</d:from>"
                                             "<d:to>9223372036854775807</d:to><d:step>1</d:step></d:Aggregate>"
                                             ) + TAIL, {500}
    yield "no block", HEAD + "<d:StoreBlock><d:block>" + "A" * 4000000 + "</d:block></d:StoreBlock>" + TAIL, {500}


def test_xml():
    for name, body, statuses in xml_cases():
        text = attempt(server, name, request(body.encode()), statuses)
        if b"500 " in text[:16] and "understood" not in name:  # those have no detail (SOAP 1.1, 4.4)
            check(b"<wt:code>" in text, f"{name}: the fault has no type: {text[-300:]!r}")
        if b"500 " in text[:16]:
            check(b"Envelope" in text and b"<faultcode>SOAP-ENV:" in text, f"{name}: no SOAP fault: {text[-600:]!r}")
    attempt(server, "UTF-16", request(good().encode("utf-16")), {400, 500})
    attempt(server, "zeros", request(b"\0\1\2" * 10000), {400, 500})


def test_http():
    body = good().encode()
    plain = "POST /db HTTP/1.1\r\nHost: h\r\nContent-Type: text/xml\r\n"
    for name, raw, statuses in (
            ("not HTTP", b"hello\r\n\r\n", {400}),
            ("TLS", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\xaa" * 500, {400}),
            ("no length", (plain + "\r\n").encode() + body, {411}),
            ("chunks that are none", (plain + "Transfer-Encoding: chunked\r\n\r\n").encode() + body, {400}),
            ("chunks and a length", (plain + "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n").encode(),
             {400}),
            ("another coding", (plain + "Transfer-Encoding: gzip\r\n\r\n").encode(), {501}),
            ("chunks of one octet", (plain + "Transfer-Encoding: chunked\r\n\r\n").encode()
             + b"".join(b"1\r\n%c\r\n" % octet for octet in body) + b"0\r\n\r\n", {200}),
            ("attributes behind chunk extensions", (plain + "Transfer-Encoding: chunked\r\n\r\n").encode()
             + b"%x\r\n" % len(HEAD + "<d:x") + (HEAD + "<d:x").encode() + b"\r\n"
             + b'9;a=">"\r\n attr="1"\r\n' * 40000 + b"0\r\n\r\n", {500}),
            ("a length of -5", (plain + "Content-Length: -5\r\n\r\n").encode(), {400}),
            ("a length of 99999999999", (plain + "Content-Length: 99999999999\r\n\r\n").encode(), {413}),
            ("two lengths", (plain + "Content-Length: 5\r\nContent-Length: 6\r\n\r\n").encode(), {400}),
            ("gzip", request(body, Content_Encoding="gzip"), {415}),
            ("a picture", request(body, kind="image/png"), {415}),
            ("a long head", b"GET / HTTP/1.1\r\nA: " + b"a" * 100000, {431}),
            ("many fields", b"GET / HTTP/1.1\r\n" + b"A: b\r\n" * 2000 + b"\r\n", {431}),
            ("a path that climbs", b"GET /xsd/../../../etc/passwd HTTP/1.1\r\n\r\n", {404}),
            ("a Host that is XML", b'GET /db?wsdl HTTP/1.1\r\nHost: "/><x\r\n\r\n', {400}),
            ("another method", b"DELETE /db HTTP/1.1\r\nContent-Length: 0\r\n\r\n", {405}),
            ("a body for a collector that is too large", request(b" " * 5000000, path="/collector"), {413}),
    ):
        attempt(server, name, raw, statuses)


def test_mime():
    def message(*parts, boundary="B", end="--"):
        out = b""
        for headers, data in parts:
            out += f"\r\n--{boundary}\r\n{headers}\r\n\r\n".encode() + data
        return out[2:] + f"\r\n--{boundary}{end}\r\n".encode()
    kind = 'multipart/related; type="application/xop+xml"; boundary="B"; start="<r>"; start-info="text/xml"'
    include = '<x:Include xmlns:x="http://www.w3.org/2004/08/xop/include" href="cid:a"/>'
    root = ("Content-Type: application/xop+xml; type=\"text/xml\"\r\nContent-ID: <r>",
            (HEAD + f"<d:StoreBlock><d:block>{include}</d:block></d:StoreBlock>" + TAIL).encode())
    data = ("Content-Type: application/octet-stream\r\nContent-ID: <a>", b"=<" * 500000)
    evil = ("Content-ID: <r>", (HEAD + "<d:StoreBlock \r\n--B\r\n " + "a=\"1\" " * 40000 + "/>" + TAIL).encode())
    for name, body in (
            ("a block that is none", message(root, data)),
            ("two attachments", message(root, data, data)),
            ("the root in second place", message(data, root)),
            ("no end", message(root, data)[:-8]),
            ("no attachment", message(root)),
            ("XML past a boundary", message(evil, data)),
            ("nothing", b""),
            ("only delimiters", b"--B\r\n" * 100000 + b"--B--"),
    ):
        attempt(server, "MIME: " + name, request(body, kind=kind), {400, 413, 500})


def test_connections():
    """Slow, silent and vanishing peers take nothing from the others."""
    held = [dial(server) for _ in range(300)]
    for i, connection in enumerate(held):
        connection.sendall((b"", b"POST /db HT", request(good().encode())[:-9])[i % 3])
    for _ in range(20):
        answered("an answer beside 300 slow peers")
    for connection in held[:100]:  # reset instead of closed
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    for connection in held:
        connection.close()
    for _ in range(50):  # asks for much, reads nothing
        connection = dial(server)
        connection.sendall(b"GET /xsd/weir-types.xsd HTTP/1.1\r\n\r\n" * 200)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        connection.close()
    answered("an answer afterwards")


def slow_reader():
    """Asks for a lot, and lets none of it in."""
    connection = socket.socket()
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
    host, port = server.url.removeprefix("http://").rsplit(":", 1)
    connection.connect((host, int(port)))
    connection.sendall(b"GET /xsd/weir-types.xsd HTTP/1.1\r\n\r\n" * 400)
    return connection


def test_slow_readers():
    """Twice as many as there are workers: some stay for the others all the time, also when they let a little in."""
    held = [slow_reader() for _ in range(16)]
    for _ in range(12):
        answered("an answer beside 16 who do not read")
        time.sleep(0.25)
        for connection in held:
            try:
                connection.setblocking(False)
                connection.recv(512)
            except (BlockingIOError, ConnectionError):
                pass
    for connection in held:
        connection.close()


def test_many_connections():
    """More than the server takes: the longest idle give way, the newest are served."""
    held = []
    try:
        for _ in range(1100):
            held.append(dial(server))
        answered("an answer past 1,024 connections")
    finally:
        for connection in held:
            connection.close()


server = watch = None


def test_all():
    global server, watch
    server = Server(folder() / "data")
    with Watch() as watch:
        for test in (test_xml, test_http, test_mime, test_connections, test_slow_readers, test_many_connections):
            test()
    server.stop()


if __name__ == "__main__":
    main(test_all)
