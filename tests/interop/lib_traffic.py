"""A traffic capture made by a test itself, and what is in it: TCP, UDP, ICMP over IPv4 and IPv6, both ways.

    truth = write_capture(path)     truth[source, destination] = [octets, packets], IP octets
"""
import collections
import ipaddress
import random
import struct
import time

START = int(time.time()) // 60 * 60 - 86400 + 20  # exporters repeat it, and old times are not believed for ever


def checksum(octets):
    octets += b"\0" * (len(octets) % 2)
    total = sum(struct.unpack(f">{len(octets) // 2}H", octets))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return ~total & 0xffff


def transport(protocol, sport, dport, payload, flags):
    if protocol == 6:
        return struct.pack(">HHIIBBHHH", sport, dport, 1, 1, 0x50, flags, 8192, 0, 0) + payload
    if protocol == 17:
        return struct.pack(">HHHH", sport, dport, 8 + len(payload), 0) + payload
    return struct.pack(">BBHHH", 8 if protocol == 1 else 128, 0, 0, sport, 1) + payload


def packet(source, destination, protocol, sport, dport, payload, flags=0x10):
    content = transport(protocol, sport, dport, payload, flags)
    src, dst = ipaddress.ip_address(source), ipaddress.ip_address(destination)
    if src.version == 6:
        return struct.pack(">IHBB", 6 << 28, len(content), protocol, 60) + src.packed + dst.packed + content
    head = struct.pack(">BBHHHBBH", 0x45, 0, 20 + len(content), 1, 0, 60, protocol, 0) + src.packed + dst.packed
    return head[:10] + struct.pack(">H", checksum(head)) + head[12:] + content


def conversations(draw, ipv6):
    """(client, server, protocol, client port, server port, packets there, packets back)"""
    for i in range(60):
        if ipv6 and i % 3 == 0:
            client, server = f"2001:db8:1::{i + 1:x}", f"2001:db8:2::{i % 7 + 1:x}"
            protocol = draw.choice((6, 17, 58))
        else:
            client, server = f"10.1.{i % 4}.{i + 1}", f"10.2.0.{i % 9 + 1}"
            protocol = draw.choice((6, 6, 17, 1))
        ports = (1024 + i, draw.choice((53, 80, 443))) if protocol in (6, 17) else (0, 0)
        yield client, server, protocol, *ports, draw.randint(2, 20), draw.choice((0, 1, 15))


def write_capture(path, ipv6=True, seed=1):
    draw = random.Random(seed)
    packets = []
    for client, server, protocol, cport, sport, there, back in conversations(draw, ipv6):
        begin = draw.random() * 30
        for i in range(there + back):
            forward = i % 2 == 0 and i // 2 < there or i // 2 >= back
            ends = (client, server, cport, sport) if forward else (server, client, sport, cport)
            payload = bytes(draw.randint(0, 1200))
            packets.append((begin + i * 0.05, ends[0], ends[1],
                            packet(ends[0], ends[1], protocol, ends[2], ends[3], payload)))
    packets.sort(key=lambda p: p[0])
    truth = collections.defaultdict(lambda: [0, 0])
    with open(path, "wb") as out:
        out.write(struct.pack("<IHHiIII", 0xa1b2c3d4, 2, 4, 0, 0, 65535, 1))
        for at, source, destination, octets in packets:
            frame = bytes(12) + (b"\x86\xdd" if ":" in source else b"\x08\x00") + octets
            out.write(struct.pack("<IIII", START + int(at), int(at % 1 * 1e6), len(frame), len(frame)) + frame)
            truth[source, destination][0] += len(octets)
            truth[source, destination][1] += 1
    return {pair: tuple(sums) for pair, sums in truth.items()}
