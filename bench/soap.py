"""SOAP calls a second that one core answers from roll-ups, over connections that are kept alive, on a small store
and on a large one: what such a call costs shall not depend on how many flows there are. Then the same about the
last hour while flows come in and are committed about once a second.

weird serves; soap_load (C, one thread) asks, and both have the machine's cores to themselves. What counts is the
server's processor time a call, user and system: calls a second a core = 1 / that. The wall rate is what
came over these two cores, asking included. Every call asks about another pair of tags or another interval, in turns.
`answer` says how large the answers are. A refusal or a fault fails the run. While flows come in, what the server
takes for them, measured just before, is not counted.
Environment: WEIR_BENCH_SOAP_FLOWS ("100000 4000000"), WEIR_BENCH_SECONDS (1) a question, best of three,
WEIR_BENCH_SOAP_RATE (2000) flows a second that come in.
"""
import itertools
import json
import os
import subprocess
import time
import urllib.request

from common import BUILD, ROUNDS, SEED, Weird, fail, folder_of, goals, options, progress, remove, run

SIZES = [int(n) for n in os.environ.get("WEIR_BENCH_SOAP_FLOWS", "100000 4000000").split()]
SECONDS = float(os.environ.get("WEIR_BENCH_SECONDS", "1"))
RATE = int(os.environ.get("WEIR_BENCH_SOAP_RATE", "2000"))
CONNECTIONS = int(os.environ.get("WEIR_BENCH_CONNECTIONS", "8"))
START = 1767225600000  # 2026-01-01T00:00:00Z
MINUTE, HOUR = 60000, 3600000
ALWAYS = (1 << 52) // MINUTE * MINUTE
LEAST = 20000  # goal: calls a second a core
ENVELOPE = ('<e:Envelope xmlns:e="http://schemas.xmlsoap.org/soap/envelope/" xmlns:d="urn:weir:{}:1"><e:Body>{}'
            '</e:Body></e:Envelope>')


def body(operation, fields, service="db"):
    inner = "".join(f"<d:{name}>{value}</d:{name}>" for name, value in fields)
    return ENVELOPE.format(service, f"<d:{operation}>{inner}</d:{operation}>")


def when(since, until):
    return [("from", since), ("to", until)]


def pairs(tags):
    return list(itertools.product(tags, tags))


def questions(tags, start):
    hour = when(start, start + HOUR)
    yield "GetStatus of the collector", "/collector", [body("GetStatus", [], "collector")]
    yield "flowTagSrcDst, an hour", "/db", [
        body("flowTagSrcDst", [("srcTag", s), ("dstTag", d)] + hour) for s, d in pairs(tags)]
    yield "flowTagSrcDst, ten minutes", "/db", [
        body("flowTagSrcDst", [("srcTag", s), ("dstTag", d)] + when(start + m * MINUTE, start + (m + 10) * MINUTE))
        for m in range(0, 50, 7) for s, d in pairs(tags)]
    yield "flowTagSrc, a minute", "/db", [
        body("flowTagSrc", [("srcTag", s)] + when(start + m * MINUTE, start + (m + 1) * MINUTE))
        for m in range(60) for s in tags]
    yield "flowTagSrcDstProto, all time", "/db", [
        body("flowTagSrcDstProto", [("srcTag", s), ("dstTag", d), ("protocol", p)] + when(0, ALWAYS))
        for s, d in pairs(tags) for p in (6, 17)]
    yield "Aggregate srcTag x dstTag, an hour", "/db", [
        body("Aggregate", [("by", "srcTag"), ("by", "dstTag")] + hour)]


class Server(Weird):
    def __init__(self, data):
        super().__init__(data)
        self.address = self.url.removeprefix("http://").rstrip("/")

    def cpu(self):
        with open(f"/proc/{self.process.pid}/stat", encoding="ascii") as file:
            fields = file.read().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def ask(self, path, message):
        request = urllib.request.Request(f"http://{self.address}{path}", data=message.encode(),
                                         headers={"Content-Type": "text/xml; charset=utf-8"})
        with urllib.request.urlopen(request) as answer:
            return answer.read().decode()


def load(server, folder, path, messages, seconds):
    file = folder / "requests"
    file.write_text("\n".join(messages) + "\n")
    before = server.cpu()
    done = json.loads(run(BUILD / "soap_load", server.address, path, file, CONNECTIONS, seconds))
    if done["refused"]:
        fail(f"{done['refused']} of {done['answers']} calls were refused or faults")
    return done["answers"], done["seconds"], server.cpu() - before


def add_tag(server, tag):
    prefixes = "".join(f"<t:prefix>{p}</t:prefix>" for p in tag["prefixes"])
    server.ask("/collector", ENVELOPE.format("collector", (
        f'<d:AddTag xmlns:t="urn:weir:types:1"><d:tag><t:id>{tag["tag"]}</t:id><t:name>{tag["name"]}</t:name>'
        f"{prefixes}</d:tag></d:AddTag>")))


def fill(folder, flows):
    """A store of so many flows; the tags that they have."""
    data, capture = folder / f"data-{flows}", folder / "plan.pcap"
    progress(f"a store of {flows:,} flows")
    truth = json.loads(run(BUILD / "weirgen", "--pcap", capture, "--flows", flows, *SEED))
    with Server(data) as server:
        for tag in truth["tags"]:
            add_tag(server, tag)
    run(BUILD / "weird", "import", "--data", data, capture)
    run(BUILD / "weird", "compact", "--data", data)
    capture.unlink()
    return data, [tag["tag"] for tag in truth["tags"]]


def measure(server, folder, tags, start, label, beside=0.0):
    """A line for each question; `beside`: the share of a core that the server takes for other work."""
    for what, path, messages in questions(tags, start):
        progress(what)
        answer = server.ask(path, messages[0])
        if "source>" in answer and ">rollup<" not in answer:
            fail(f"{what} was not answered from roll-ups")
        load(server, folder, path, messages, 0.3)
        tries = [load(server, folder, path, messages, SECONDS) for _ in range(ROUNDS)]
        tries = [(calls, seconds, cpu - beside * seconds) for calls, seconds, cpu in tries]
        calls, seconds, cpu = min(tries, key=lambda t: t[2] / t[0])
        word = goals.at_least(calls / cpu, LEAST, f"{what}, {label}: calls a second a core")
        progress("")
        print(f"{what:36} {label:>9} {len(answer):7} {cpu / calls * 1e6:7.1f} {calls / cpu:13.0f} "
              f"{calls / seconds:8.0f}  >= {LEAST} {word}", flush=True)


def generate(server, *shape):
    return subprocess.Popen([BUILD / "weirgen", "--udp", server.where["netflow"], "--seed", "7", *map(str, shape)],
                            stdout=subprocess.DEVNULL)


def measure_live(server, folder, tags):
    """The last hour, all of which has flows, while more come."""
    generate(server, "--flows", 200000, "--duration", "1h", "--rate", 50000).wait()
    most = 600
    going_on = generate(server, "--flows", RATE * most, "--duration", f"{most}s", "--realtime")
    try:
        time.sleep(3)
        before, began = server.cpu(), time.monotonic()
        time.sleep(max(SECONDS, 3))
        beside = (server.cpu() - before) / (time.monotonic() - began)
        print(f"while {RATE} flows a second come in, which take {100 * beside:.1f} % of a core:")
        start = int(time.time() * 1000) // MINUTE * MINUTE - HOUR + 5 * MINUTE
        measure(server, folder, tags, start, "live", beside)
    finally:
        going_on.terminate()
        going_on.wait()


def main():
    given = options(__doc__)
    print(f"\n{'SOAP call, from roll-ups':36} {'flows':>9} {'answer':>7} {'CPU us':>7} "
          f"{'calls/s/core':>13} {'calls/s':>8}  best of {ROUNDS}")
    with folder_of(given) as base:
        for flows in SIZES:
            data, tags = fill(base, flows)
            with Server(data) as server:
                measure(server, base, tags, START, f"{flows}")
                if flows == SIZES[-1]:
                    measure_live(server, base, tags)
            remove(data)
    goals.finish()


if __name__ == "__main__":
    main()
