"""The questions of the store, by scans of raw blocks (roll-ups off): Weir, nfdump and DuckDB on the same
records, in one run, one thread each; and Weir once more with two.

Six questions: two networks; one ToS; the ten largest source addresses; a matrix of /16 x /16; one host;
distinct 5-tuples. Beside DuckDB (in this process): CPU of the engines. Beside nfdump: wall of whole
programs, from start to end, `weir totals` (which asks a running weird) and `nfdump` (which reads with
as many threads as it likes). Each the best of ROUNDS. Answers of all three are compared and a
difference fails the run.

DuckDB comes from npm (duckdb_peer.py) and is left out where npm has none; ClickHouse is Debian's server
(clickhouse_peer.py; one thread, its CPU to 10 ms), left out where it is not installed.
Environment: WEIR_BENCH_FLOWS (10000000), WEIR_BENCH_DATA (a weird data
folder, a folder of nfcapd's and a DuckDB file to use again).
"""
import json
import math
import os
import pathlib
import re
import resource
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).parent))
import clickhouse_peer  # noqa: E402
import duckdb_peer  # noqa: E402

BUILD = pathlib.Path(os.environ.get("BUILD", "build")).resolve()
FLOWS = int(os.environ.get("WEIR_BENCH_FLOWS", "10000000"))
ROUNDS = 5
SHAPE = ["--flows", str(FLOWS), "--duration", "1h", "--seed", "7", "--start", "2026-01-01T00:00:00Z"]
TUPLE = "sourceIPv4Address,destinationIPv4Address,sourceTransportPort,destinationTransportPort,protocolIdentifier"


def run(*command, **options):
    done = subprocess.run([str(c) for c in command], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, **options)
    if done.returncode:
        sys.exit(f"questions: {command[0]} exited {done.returncode}")
    return done.stdout.decode()


# ---- the same records three times ----

def prepare(base):
    capture = base / "flows.pcap"
    if not (base / "truth.json").exists():
        truth = json.loads(run(BUILD / "weirgen", "--pcap", capture, *SHAPE))
        (base / "truth.json").write_text(json.dumps(truth))
    if not (base / "weir").exists():
        report = json.loads(run(BUILD / "weird", "import", "--data", base / "weir", capture))
        if report["records"] != FLOWS:
            sys.exit(f"questions: weird kept {report['records']} of {FLOWS} flows")
        if "compact" in run(BUILD / "weird", "--help"):
            run(BUILD / "weird", "compact", "--data", base / "weir")
    capture.unlink(missing_ok=True)
    if not (base / "nf").exists():
        hear(base / "nf")
    so = duckdb_peer.library(BUILD / "peers")
    if so and not (base / "duck.db").exists():
        export(base, base / "flows.csv")
        db = duckdb_peer.DuckDB(so, base / "duck.db", 2)
        duckdb_peer.load(db, base / "flows.csv")
        db.close()
        (base / "flows.csv").unlink()
    return json.loads((base / "truth.json").read_text()), so


def export(base, path):
    with open(path, "wb") as out:
        subprocess.run([BUILD / "weird", "export", "--data", base / "weir", "--format", "csv"], stdout=out, check=True)


def hear(folder):
    """nfcapd hears all of it, at half the rate until it loses nothing."""
    rate = 600000
    while rate > 50000:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
            s.bind(("127.0.0.1", 0))
            port = s.getsockname()[1]
        nfcapd = subprocess.Popen(["nfcapd", "-w", folder, "-p", str(port), "-b", "127.0.0.1",
                                   "-B", str(1 << 30), "-t", "3600", "-y"],
                                  stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(1)
        run(BUILD / "weirgen", "--udp", f"127.0.0.1:{port}", "--rate", rate, *SHAPE)
        time.sleep(2)
        nfcapd.send_signal(signal.SIGTERM)
        nfcapd.wait(60)
        kept = sum(int(n) for n in re.findall(r"^Flows:\s*(\d+)", run("nfdump", "-R", folder, "-I"), re.M))
        if kept == FLOWS:
            return
        rate //= 2
    sys.exit("questions: nfcapd loses flows at every rate that was tried")


# ---- asking ----

class Weir:
    def __init__(self, data, threads):
        free = "127.0.0.1:0"
        self.process = subprocess.Popen([BUILD / "weird", "--data", data, "--http", free, "--netflow", free,
                                         "--sflow", free, "--ipfix", free, "--threads", str(threads),
                                         "--query-memory", "4G"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        ready, _, _ = select.select([self.process.stdout], [], [], 60)
        line = self.process.stdout.readline().decode() if ready else ""
        if not line.startswith("ready"):
            self.process.kill()
            sys.exit("questions: weird did not get ready")
        self.url = "http://" + dict(p.split("=") for p in line.split()[1:])["http"]

    def ask(self, words):
        """((wall, CPU, wall of the whole program), answer)"""
        best, answer = (math.inf, math.inf, math.inf), None
        for _ in range(ROUNDS):
            start = time.monotonic()
            out = run(BUILD / "weir", "--url", self.url, "totals", "--source", "blocks", "--format", "json", *words)
            whole = time.monotonic() - start
            answer = json.loads(out)
            now = (answer["elapsedMicroseconds"] / 1e6, answer["cpuMicroseconds"] / 1e6, whole)
            best = tuple(map(min, best, now))
        return best, answer

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(60)


def ask_nfdump(folder, words):
    best, out = (math.inf, math.inf), ""
    for _ in range(2):
        start, before = time.monotonic(), resource.getrusage(resource.RUSAGE_CHILDREN)
        out = run("nfdump", "-R", folder, "-N", *words)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        best = (min(best[0], time.monotonic() - start), min(best[1], cpu))
    return best, out


def questions(truth, host):
    first, second = (tag["prefixes"][0] for tag in truth["tags"][:2])
    two = f"src net {first} and dst net {second}"
    sql = duckdb_peer.questions(first, second, 0, host)
    ours = [["--filter", two], ["--filter", "tos 0"], ["--by", "sourceIPv4Address", "--top", "10"],
            ["--by", "sourceIPv4Address/16,destinationIPv4Address/16", "--top", "10"], ["--filter", f"host {host}"],
            ["--by", TUPLE, "--top", "1"]]
    theirs = [["-o", "null", two], ["-o", "null", "tos 0"], ["-q", "-s", "srcip/bytes", "-n", "10", "-o", "csv"],
              ["-q", "-A", "srcip4/16,dstip4/16", "-O", "bytes", "-n", "10", "-o", "fmt:%byt", "ipv4"],
              ["-o", "null", f"host {host}"],
              ["-q", "-A", "srcip,dstip,srcport,dstport,proto", "-O", "bytes", "-n", "1", "-o", "fmt:%byt"]]
    return [(name, *rest) for (name, query), *rest in zip(sql, ours, theirs, [q for _, q in sql])]


def same_answer(name, ours, theirs, duck):
    rows = ours["rows"]
    if name == "distinct 5-tuples":
        return not duck or int(duck[0][0]) == ours["groups"]
    octets = [r["octets"] for r in rows]
    total = re.search(r"total bytes: (\d+)", theirs)
    return (not duck or [int(r[0] or 0) for r in duck] == octets) and (not total or int(total.group(1)) == octets[0])


def mean(ratios):
    return math.exp(sum(math.log(r) for r in ratios) / len(ratios))


def main():
    kept = os.environ.get("WEIR_BENCH_DATA")
    base = pathlib.Path(kept or tempfile.mkdtemp(prefix="weir-questions-"))
    base.mkdir(exist_ok=True)
    truth, so = prepare(base)
    one = Weir(base / "weir", 1)
    _, busiest = one.ask(["--by", "sourceIPv4Address", "--top", "3"])
    host = busiest["rows"][2]["sourceIPv4Address"]
    rows, house = [], clickhouse_peer.peer(base / "ch", lambda path: export(base, path))
    for name, ours, theirs, sql in questions(truth, host):
        ours_best, answer = one.ask(ours)
        theirs_best, out = ask_nfdump(base / "nf", theirs)
        db = duckdb_peer.DuckDB(so, base / "duck.db") if so else None
        duck_wall, duck_cpu, duck = duckdb_peer.best_of(db, sql, ROUNDS) if db else (None, None, None)
        if db:
            db.close()
        if not same_answer(name, answer, out, duck):
            sys.exit(f"questions: {name}: the answers differ: {answer['rows'][:2]}, {duck}, {out[-200:]}")
        house_cpu = None
        if house:
            _, house_cpu, told = clickhouse_peer.best_of(house, clickhouse_peer.of_duckdb(sql), ROUNDS)
            if not same_answer(name, answer, out, told):
                sys.exit(f"questions: {name}: ClickHouse differs: {answer['rows'][:2]}, {told[:2]}")
        rows.append((name, ours_best, theirs_best, (duck_wall, duck_cpu), ours, house_cpu))
    one.stop()
    if house:
        house.close()
    two = Weir(base / "weir", 2)
    print(f"\n{FLOWS:,} flows, raw blocks, best of {ROUNDS}; ms of CPU (ms of wall); "
          "whole programs' wall beside nfdump")
    print(f"{'question':<26}{'weir':>16}{'whole':>8}{'2 threads':>12}{'nfdump':>18}{'DuckDB':>18}{'x nfdump':>10}{'x DuckDB':>10}"
          f"{'ClickHouse':>12}{'x it':>7}")
    for name, (wall, cpu, whole), (nf_wall, nf_cpu), (duck_wall, duck_cpu), words, house_cpu in rows:
        (both, _, _), _ = two.ask(words)
        duck = f"{duck_cpu * 1e3:.0f} ({duck_wall * 1e3:.0f})" if so else "-"
        print(f"{name:<26}{f'{cpu * 1e3:.0f} ({wall * 1e3:.0f})':>16}{f'{whole * 1e3:.0f}':>8}{f'({both * 1e3:.0f})':>12}"
              f"{f'{nf_cpu * 1e3:.0f} ({nf_wall * 1e3:.0f})':>18}{duck:>18}{nf_wall / whole:>10.1f}"
              f"{f'{duck_cpu / cpu:.2f}' if so else '-':>10}{f'{house_cpu * 1e3:.0f}' if house else '-':>12}"
              f"{f'{house_cpu / cpu:.1f}' if house else '-':>7}", flush=True)
    two.stop()
    print(f"geometric mean: {mean([r[2][0] / r[1][2] for r in rows]):.1f} x nfdump (wall)"
          + (f", {mean([r[3][1] / r[1][1] for r in rows]):.2f} x DuckDB (CPU)" if so else "")
          + (f", {mean([r[5] / r[1][1] for r in rows]):.2f} x ClickHouse" if house else ""))
    duck = f", DuckDB {(base / 'duck.db').stat().st_size / FLOWS:.2f}" if so else ""
    print(f"bytes a flow: weir {size(base / 'weir') / FLOWS:.2f}, nfdump LZ4 {size(base / 'nf') / FLOWS:.2f}{duck}")
    if not kept:
        shutil.rmtree(base)


def size(folder):
    return sum(f.stat().st_size for f in folder.rglob("*") if f.is_file())


main()
