"""The highest rate over UDP at which nothing is lost: Weir beside nfcapd, in one run, on the same cores, with the
same receive buffer. weirgen is the sender (three exporters: NetFlow v5, v9, IPFIX) and takes its share of the
same cores. Weir decodes, accounts, rolls up and commits meanwhile; nfcapd writes its files.

Each step is a few seconds long, so that no buffer can hide a rate that cannot be kept. A rate is held when of three
tries one loses nothing; the first that is not held ends a program's search.
Environment: WEIR_BENCH_SECONDS (4) a step, WEIR_BENCH_RECEIVERS (as weird does by itself; "1 2").
"""
import json
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
SECONDS = float(os.environ.get("WEIR_BENCH_SECONDS", "4"))
RECEIVERS = os.environ.get("WEIR_BENCH_RECEIVERS", "").split() or [None]
FIRST_RATE, GROWTH, TRIES = 400_000, 1.25, 3
BUFFER = 4 << 20  # the kernel doubles it for its own needs, for both alike


def free_port():
    import socket
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def send(port, rate):
    """Flows sent, flows a second that it came to."""
    flows = int(rate * SECONDS)
    start = time.monotonic()
    out = subprocess.run([BUILD / "weirgen", "--udp", f"127.0.0.1:{port}", "--flows", str(flows), "--rate",
                          str(rate), "--duration", "1h"], check=True, capture_output=True).stdout
    took = time.monotonic() - start
    return sum(e["sent"]["records"] for e in json.loads(out)["exporters"]), flows / took


def ended(process):
    """CPU seconds of a process that was told to end."""
    process.send_signal(signal.SIGTERM)
    _, _, usage = os.wait4(process.pid, 0)
    process.returncode = 0
    return usage.ru_utime + usage.ru_stime


class Weird:
    def __init__(self, receivers):
        self.receivers = receivers
        self.name = "weird" + (f" --receivers {receivers}" if receivers else "")

    def step(self, folder, rate):
        process = subprocess.Popen([str(a) for a in [
            BUILD / "weird", "--data", folder, "--http", "127.0.0.1:0", "--netflow", "127.0.0.1:0", "--sflow",
            "127.0.0.1:0", "--ipfix", "127.0.0.1:0", "--receive-buffer", BUFFER,
            *(["--receivers", self.receivers] if self.receivers else [])]],
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        ready, _, _ = select.select([process.stdout], [], [], 30)
        line = process.stdout.readline().decode() if ready else ""
        where = dict(p.split("=") for p in line.split()[1:])
        sent, rate = send(int(where["netflow"].rsplit(":", 1)[1]), rate)
        cpu = ended(process)
        process = subprocess.Popen([str(a) for a in [
            BUILD / "weird", "--data", folder, "--roles", "db", "--http", "127.0.0.1:0"]],
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        url = "http://" + dict(p.split("=") for p in process.stdout.readline().decode().split()[1:])["http"]
        answer = json.loads(subprocess.run([BUILD / "weir", "--url", url, "totals", "--from", "0", "--to",
                                            "2100-01-01T00:00:00Z", "--format", "json"], check=True,
                                           capture_output=True).stdout)
        ended(process)
        kept = sum(int(row["flows"]) for row in answer["rows"])
        missing = sum(int(row["missing"]) for row in answer["account"]["coverage"] if row["unit"] == "records")
        return sent - kept, rate, cpu / sent, f"says {missing:,} records of v5 and IPFIX missing"


class Nfcapd:
    def __init__(self, name, flags):
        self.name, self.flags = name, flags

    def step(self, folder, rate):
        port = free_port()
        folder.mkdir()
        command = ["nfcapd", "-w", folder, "-p", port, "-b", "127.0.0.1", "-B", BUFFER, "-t", 3600, *self.flags]
        process = subprocess.Popen([str(a) for a in command], stdout=subprocess.DEVNULL,
                                   stderr=subprocess.DEVNULL)
        time.sleep(0.5)
        sent, rate = send(port, rate)
        time.sleep(0.5)
        cpu = ended(process)
        summary = subprocess.run(["nfdump", "-R", folder, "-I"], capture_output=True, text=True).stdout
        kept = sum(int(n) for n in re.findall(r"^Flows:\s*(\d+)", summary, re.M))
        return sent - kept, rate, cpu / sent, "says nothing exact"


def hold(peer, base, rate):
    """One rate, a few tries: (lost, flows/s it came to, CPU a flow, what was said) of the best."""
    best = None
    for _ in range(TRIES):
        shutil.rmtree(base / "step", ignore_errors=True)
        result = peer.step(base / "step", int(rate))
        if best is None or result[0] < best[0]:
            best = result
        if best[0] == 0:
            break
    return best


def search(peers, base):
    """All peers at one rate, one after the other, then at the next: so a change in the machine's load meets all.
    By peer: the best rate held, CPU a flow there, and what was said where it was not."""
    rate, found, running = FIRST_RATE, {}, list(peers)
    while running:
        for peer in list(running):
            lost, came_to, cpu, said = hold(peer, base, rate)
            beyond = None
            if lost:
                beyond = f"at {rate:,.0f}/s lost {lost:,} and {said}"
            else:
                before = found.get(peer, (0, 0))[0]
                found[peer] = max(found.get(peer, (0, 0, "")), (came_to, cpu, ""))
                if came_to < 0.8 * rate and came_to < 1.05 * before:
                    beyond = f"the sender came to no more than {came_to:,.0f}/s"
            if beyond:
                running.remove(peer)
                found[peer] = (*found.get(peer, (0, 0))[:2], beyond)
        rate *= GROWTH
    return found


def main():
    peers = [*(Weird(n) for n in RECEIVERS), Nfcapd("nfcapd", []), Nfcapd("nfcapd LZ4", ["-y"])]
    base = pathlib.Path(tempfile.mkdtemp(prefix="weir-bench-udp-"))
    try:
        found = search(peers, base)
    finally:
        shutil.rmtree(base, ignore_errors=True)
    print(f"\n{'highest UDP rate with nothing lost':<36}{'flows/s':>12}{'ns CPU/flow':>13}   one step above")
    for peer in peers:
        rate, cpu, beyond = found[peer]
        print(f"{peer.name:<36}{rate:>12,.0f}{cpu * 1e9:>13,.0f}   {beyond}")


if __name__ == "__main__":
    if not shutil.which("nfcapd"):
        sys.exit("bench: nfcapd is not installed (Debian package nfdump)")
    main()
