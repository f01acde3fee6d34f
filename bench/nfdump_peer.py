"""nfdump as a peer of the benchmark: Debian's nfcapd hears the same records over UDP, nfdump is asked.

Debian's nfdump has no zstd. What zstd would make of its file is counted instead: the file as nfcapd writes it without
compression, in blocks of 1 MiB, which are nfdump's own, each by libzstd at level 3; and the CPU seconds of that.
"""
import ctypes
import math
import os
import re
import resource
import shlex
import shutil
import signal
import subprocess
import time

from common import empty, ended, fail, free_port, measured, progress, run, show

FIRST_RATE, LEAST_RATE = 600000, 30000
BLOCK = 1 << 20
LEVEL = 3
LONG, LONGEST = 20, 400  # seconds: what takes longer is not repeated; is ended
MEMORY = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 4 * 3  # octets of address space

# What nfdump 1.7 has a place for, by information element.
HOLDS = set("""octetDeltaCount packetDeltaCount postOctetDeltaCount postPacketDeltaCount protocolIdentifier
    ipClassOfService postIpClassOfService tcpControlBits sourceTransportPort destinationTransportPort icmpTypeCodeIPv4
    icmpTypeCodeIPv6 sourceIPv4Address destinationIPv4Address sourceIPv6Address destinationIPv6Address
    sourceIPv4PrefixLength destinationIPv4PrefixLength sourceIPv6PrefixLength destinationIPv6PrefixLength ingressInterface
    egressInterface ipNextHopIPv4Address ipNextHopIPv6Address bgpNextHopIPv4Address bgpNextHopIPv6Address
    bgpSourceAsNumber bgpDestinationAsNumber flowStartMilliseconds flowEndMilliseconds flowStartSysUpTime flowEndSysUpTime
    flowStart flowEnd flowDirection vlanId postVlanId sourceMacAddress destinationMacAddress postSourceMacAddress
    postDestinationMacAddress forwardingStatus ipVersion exporter domain paddingOctets""".split())


def there():
    return bool(shutil.which("nfcapd") and shutil.which("nfdump"))


# ---- hearing ----

def kept(folder):
    return sum(int(n) for n in re.findall(r"^Flows:\s*(\d+)", run("nfdump", "-R", folder, "-I"), re.M))


def hear_once(folder, send, rate, flags, buffer=1 << 30):
    """CPU seconds of nfcapd while send(port, rate) sent."""
    empty(folder)
    port = free_port()
    command = ["nfcapd", "-w", folder, "-p", port, "-b", "127.0.0.1", "-B", buffer, "-t", 3600, *flags]
    show(command)
    process = subprocess.Popen([str(c) for c in command], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        time.sleep(1)
        send(port, rate)
        time.sleep(2)
    finally:
        cpu = ended(process)
    return cpu


def hear(folder, send, flows, flags=()):
    """(CPU seconds, rate): nfcapd hears all of it, at half the rate until it loses nothing."""
    rate = FIRST_RATE
    while rate >= LEAST_RATE:
        progress(f"nfcapd {' '.join(flags)} hears {flows:,} flows at {rate:,} a second")
        cpu = hear_once(folder, send, rate, flags)
        if kept(folder) == flows:
            return cpu, rate
        rate //= 2
    return fail("nfcapd loses flows at every rate that was tried")


# ---- compression ----

def zstd(path):
    """(octets, CPU seconds) of what zstd makes of an nfdump file, or of all in a folder; None without libzstd."""
    try:
        c = ctypes.CDLL("libzstd.so.1")
    except OSError:
        return None
    c.ZSTD_createCCtx.restype = ctypes.c_void_p
    c.ZSTD_compressBound.restype = c.ZSTD_compressCCtx.restype = ctypes.c_size_t
    c.ZSTD_compressBound.argtypes = [ctypes.c_size_t]
    c.ZSTD_compressCCtx.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_size_t, ctypes.c_char_p, ctypes.c_size_t,
                                    ctypes.c_int]
    c.ZSTD_freeCCtx.argtypes = [ctypes.c_void_p]
    context, room = c.ZSTD_createCCtx(), c.ZSTD_compressBound(BLOCK)
    out, octets, cpu = ctypes.create_string_buffer(room), 0, 0.0
    for name in sorted(path.iterdir()) if path.is_dir() else [path]:
        progress(f"zstd -{LEVEL} of {name}")
        with open(name, "rb") as file:
            while block := file.read(BLOCK):
                before = time.process_time()
                octets += c.ZSTD_compressCCtx(context, out, room, block, len(block), LEVEL)
                cpu += time.process_time() - before
    c.ZSTD_freeCCtx(context)
    return octets, cpu


def written(path, words, out):
    """Octets of nfdump's file, or folder of files, written again to `out` with another compression."""
    progress(f"nfdump -w {shlex.join(map(str, words))}")
    run("nfdump", "-R" if path.is_dir() else "-r", path, *words, "-w", out)
    return out.stat().st_size


# ---- asking ----

def limited():
    """It keeps all that it groups in memory; and where it gets no more, threads of it wait for ever."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    signal.alarm(LONGEST)


def best_of(folder, words, rounds):
    """(wall seconds of the whole program, CPU seconds, its output); None for all of them where memory or LONGEST did not do."""
    wall, cpu, out = math.inf, math.inf, None
    for _ in range(rounds):
        one_wall, one_cpu, out = measured(["nfdump", "-R", folder, "-N", *words], may_fail=True, preexec_fn=limited)
        if out is None:
            return None, None, None
        wall, cpu = min(wall, one_wall), min(cpu, one_cpu)
        if one_wall > LONG:
            break
    return wall, cpu, out


def questions(first, second, tos, host):
    """Words of nfdump for each question of duckdb_peer.py, in its order."""
    return [["-o", "null", f"src net {first} and dst net {second}"], ["-o", "null", f"tos {tos}"],
            ["-q", "-s", "srcip/bytes", "-n", "10", "-o", "csv"],
            ["-q", "-A", "srcip4/16,dstip4/16", "-O", "bytes", "-n", "10", "-o", "fmt:%byt", "ipv4"],
            ["-o", "null", f"host {host}"],
            ["-q", "-A", "srcip,dstip,srcport,dstport,proto", "-O", "bytes", "-n", "1", "-o", "fmt:%byt"]]
