"""Traffic of three exporters for the tests of selection and privacy, and words that must fail."""
import datetime
import subprocess

from lib import WEIR, equal, wait_for, weir_json, weirgen

BEGIN = datetime.datetime.now(datetime.timezone.utc).replace(minute=0, second=0, microsecond=0) - \
    datetime.timedelta(days=2)  # times of years ago would not be believed
START, LATER = (t.strftime("%Y-%m-%dT%H:%M:%SZ") for t in (BEGIN, BEGIN + datetime.timedelta(minutes=10)))
EXPORTERS = ("v5,address=127.0.0.11,port=50011", "v9,address=127.0.0.12,port=50012,ipv6=40",
             "ipfix,address=127.0.0.13,port=50013,ipv6=40")
BA, PE, RN = "127.0.0.11", "127.0.0.12", "127.0.0.13"


def send(server, flows=3000, seed=1, exporters=EXPORTERS):
    """The same datagrams to whoever asks, and what is to be expected of them; waits until all is stored."""
    before = stored(server)
    truth = weirgen("--udp", f"127.0.0.1:{server.port()}", "--start", START, "--flows", flows, "--seed",
                    seed, "--rate", 20000, *exporters)
    sent = sum(d["sent"]["records"] for e in truth["exporters"] for d in e["domains"])
    wait_for("the records", lambda: stored(server) - before >= sent)
    return truth


def stored(server):
    """Records that the account of the store knows of."""
    received = weir_json(server, "account")["account"]["received"]
    return int(received["records"])


def run_failing(server, *words, code=1):
    done = subprocess.run([str(WEIR), "--url", server.url, *map(str, words)], capture_output=True,
                          timeout=60)
    equal(done.returncode, code, f"exit code of {words}: {done.stderr.decode()}")
    return done.stderr.decode()
