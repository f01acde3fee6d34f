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
import pathlib
import re
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time

BUILD = pathlib.Path(os.environ.get("BUILD", "build")).resolve()
FLOWS = int(os.environ.get("WEIR_BENCH_UDP_FLOWS", "6000000"))
RECEIVERS = os.environ.get("WEIR_BENCH_RECEIVERS", "").split() or [None, "1"]
TRAFFIC = os.environ.get("WEIR_BENCH_TRAFFIC", "v5 v9 ipfix mixed").split()
LEAST, MOST, CLOSE, TRIES = 1_000_000, 9_000_000, 1.06, 2
BUFFER = 4 << 20  # the kernel doubles it for its own needs, for both alike


class Traffic:
    """A capture of FLOWS flows and the truth about it."""

    def __init__(self, name, folder):
        self.name, self.capture = name, folder / f"{name}.pcap"
        exporters = [] if name == "mixed" else [f"{name},name={name}-{n}" for n in range(4)]
        out = subprocess.run([BUILD / "weirgen", "--pcap", self.capture, "--flows", str(FLOWS), "--duration", "1h",
                              *exporters], check=True, capture_output=True).stdout
        self.sent = [e["sent"] for e in json.loads(out)["exporters"]]
        self.records = sum(s["records"] for s in self.sent)

    def send(self, port, rate):
        """Flows a second that it came to."""
        out = subprocess.run([BUILD / "replay", self.capture, f"127.0.0.1:{port}", str(FLOWS), str(int(rate))],
                             check=True, capture_output=True).stdout
        return FLOWS / json.loads(out)["seconds"]


def free_port():
    import socket
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def ended(process):
    """CPU seconds of a process that was told to end."""
    process.send_signal(signal.SIGTERM)
    _, _, usage = os.wait4(process.pid, 0)
    process.returncode = 0
    return usage.ru_utime + usage.ru_stime


def started(*options):
    process = subprocess.Popen([str(a) for a in [BUILD / "weird", "--http", "127.0.0.1:0", *options]],
                               stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    ready, _, _ = select.select([process.stdout], [], [], 30)
    line = process.stdout.readline().decode() if ready else ""
    if not line.startswith("ready"):
        process.kill()
        sys.exit("bench: weird did not get ready")
    return process, dict(p.split("=") for p in line.split()[1:])


class Weird:
    def __init__(self, receivers):
        self.receivers = receivers
        self.name = "weird" + (f" --receivers {receivers}" if receivers else " (as it comes)")

    def step(self, folder, traffic, rate):
        """(flows lost, flows/s it came to, CPU a flow)"""
        any_port = "127.0.0.1:0"
        process, where = started("--data", folder, "--netflow", any_port, "--sflow", any_port, "--ipfix", any_port,
                                 "--receive-buffer", BUFFER,
                                 *(["--receivers", self.receivers] if self.receivers else []))
        rate = traffic.send(int(where["netflow"].rsplit(":", 1)[1]), rate)
        cpu = ended(process)
        process, where = started("--data", folder, "--roles", "db")
        answer = json.loads(subprocess.run([BUILD / "weir", "--url", "http://" + where["http"], "account", "--format",
                                            "json"], check=True, capture_output=True).stdout)
        ended(process)
        self.account = answer["account"]
        return traffic.records - self.account["received"]["records"], rate, cpu / traffic.records


class Nfcapd:
    def __init__(self, name, flags):
        self.name, self.flags = name, flags

    def step(self, folder, traffic, rate):
        port = free_port()
        folder.mkdir()
        command = ["nfcapd", "-w", folder, "-p", port, "-b", "127.0.0.1", "-B", BUFFER, "-t", 3600, *self.flags]
        process = subprocess.Popen([str(a) for a in command], stdout=subprocess.DEVNULL,
                                   stderr=subprocess.DEVNULL)
        time.sleep(0.5)
        rate = traffic.send(port, rate)
        time.sleep(0.5)
        cpu = ended(process)
        summary = subprocess.run(["nfdump", "-R", folder, "-I"], capture_output=True, text=True).stdout
        kept = sum(int(n) for n in re.findall(r"^Flows:\s*(\d+)", summary, re.M))
        return traffic.records - kept, rate, cpu / traffic.records


class Search:
    """One program's: `held` and `lost` close in on its limit."""

    def __init__(self, peer):
        self.peer, self.held, self.lost, self.cpu, self.note = peer, LEAST, MOST, 0, "held no rate that was tried"

    def open(self):
        return self.lost / self.held > CLOSE

    def step(self, base, traffic):
        rate = math.sqrt(self.held * self.lost)
        for _ in range(TRIES):
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
    verdict = "exact" if truth == told else f"WRONG: {truth:,} were lost"
    print(f"{search.peer.name:<28}past its limit lost {lost:,} flows; its account says {told:,} {unit}: {verdict}")
    return truth == told


def measure(traffic, base):
    searches = [Search(p) for p in [*(Weird(n) for n in RECEIVERS), Nfcapd("nfcapd", []), Nfcapd("nfcapd LZ4", ["-y"])]]
    while any(s.open() for s in searches):
        for s in searches:
            if s.open():
                s.step(base, traffic)
    print(f"\n{traffic.name + ': highest UDP rate, none lost':<40}{'flows/s':>12}{'ns CPU/flow':>13}   above it",
          flush=True)
    for s in searches:
        print(f"{s.peer.name:<40}{s.held:>12,.0f}{s.cpu * 1e9:>13,.0f}   {s.note}", flush=True)
    return all([account_past_the_limit(s, base, traffic) for s in searches if isinstance(s.peer, Weird)])


def main():
    base = pathlib.Path(tempfile.mkdtemp(prefix="weir-bench-udp-"))
    try:
        exact = True
        for name in TRAFFIC:
            traffic = Traffic(name, base)
            exact = measure(traffic, base) and exact
            traffic.capture.unlink()
    finally:
        shutil.rmtree(base, ignore_errors=True)
    if not exact:
        sys.exit("bench: an account was not exact")


if __name__ == "__main__":
    if not shutil.which("nfcapd"):
        sys.exit("bench: nfcapd is not installed (Debian package nfdump)")
    main()
