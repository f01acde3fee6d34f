"""Export datagrams, put together from the RFCs: IPFIX (RFC 7011), NetFlow v9 (RFC 3954) and v5.

    t = template(300, (8, 4), (12, 4), (1, 8), (1, 8, REVERSE))
    ipfix(t, data(300, ip("10.0.0.1"), …))          one message
Fields are (element, octets) or (element, octets, enterprise number); octets 65535: variable length.
"""
import ipaddress
import struct

REVERSE = 29305  # RFC 5103
SECS = 1_700_000_000
VARIABLE = 65535


def ip(text):
    return ipaddress.ip_address(text).packed


def number(value, octets):
    return value.to_bytes(octets, "big")


def variable(value):
    """RFC 7011 section 7."""
    short = len(value) < 255
    return (bytes([len(value)]) if short else b"\xff" + number(len(value), 2)) + value


def ntp(seconds, fraction=0.0):
    """An NTP timestamp (RFC 5905) of seconds since 1970."""
    return struct.pack(">II", (seconds + 2208988800) & 0xffffffff, int(fraction * 2**32))


def field(element, octets, enterprise=None):
    if enterprise is None:
        return struct.pack(">HH", element, octets)
    return struct.pack(">HHI", element | 0x8000, octets, enterprise)


def a_set(number_, content):
    content += bytes(-len(content) % 4)
    return struct.pack(">HH", number_, len(content) + 4) + content


def template(number_, *fields):
    return a_set(2, struct.pack(">HH", number_, len(fields)) + b"".join(field(*f) for f in fields))


def options_template(number_, scopes, *fields):
    return a_set(3, struct.pack(">HHH", number_, len(fields), scopes)
                 + b"".join(field(*f) for f in fields))


def data(number_, *values):
    content = b"".join(values)
    return struct.pack(">HH", number_, len(content) + 4) + content


def ipfix(*sets, sequence=0, domain=7, secs=SECS):
    content = b"".join(sets)
    return struct.pack(">HHIII", 10, len(content) + 16, secs, sequence, domain) + content


def netflow9(*sets, sequence=0, source=7, secs=SECS, up=1_000_000, count=1):
    return struct.pack(">HHIIII", 9, count, up, secs, sequence, source) + b"".join(sets)


def template9(number_, *fields):
    return a_set(0, struct.pack(">HH", number_, len(fields)) + b"".join(field(*f) for f in fields))


def netflow5(records, sequence=0, secs=SECS, up=1_000_000, nanoseconds=0):
    """Records: (source, destination, packets, octets, first, last), times in sysUpTime."""
    out = struct.pack(">HHIIIIBBH", 5, len(records), up, secs, nanoseconds, sequence, 0, 0, 0)
    for source, destination, packets, octets, first, last in records:
        out += ip(source) + ip(destination) + bytes(8) + struct.pack(
            ">IIII", packets, octets, first, last) + bytes(16)
    return out


def write(folder, *messages):
    """A folder of raw datagrams, in name order: what `weird import` takes."""
    folder.mkdir(parents=True)
    for i, message in enumerate(messages):
        (folder / f"{i:05}.dat").write_bytes(message)
    return folder
