#!/usr/bin/python3
"""Debian's pmacctd with its sfprobe plugin meters a capture over loopback as sFlow v5, one packet in
one: packets and IP octets between every two addresses equal the capture's, and nothing is missing in the account.

sfprobe never sends the datagram that it was filling when the capture ended, and may repeat packets from old buffers
when it is told to end. So the capture ends in packets that nobody asks for, enough to fill one, and only samples
of the packets before them count: each says how many packets were seen until then."""
import collections
import json
import pathlib
import shutil
import struct
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "e2e"))
import lib
import lib_traffic

FRAME = 4  # the frame's check sequence: what sfprobe adds where it has no Ethernet addresses
FILLER = ("192.0.2.1", "192.0.2.2")
FILLERS = 40


def append_fillers(capture):
    frame = bytes(12) + b"\x08\x00" + lib_traffic.packet(*FILLER, 17, 9, 9, bytes(64))
    with open(capture, "ab") as out:
        for i in range(FILLERS):
            out.write(struct.pack("<IIII", lib_traffic.START + 3600, i, len(frame), len(frame)) + frame)


def configuration(folder, capture, port):
    """A name in the folder: pmacctd knows no long paths."""
    path = folder / "pmacctd.conf"
    path.write_text("daemonize: false\n"
                    f"pcap_savefile: {capture.name}\npcap_savefile_wait: true\n"
                    "plugins: sfprobe\naggregate: src_host, dst_host, src_port, dst_port, proto\n"
                    f"sfprobe_receiver: 127.0.0.1:{port}\nsampling_rate: 1\n")
    return path.name


def records_heard(server):
    return json.loads(lib.weir(server, "account", "--format", "json"))["account"]["received"]["records"]


def meter(server, folder, capture, packets):
    """Runs the probe until everything was heard, or nothing more comes; it ends by its id."""
    log = open(folder / "pmacctd.log", "wb")
    probe = subprocess.Popen(["pmacctd", "-f", configuration(folder, capture, server.port("sflow"))],
                             stdout=log, stderr=log, cwd=folder)
    try:
        lib.wait_for(f"{packets} samples of {probe.args[0]}",
                     lambda: probe.poll() is not None or records_heard(server) >= packets, 60, 0.2)
    finally:
        probe.terminate()
        try:
            probe.wait(lib.PATIENCE)
        except subprocess.TimeoutExpired:
            probe.kill()
            probe.wait(lib.PATIENCE)


def test_sfprobe():
    folder = lib.folder()
    truth = lib_traffic.write_capture(folder / "traffic.pcap")
    packets = sum(p for _, p in truth.values())
    append_fillers(folder / "traffic.pcap")
    server = lib.Server(folder / "data")
    meter(server, folder, folder / "traffic.pcap", packets)
    account = lib.weir_json(server, "account")["account"]
    server.stop()
    sums, octets = collections.defaultdict(lambda: [0, 0]), 0
    for record in lib.records(folder / "data"):
        pair = [record.get(f"{end}IPv4Address") or record[f"{end}IPv6Address"]
                for end in ("source", "destination")]
        if record["selectorIdTotalPktsObserved"] > packets:
            continue
        sums[tuple(pair)][0] += record["ipTotalLength"]
        sums[tuple(pair)][1] += record["packetDeltaCount"]
        octets += record["_weir"]["octets"]
        lib.equal((record["_weir"]["samplingRate"], record["_weir"]["samplingOrigin"]), (1, 1), "sampling")
    lib.equal({k: tuple(v) for k, v in sums.items()}, truth, "octets and packets by pair of addresses")
    lib.equal(octets, sum(o + FRAME * p for o, p in truth.values()), "octets of frames")
    lib.equal(account["loss"]["state"], "complete", "loss")
    counters = account["received"]
    for name in ("missingDatagrams", "missingSamples", "droppedSamples", "undecodableOctets", "unknownGaps"):
        lib.equal(counters[name], 0, name)
    print(f"{packets} packets, {len(truth)} pairs of addresses, {counters['datagrams']} datagrams")


if __name__ == "__main__":
    if not shutil.which("pmacctd"):
        lib.skip("no pmacctd here")
    lib.main(test_sfprobe)
