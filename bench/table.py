"""The table `flow` that the SQL peers of the benchmark get, and the CSV that fills it.

Weir's records come from `weird export --format csv`, in parts of bounded size, so that a hundred million flows need no
more disk for it than ten. For weirgen's the columns are FLOW; for a trace they are found by looking (`of_trace`).
"""
import collections
import csv
import ipaddress
import re
import subprocess

from common import BUILD, fail, show

# name in the CSV; name in the table; kind: u8 u16 u32 u64 i64 ipv4 ipv6 (32 hexadecimal digits) text
Column = collections.namedtuple("Column", "name peer kind")
FLOW = [Column(*words.split()) for words in """octets octets u64
packets packets u64
sourceIPv4Address src ipv4
destinationIPv4Address dst ipv4
sourceTransportPort sport u16
destinationTransportPort dport u16
protocolIdentifier proto u8
ipClassOfService tos u8
tcpControlBits flags u16
ingressInterface input u32
egressInterface output u32
ipNextHopIPv4Address next_hop ipv4
bgpSourceAsNumber src_as u32
bgpDestinationAsNumber dst_as u32
flowStart first_ms i64
flowEnd last_ms i64
exporter exporter text
domain domain u32""".splitlines()]
PART = 1 << 30  # octets of CSV
OWN = set("timeOrigin octets packets srcTag dstTag samplingRate samplingOrigin exportTime sysUpTime template "
          "protocolVersion exporterPort".split())  # of Weir's columns, what it adds to the elements that came
TWICE = {"flowStartMilliseconds", "flowEndMilliseconds"}  # are flowStart and flowEnd


def header_of(data):
    with subprocess.Popen([BUILD / "weird", "export", "--data", data, "--format", "csv"], stdout=subprocess.PIPE,
                          stderr=subprocess.DEVNULL) as export:
        line = export.stdout.readline().decode().strip()
        export.kill()
    return line.split(",")


def parts(data, columns, path):
    """Writes the store's records to the CSV file `path`, at most PART octets at a time, and yields after each. Values
    are plain: no quotes, no commas (weirgen's are)."""
    names = header_of(data)
    fields = ",".join(str(names.index(c.name) + 1) for c in columns)
    command = f"'{BUILD}/weird' export --data '{data}' --format csv | LC_ALL=C cut -d, -f{fields}"
    show(command)
    try:
        with subprocess.Popen(command, shell=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as export:
            header, rest, more = export.stdout.readline(), b"", True
            while more:
                with open(path, "wb") as out:
                    rest, more = fill(export.stdout, out, header, rest)
                if path.stat().st_size > len(header):
                    yield path
    finally:
        path.unlink(missing_ok=True)
    if export.returncode:
        fail(f"weird export ended with {export.returncode}")


def fill(stream, out, header, rest):
    """A part of whole lines; what was read past its last line, and whether there is more."""
    out.write(header + rest)
    written = len(rest)
    while chunk := stream.read(1 << 24):
        written += len(chunk)
        if written >= PART:
            end = chunk.rfind(b"\n") + 1
            out.write(chunk[:end])
            return chunk[end:], True
        out.write(chunk)
    return b"", False


# ---- traces ----

def number(kind, text):
    """A value as the peers' tables take it: addresses of 16 octets as digits, those of Ethernet as numbers."""
    if kind == "ipv6" and text:
        return f"{int(ipaddress.IPv6Address(text)):032x}"
    return str(int(text.replace(":", ""), 16)) if kind == "mac" and text else text


def kind_of(values):
    """The narrowest kind that fits all of them."""
    for kind, pattern in (("ipv4", r"\d+\.\d+\.\d+\.\d+"), ("mac", r"(?:[0-9a-f]{2}:){5}[0-9a-f]{2}"),
                          ("ipv6", r"[0-9a-f]*:[0-9a-f:.]*")):
        if all(re.fullmatch(pattern, v) for v in values):
            return kind
    if not all(re.fullmatch(r"\d{1,19}", v) for v in values):
        return "i64" if all(re.fullmatch(r"-?\d{1,18}", v) for v in values) else "text"
    most = max(map(int, values))
    return next(f"u{bits}" for bits in (8, 16, 32, 64) if most < 1 << bits)


def of_trace(data, path):
    """Writes a small store's records to the CSV file `path` as `parts` does; its columns, those of Weir's own left
    out."""
    text = subprocess.run([BUILD / "weird", "export", "--data", data, "--format", "csv"], stdout=subprocess.PIPE,
                          stderr=subprocess.DEVNULL, check=True).stdout.decode()
    names, *rows = csv.reader(text.splitlines())
    found = []
    for i, name in enumerate(names):
        values = {row[i] for row in rows if row[i]}
        if values and name not in OWN | TWICE:
            found.append((i, name, kind_of(values)))
    with open(path, "w", newline="", encoding="utf-8") as out:
        writer = csv.writer(out)
        writer.writerow([re.sub(r"\W", "_", name) for _, name, _ in found])
        writer.writerows([[number(kind, row[i]) for i, _, kind in found] for row in rows])
    words = [(re.sub(r"\W", "_", name), "u64" if kind == "mac" else kind) for _, name, kind in found]
    return [Column(word, word, kind) for word, kind in words]

