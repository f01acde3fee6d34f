#!/usr/bin/env python3
"""Live data can be asked for within two seconds of its arrival, while more comes in and upkeep runs: lone
datagrams, bursts, and a stream. Measured from the moment that the last octet was sent to the first answer that
has the flows; a machine whose disk or processors were busy with something else is asked again."""
import json
import subprocess
import time

from lib import PATIENCE, SLOW, WAITING, WEIRGEN, Server, Watch, folder, main, quickly, wait_for, weir_json

MOST = 2.0 * SLOW


def flows(server):
    rows = weir_json(server, "totals", "--from", "0", "--to", "2100-01-01T00:00:00Z")["rows"]
    return int(rows[0]["flows"]) if rows else 0


def command(server, *options):
    return [str(a) for a in [WEIRGEN, "--udp", f"127.0.0.1:{server.port()}", *WAITING, *options]]


def send(server, count, protocol):
    """Returns when the last datagram has been sent: flows that were."""
    options = ["--flows", count, "--rate", 200000, protocol]
    out = subprocess.run(command(server, *options), check=True, capture_output=True, timeout=2 * PATIENCE).stdout
    return sum(e["sent"]["records"] for e in json.loads(out)["exporters"])


def seconds_until(server, watch, count):
    """Until the answer has them all."""
    start = watch.seconds()
    wait_for(f"{count} flows to be answered", lambda: flows(server) >= count, step=0.02)
    return watch.seconds() - start


def streamed(server, watch, before):
    """Sends a stream; how long answers stood still at most in it, and after it; and how many flows there are."""
    options = ["--rate", 30000 // SLOW, "--flows", 150000 // SLOW, "v9"]
    stream = subprocess.Popen(command(server, *options), stdout=subprocess.PIPE)
    seen, gaps, last = before, [0.0], watch.seconds()
    while stream.poll() is None:
        now = flows(server)
        if now > seen:
            seen, last = now, watch.seconds()
        gaps.append(watch.seconds() - last)
        time.sleep(0.05)
    out, _ = stream.communicate()
    sent = before + sum(e["sent"]["records"] for e in json.loads(out)["exporters"])
    return max(gaps), seconds_until(server, watch, sent), sent


def live():
    server, sent = Server(folder()), 0
    with Watch() as watch:
        def alone():
            nonlocal sent
            sent += send(server, count, protocol)
            return seconds_until(server, watch, sent)

        def in_a_stream():
            nonlocal sent
            gap, end, sent = streamed(server, watch, sent)
            return max(gap, end)

        worst = 0.0
        for count, protocol in ((1, "v5"), (7, "v9"), (20000, "v5"), (100000 // SLOW, "ipfix"), (3, "ipfix")):
            worst = max(worst, quickly(f"{count} flows of {protocol} answerable", MOST, alone))
        end = quickly("answers in and behind a stream", MOST, in_a_stream)
    print(f"answerable after {worst:.2f} s at most alone; in and behind a stream answers stood still for "
          f"{end:.2f} s at most")
    server.stop()


if __name__ == "__main__":
    main(live)
