"""What compaction and retention cost while flows come in as fast as they can: the same with upkeep and without it
(--no-upkeep), by turns, in one run.

Two ways in. A file, by `weird import` into a folder that a weird serves: flows a second of its wall time. And UDP, more
than can be taken (weirgen without a rate, on the same cores): flows kept, a second of sending. With upkeep on,
blocks are merged every second and the oldest leave (--retain-size is below what comes in), so both are at work.
Fails past MOST. Environment: WEIR_BENCH_UPKEEP_ROUNDS (3), WEIR_BENCH_UPKEEP_FLOWS (10000000).
"""
import json
import os
import pathlib
import select
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time

BUILD = pathlib.Path(os.environ.get("BUILD", "build")).resolve()
ROUNDS = int(os.environ.get("WEIR_BENCH_UPKEEP_ROUNDS", "3"))
FLOWS = int(os.environ.get("WEIR_BENCH_UPKEEP_FLOWS", "10000000"))
MOST = 0.10
SHAPE = ["--flows", str(FLOWS), "--duration", "1h", "--seed", "7", "--start", "2026-01-01T00:00:00Z"]
KEEP = f"{FLOWS * 8 >> 20}M"  # of 12 to 16 octets a flow


class Weird:
    def __init__(self, folder, upkeep):
        words = ["--retain-size", KEEP] if upkeep else ["--no-upkeep"]
        self.process = subprocess.Popen([str(a) for a in [
            BUILD / "weird", "--data", folder, "--http", "127.0.0.1:0", "--netflow", "127.0.0.1:0", "--sflow",
            "127.0.0.1:0", "--ipfix", "127.0.0.1:0", *words]], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        ready, _, _ = select.select([self.process.stdout], [], [], 30)
        line = self.process.stdout.readline().decode() if ready else ""
        if not line.startswith("ready"):
            self.process.kill()
            sys.exit("bench: weird did not get ready")
        self.where = dict(p.split("=") for p in line.split()[1:])

    def kept(self):
        command = [BUILD / "weir", "--url", "http://" + self.where["http"], "totals", "--from", "0",
                   "--to", "2100-01-01T00:00:00Z", "--format", "json"]
        answer = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
        return sum(int(row["flows"]) for row in answer["rows"])

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(120)


def by_file(weird, folder, capture):
    start = time.monotonic()
    subprocess.run([BUILD / "weird", "import", "--data", folder, capture], check=True, stdout=subprocess.DEVNULL,
                   stderr=subprocess.DEVNULL)
    took = time.monotonic() - start
    if weird.kept() != FLOWS:
        sys.exit(f"bench: {weird.kept()} of {FLOWS} flows are counted")
    return FLOWS / took


def by_udp(weird, _, __):
    start = time.monotonic()
    subprocess.run([BUILD / "weirgen", "--udp", weird.where["netflow"], "--flows", str(FLOWS // 2), "--duration", "1h"],
                   check=True, stdout=subprocess.DEVNULL)
    took = time.monotonic() - start
    time.sleep(3)  # what was received is committed after a second
    return weird.kept() / took


def measured(how, folder, capture, upkeep):
    shutil.rmtree(folder, ignore_errors=True)
    weird = Weird(folder, upkeep)
    try:
        return how(weird, folder, capture)
    finally:
        weird.stop()


def main():
    base = pathlib.Path(tempfile.mkdtemp(prefix="weir-bench-upkeep-"))
    capture = base / "flows.pcap"
    worst = 0.0
    try:
        subprocess.run([BUILD / "weirgen", "--pcap", capture, *SHAPE], check=True, stdout=subprocess.DEVNULL)
        print(f"\n{'ingest, flows/s (median of ' + str(ROUNDS) + ')':<44}{'without':>12}{'with upkeep':>14}{'cost':>8}")
        for name, how in (("a file into a store that is served", by_file), ("UDP, more than can be taken", by_udp)):
            rates = {False: [], True: []}
            for i in range(2 * ROUNDS):
                rates[bool(i % 2)].append(measured(how, base / "data", capture, bool(i % 2)))
            off, on = (statistics.median(rates[upkeep]) for upkeep in (False, True))
            worst = max(worst, 1 - on / off)
            print(f"{name:<44}{off:>12,.0f}{on:>14,.0f}{1 - on / off:>8.1%}", flush=True)
    finally:
        shutil.rmtree(base, ignore_errors=True)
    if worst > MOST:
        sys.exit(f"bench: upkeep costs {worst:.1%} of the ingest rate; at most {MOST:.0%} is wanted")


if __name__ == "__main__":
    main()
