"""The highest rate over UDP at which nothing is lost: Weir beside nfcapd, in one run, on the same cores, with the
same receive buffer, hearing the same datagrams: a capture of four exporters of one protocol, or three of three, is
sent again and again by `replay`, which costs little, so that what is found is the receiver's limit and not
the sender's. Weir decodes, accounts, rolls up, commits and compacts meanwhile; nfcapd writes its files.

The rate is searched by bisection, all programs in turn at each step, so that a change in the machine's load meets
all. A rate is held when one of TRIES tries loses nothing. A try is seconds long: no buffer hides a rate that
can not be kept. Afterwards Weir hears a rate far past its limit, and what its account says is missing is held
against what was sent and not kept; the end comes calmly, as sequence numbers show a loss only afterwards.
Environment: WEIR_BENCH_UDP_FLOWS (6000000) a try, WEIR_BENCH_RECEIVERS (as weird does by itself, and "1"),
WEIR_BENCH_TRAFFIC ("v5 v9 ipfix mixed"). Where the time goes: PROFILE.md.
"""
import json
import math
import os
import shutil

import nfdump_peer
from common import BUILD, Weird, folder_of, goals, options, progress, run

FLOWS = int(os.environ.get("WEIR_BENCH_UDP_FLOWS", "6000000"))
RECEIVERS = os.environ.get("WEIR_BENCH_RECEIVERS", "").split() or [None, "1"]
TRAFFIC = os.environ.get("WEIR_BENCH_TRAFFIC", "v5 v9 ipfix mixed").split()
LEAST, MOST, CLOSE, TRIES = 1_000_000, 9_000_000, 1.08, 2
BUFFER = 4 << 20  # the kernel doubles it for its own needs, for both alike


class Traffic:
    """A capture of FLOWS flows and the truth about it."""

    def __init__(self, name, folder):
        self.name, self.capture = name, folder / f"{name}.pcap"
        exporters = [] if name == "mixed" else [f"{name},name={name}-{n}" for n in range(4)]
        out = run(BUILD / "weirgen", "--pcap", self.capture, "--flows", FLOWS, "--duration", "1h", *exporters)
        self.sent = [e["sent"] for e in json.loads(out)["exporters"]]
        self.records = sum(s["records"] for s in self.sent)

    def send(self, port, rate):
        """Flows a second that it came to."""
        out = run(BUILD / "replay", self.capture, f"127.0.0.1:{port}", FLOWS, int(rate))
        return FLOWS / json.loads(out)["seconds"]


class Weir:
    def __init__(self, receivers):
        self.words = ["--receive-buffer", BUFFER] + (["--receivers", receivers] if receivers else [])
        self.name = "weird" + (f" --receivers {receivers}" if receivers else " (as it comes)")

    def step(self, folder, traffic, rate):
        """(flows lost, flows/s it came to, CPU a flow)"""
        with Weird(folder, *self.words) as weird:
            rate = traffic.send(int(weird.where["netflow"].rsplit(":", 1)[1]), rate)
            cpu = weird.stop()
        with Weird(folder, "--roles", "db") as weird:
            answer = json.loads(run(BUILD / "weir", "--url", weird.url, "account", "--format", "json"))
        self.account = answer["account"]
        return traffic.records - self.account["received"]["records"], rate, cpu / traffic.records


class Nfcapd:
    def __init__(self, name, flags):
        self.name, self.flags = name, flags

    def step(self, folder, traffic, rate):
        came_to = []
        cpu = nfdump_peer.hear_once(folder, lambda port, rate: came_to.append(traffic.send(port, rate)), rate,
                                    self.flags, BUFFER)
        return traffic.records - nfdump_peer.kept(folder), came_to[0], cpu / traffic.records

PEERS = [Nfcapd("nfcapd", []), Nfcapd("nfcapd LZ4", ["-y"])]


class Search:
    """One program's: `held` and `lost` close in on its limit."""

    def __init__(self, peer):
        self.peer, self.held, self.lost, self.cpu, self.note = peer, LEAST, MOST, 0, "held no rate that was tried"

    def open(self):
        return self.lost / self.held > CLOSE

    def step(self, base, traffic):
        rate = math.sqrt(self.held * self.lost)
        for _ in range(TRIES):
            progress(f"{traffic.name}: {self.peer.name} at {rate:,.0f} flows/s")
            shutil.rmtree(base / "step", ignore_errors=True)
            lost, came_to, cpu = self.peer.step(base / "step", traffic, rate)
            if lost == 0:
                break
        if lost:
            self.lost, self.note = min(self.lost, rate), f"at {came_to:,.0f}/s lost {lost:,}"
        else:
            self.held, self.cpu = came_to, cpu
            if came_to < 0.97 * rate:
                self.lost, self.note = came_to, "the sender came to no more"


def account_past_the_limit(search, base, traffic):
    """At twice the limit: what the account says is missing, and what was not received, in the protocol's units."""
    shutil.rmtree(base / "step", ignore_errors=True)
    lost, _, _ = search.peer.step(base / "step", traffic, 2 * search.held)
    account, received = search.peer.account, search.peer.account["received"]
    by_records = [row for row in account["coverage"] if row["unit"] == "records"]
    by_datagrams = [row for row in account["coverage"] if row["unit"] == "datagrams"]
    said = (sum(int(row["missing"]) for row in by_records), sum(int(row["missing"]) for row in by_datagrams))
    sent = sum(s["datagrams"] for s in traffic.sent)
    unheard = sent - int(received["datagrams"])
    if traffic.name == "v9":
        truth, told = unheard, said[1]
    elif traffic.name == "mixed":
        truth, told = unheard, int(received["kernelDrops"])
    else:
        truth, told = lost, said[0]
    unit = {"v9": "datagrams", "mixed": "datagrams dropped by the kernel"}.get(traffic.name, "records")
    goals.verdict(truth == told, f"{traffic.name}, {search.peer.name}: the account past the limit is not exact")
    verdict = "exact" if truth == told else f"WRONG: {truth:,} were lost"
    print(f"{search.peer.name:<28}past its limit lost {lost:,} flows; its account says {told:,} {unit}: {verdict}")


def measure(traffic, base):
    searches = [Search(p) for p in [*(Weir(n) for n in RECEIVERS), *PEERS]]
    while any(s.open() for s in searches):
        for s in searches:
            if s.open():
                s.step(base, traffic)
    progress("")
    print(f"\n{traffic.name + ': highest UDP rate, none lost':<40}{'flows/s':>12}{'ns CPU/flow':>13}   above it",
          flush=True)
    for s in searches:
        print(f"{s.peer.name:<40}{s.held:>12,.0f}{s.cpu * 1e9:>13,.0f}   {s.note}", flush=True)
    ours = max(s.held for s in searches if isinstance(s.peer, Weir))
    theirs = max([s.held for s in searches if isinstance(s.peer, Nfcapd)], default=0)
    if theirs:  # bisection ends within CLOSE of the limit
        word = goals.at_least(ours / theirs * CLOSE, 1, f"{traffic.name}, highest UDP rate beside nfcapd's best")
        print(f"{'the better of both':<40}{ours / theirs:>12.2f} x nfcapd's better one, to {CLOSE - 1:.0%}: {word}")
    for s in searches:
        if isinstance(s.peer, Weir):
            account_past_the_limit(s, base, traffic)


def main():
    given = options(__doc__)
    if not nfdump_peer.there():
        print("nfcapd is left out: apt-get install nfdump")
        PEERS.clear()
    with folder_of(given) as base:
        for name in TRAFFIC:
            traffic = Traffic(name, base)
            measure(traffic, base)
            traffic.capture.unlink()
        shutil.rmtree(base / "step", ignore_errors=True)
    goals.finish()


if __name__ == "__main__":
    main()
