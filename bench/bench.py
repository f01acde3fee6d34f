"""Ingest: Weir beside Debian's nfcapd, on the same records, in one run; the decoder and the tag table alone.

The records: three exporters of weirgen (NetFlow v5, v9 and IPFIX), deterministic, so that a capture
file and a transmission over UDP carry the same. weird imports the capture; nfcapd hears the
datagrams over UDP, at a rate at which it loses none: when its count is short, the rate is halved
and it hears them again.

CPU is user + system of the whole process (wait4), the median of three runs. For nfcapd that includes receiving from
the kernel, for weird reading the file: each its own way in. Debian's nfcapd has no zstd: what libzstd takes for its
file is added to the lower of nfcapd's CPU without compression and with LZ4.
"""
import json

import dataset
import nfdump_peer
from common import BUILD, ROUNDS, folder_of, goals, measured, median, options, progress, remove, run, size

AS_IT_COMES, COMPACTED = 2, 1  # goals: flows a CPU-second, times those of nfcapd with zstd
TAGS_NS = 100  # goal: both look-ups of a flow, 17,000 prefixes


class Way:
    """Of flows into a file: the CPU and wall seconds of each round, octets of the file."""

    def __init__(self, name, goal=None, note=""):
        self.name, self.goal, self.note, self.cpu, self.wall, self.octets = name, goal, note, [], [], 0

    def add(self, wall, cpu, octets):
        self.cpu.append(cpu)
        self.wall.append(wall)
        self.octets = octets

    def line(self, flows, zstd):
        cpu = median(self.cpu)
        ratio, word = "", ""
        if zstd:
            ratio = f"{zstd / cpu:.2f}"
            word = goals.at_least(zstd / cpu, self.goal, f"{self.name}, flows a CPU-second beside nfcapd zstd"
                                  ) if self.goal else ""
        wall = f"   {median(self.wall):.1f} s wall" if any(self.wall) else ""
        print(f"{self.name:<30}{cpu:>8.2f}{cpu / flows * 1e9:>9.0f}{self.octets / flows:>12.2f}{ratio:>9}"
              f"{f'>= {self.goal} {word}' if word else '':>13}{wall}{self.note}")


def ours(data_set):
    """weird import, with weird compact after it, and with --compact; the last round's store stays."""
    first, both, whole = (Way("weird import (all of it)", AS_IT_COMES), Way("and weird compact", COMPACTED),
                          Way("weird import --compact", COMPACTED))
    capture, store, other = data_set.capture(), data_set.folder / "weir", data_set.folder / "whole"
    for n in range(ROUNDS):
        progress(f"weird import, round {n + 1} of {ROUNDS}")
        for folder in (store, other):
            if folder.exists():
                remove(folder)
        wall, cpu = dataset.import_all(data_set, store, capture)
        first.add(wall, cpu, size(store))
        dataset.note_as_it_comes(data_set, store)
        tidy_wall, tidy_cpu, _ = measured([BUILD / "weird", "compact", "--data", store])
        both.add(wall + tidy_wall, cpu + tidy_cpu, size(store))
        wall, cpu = dataset.import_all(data_set, other, capture, "--compact")
        whole.add(wall, cpu, size(other))
    remove(other)
    capture.unlink()
    return [first, both, whole]


def theirs(data_set):
    """nfcapd without compression, with LZ4, and with zstd as it would be."""
    if not nfdump_peer.there():
        print("nfcapd is left out: apt-get install nfdump")
        return []
    found = []
    for name, folder, flags in (("nfcapd, plain", "nf", []), ("nfcapd LZ4", "lz4", ["-y"])):
        rates, way = [], Way(name)
        for _ in range(ROUNDS):
            cpu, rate = nfdump_peer.hear(data_set.folder / folder, data_set.send, data_set.flows, flags)
            way.add(0, cpu, size(data_set.folder / folder))
            rates.append(rate)
        way.note = f"   heard at {min(rates):,} flows/s"
        found.append(way)
    made = [nfdump_peer.zstd(data_set.folder / "nf") for _ in range(ROUNDS)]
    remove(data_set.folder / "nf")
    if made[0]:
        zstd = Way("nfcapd zstd", note=f"   of it zstd {median([cpu for _, cpu in made]):.2f}")
        zstd.add(0, min(median(way.cpu) for way in found) + median([cpu for _, cpu in made]), made[0][0])
        found.append(zstd)
    return found


def decoder(base):
    print(f"\n{'decoder alone, no store':<30}{'million records per CPU-second':>32}")
    capture = base / "decode.pcap"
    for protocol in ("v5", "v9", "ipfix"):
        run(BUILD / "weirgen", "--pcap", capture, "--flows", "1000000", protocol)
        rate = json.loads(run(BUILD / "decode_bench", "decode", capture, 5))["recordsPerCpuSecond"]
        print(f"{protocol:<30}{rate / 1e6:>32.1f}")
        capture.unlink()
    print(f"\n{'tag look-ups':<30}{'ns a flow, both addresses':>32}")
    for prefixes, goal in ((17000, TAGS_NS), (1000000, None)):
        ns = json.loads(run(BUILD / "decode_bench", "tags", prefixes))["nsPerFlow"]
        word = f"{goals.at_most(ns, goal, f'tag look-ups, {prefixes:,} prefixes')}, <= {goal}" if goal else ""
        print(f"{f'{prefixes:,} prefixes':<30}{ns:>32.1f}   {word}".rstrip())


def main():
    given = options(__doc__)
    with folder_of(given) as base:
        data_set = dataset.Generated(base, given.flows)
        ways, peers = ours(data_set), theirs(data_set)
        zstd = median(peers[-1].cpu) if peers and peers[-1].name == "nfcapd zstd" else None
        progress("")
        print(f"\n{data_set.name}, three exporters (NetFlow v5, v9, IPFIX); medians of {ROUNDS}\n"
              f"{'ingest':<30}{'CPU s':>8}{'ns/flow':>9}{'bytes/flow':>12}{'x zstd':>9}{'wanted':>13}")
        for way in ways + peers:
            way.line(given.flows, zstd)
        decoder(base)
    goals.finish()


if __name__ == "__main__":
    main()
