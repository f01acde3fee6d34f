"""What compaction and retention cost while flows come in as fast as they can: the same with upkeep and without it
(--no-upkeep), by turns, in one run.

Two ways in. A file, by `weird import` into a folder that a weird serves: flows a second of its wall time. And UDP, more
than can be taken (weirgen without a rate, on the same cores): flows kept, a second of sending. With upkeep on,
blocks are merged every second and the oldest leave (--retain-size is below what comes in), so both are at work.
A goal is missed past MOST. Environment: WEIR_BENCH_UPKEEP_ROUNDS (3), WEIR_BENCH_UPKEEP_FLOWS (10000000).
"""
import json
import os
import statistics
import time

from common import BUILD, SEED, Weird, empty, fail, folder_of, goals, options, progress, remove, run

ROUNDS = int(os.environ.get("WEIR_BENCH_UPKEEP_ROUNDS", "3"))
FLOWS = int(os.environ.get("WEIR_BENCH_UPKEEP_FLOWS", "10000000"))
MOST = 0.10
KEEP = f"{FLOWS * 8 >> 20}M"  # of 12 to 16 octets a flow


def kept(weird):
    answer = json.loads(run(BUILD / "weir", "--url", weird.url, "totals", "--from", 0, "--to", "2100-01-01T00:00:00Z",
                            "--format", "json"))
    return sum(int(row["flows"]) for row in answer["rows"])


def by_file(weird, folder, capture):
    start = time.monotonic()
    run(BUILD / "weird", "import", "--data", folder, capture)
    took = time.monotonic() - start
    if kept(weird) != FLOWS:
        fail(f"{kept(weird)} of {FLOWS} flows are counted")
    return FLOWS / took


def by_udp(weird, _, __):
    start = time.monotonic()
    run(BUILD / "weirgen", "--udp", weird.where["netflow"], "--flows", FLOWS // 2, "--duration", "1h")
    took = time.monotonic() - start
    time.sleep(3)  # what was received is committed after a second
    return kept(weird) / took


def rate(how, folder, capture, upkeep):
    empty(folder)
    with Weird(folder, *(["--retain-size", KEEP] if upkeep else ["--no-upkeep"])) as weird:
        return how(weird, folder, capture)


def main():
    given = options(__doc__)
    with folder_of(given) as base:
        capture = base / "upkeep.pcap"
        progress("weirgen")
        run(BUILD / "weirgen", "--pcap", capture, "--flows", FLOWS, *SEED)
        print(f"\n{'ingest, flows/s (median of ' + str(ROUNDS) + ')':<44}{'without':>12}{'with upkeep':>14}{'cost':>8}"
              f"{'wanted':>16}")
        for name, how in (("a file into a store that is served", by_file), ("UDP, more than can be taken", by_udp)):
            rates = {False: [], True: []}
            for i in range(2 * ROUNDS):
                progress(f"{name}, {i + 1} of {2 * ROUNDS}")
                rates[bool(i % 2)].append(rate(how, base / "upkeep", capture, bool(i % 2)))
            off, on = (statistics.median(rates[upkeep]) for upkeep in (False, True))
            word = goals.at_most(1 - on / off, MOST, f"upkeep's part of ingest, {name}")
            progress("")
            print(f"{name:<44}{off:>12,.0f}{on:>14,.0f}{1 - on / off:>8.1%}{f'<= {MOST:.0%} {word}':>16}", flush=True)
        remove(base / "upkeep")
        remove(capture)
    goals.finish()


if __name__ == "__main__":
    main()
