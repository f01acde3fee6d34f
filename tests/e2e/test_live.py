#!/usr/bin/env python3
"""Live data can be asked for within two seconds of its arrival, while more comes in and upkeep runs: lone
datagrams, bursts, and a stream. Measured from the moment that the last octet was sent to the first answer that
has the flows."""
import json
import subprocess
import time

from lib import SLOW, Server, WEIRGEN, check, folder, main, weir_json

MOST = 2.0 * SLOW


def flows(server):
    rows = weir_json(server, "totals", "--from", "0", "--to", "2100-01-01T00:00:00Z")["rows"]
    return int(rows[0]["flows"]) if rows else 0


def command(server, *options):
    return [str(a) for a in [WEIRGEN, "--udp", f"127.0.0.1:{server.port()}", *options]]


def send(server, count, protocol):
    """Returns when the last datagram has been sent: flows that were."""
    options = ["--flows", count, "--rate", 200000, protocol]
    out = subprocess.run(command(server, *options), check=True, capture_output=True).stdout
    return sum(e["sent"]["records"] for e in json.loads(out)["exporters"])


def wait_for_flows(server, count):
    """Seconds until the answer has them all."""
    start = time.monotonic()
    while flows(server) < count:
        check(time.monotonic() - start < 10 * MOST, f"{count} flows can be asked for at all")
        time.sleep(0.02)
    return time.monotonic() - start


def live():
    server = Server(folder())
    worst, sent = 0.0, 0
    for count, protocol in ((1, "v5"), (7, "v9"), (20000, "v5"), (100000 // SLOW, "ipfix"), (3, "ipfix")):
        sent += send(server, count, protocol)
        worst = max(worst, wait_for_flows(server, sent))
    options = ["--rate", 30000 // SLOW, "--flows", 150000 // SLOW, "v9"]
    stream = subprocess.Popen(command(server, *options), stdout=subprocess.PIPE)
    before, start, gaps, last = sent, time.monotonic(), [0.0], time.monotonic()
    while stream.poll() is None:
        now = flows(server)
        if now > before:
            before, last = now, time.monotonic()
        gaps.append(time.monotonic() - last)
        time.sleep(0.05)
    out, _ = stream.communicate()
    sent += sum(e["sent"]["records"] for e in json.loads(out)["exporters"])
    end = wait_for_flows(server, sent)
    print(f"answerable after {worst:.2f} s at most alone, {end:.2f} s behind a stream of "
          f"{time.monotonic() - start:.1f} s, in which answers stood still for {max(gaps):.2f} s at most")
    server.stop()
    check(max(worst, end, max(gaps)) <= MOST, f"live data is answerable within {MOST} s")


if __name__ == "__main__":
    main(live)
