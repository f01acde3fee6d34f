"""The questions of the store, by scans of raw blocks (roll-ups off): Weir, nfdump, DuckDB and ClickHouse on the same
records, in one run, one thread each; and Weir once more with two.

Six questions: two networks; one ToS; the ten largest source addresses; a matrix of /16 x /16; one host;
distinct 5-tuples. Beside DuckDB (in this process) and ClickHouse: CPU of the engines. Beside nfdump (which reads LZ4,
with as many threads as it likes): wall of whole programs, from start to end, `weir totals` (which asks a
running weird) and `nfdump`. All the best of three runs, files in the page cache; but ClickHouse's CPU, which can be read
to 10 ms only, the mean of three, and a run of nfdump's that takes longer than 20 s is not repeated. Every engine may use
8 GiB for a question, nfdump three quarters of the memory; one that needs more has no figure. Answers are compared and a
difference fails the run.
"""
import json
import math
import re

import clickhouse_peer
import dataset
import duckdb_peer
import nfdump_peer
from common import BUILD, MEMORY, ROUNDS, Weird, fail, folder_of, goals, measured, options, progress, size

TUPLE = "sourceIPv4Address,destinationIPv4Address,sourceTransportPort,destinationTransportPort,protocolIdentifier"
BESIDE_NFDUMP, BESIDE_DUCKDB, MEAN_BESIDE_DUCKDB = 10, 1, 2


class Weir:
    """A weird with so many threads that answers questions."""

    def __init__(self, data, threads):
        self.server = Weird(data, "--threads", threads, "--query-memory", MEMORY)

    def ask(self, words, rounds=ROUNDS):
        """((wall, CPU, wall of the whole program), answer)"""
        best, answer = (math.inf, math.inf, math.inf), None
        for _ in range(rounds):
            whole, _, out = measured([BUILD / "weir", "--url", self.server.url, "totals", "--source", "blocks",
                                      "--format", "json", *words])
            answer = json.loads(out)
            best = tuple(map(min, best, (answer["elapsedMicroseconds"] / 1e6, answer["cpuMicroseconds"] / 1e6, whole)))
        return best, answer


def questions(first, second, host):
    """(name, words of weir totals, words of nfdump, SQL of DuckDB)"""
    ours = [["--filter", f"src net {first} and dst net {second}"], ["--filter", "tos 0"],
            ["--by", "sourceIPv4Address", "--top", "10"],
            ["--by", "sourceIPv4Address/16,destinationIPv4Address/16", "--top", "10"], ["--filter", f"host {host}"],
            ["--by", TUPLE, "--top", "1"]]
    theirs = nfdump_peer.questions(first, second, 0, host)
    sql = duckdb_peer.questions(first, second, 0, host)
    return [(name, *rest) for (name, query), *rest in zip(sql, ours, theirs, [q for _, q in sql])]


def compare(name, ours, told, who):
    """Fails when rows of a database are not Weir's answer."""
    expected = [ours["groups"]] if name == "distinct 5-tuples" else [row["octets"] for row in ours["rows"]]
    if [int(row[0] or 0) for row in told] != expected:
        fail(f"{name}: the answers differ: {ours['rows'][:2]}, {who}: {told[:2]}")


def compare_nfdump(name, ours, out):
    total = re.search(r"total bytes: (\d+)", out)
    if total and int(total.group(1)) != ours["rows"][0]["octets"]:
        fail(f"{name}: the answers differ: {ours['rows'][:2]}, nfdump: {out[-200:]}")


def mean(ratios):
    return math.exp(sum(map(math.log, ratios)) / len(ratios))


# ---- one engine after another ----

def ask_weir(data, asked, threads):
    weir = Weir(data, threads)
    try:
        found = []
        for name, words, _, _ in asked:
            progress(f"weir, {threads} thread(s): {name}")
            found.append(weir.ask(words))
        return found
    finally:
        weir.server.stop()


def busiest(data):
    """The third of the source addresses with the most octets: a host that has flows, not the most."""
    weir = Weir(data, 2)
    try:
        return weir.ask(["--by", "sourceIPv4Address", "--top", "3"], 1)[1]["rows"][2]["sourceIPv4Address"]
    finally:
        weir.server.stop()


def ask_nfdump(data_set, asked, answers):
    """(wall, CPU) a question; None for a question that its memory did not do for; no list without nfdump."""
    if not nfdump_peer.there():
        print("nfdump is left out: apt-get install nfdump")
        return None
    folder = dataset.nfdump(data_set)
    found = []
    for (name, _, words, _), answer in zip(asked, answers):
        progress(f"nfdump: {name}")
        wall, cpu, out = nfdump_peer.best_of(folder, words, ROUNDS)
        if out is None:
            print(f"nfdump, {name}: failed with {nfdump_peer.MEMORY >> 30} GiB of address space in {nfdump_peer.LONGEST} s")
            found.append(None)
            continue
        compare_nfdump(name, answer, out)
        found.append((wall, cpu))
    return found


def ask_database(db, peer, dialect, asked, answers):
    """(wall, CPU) a question; no list without the engine."""
    if not db:
        print(f"{peer.NAME} is left out: {peer.HOW_TO_GET}")
        return None
    found = []
    try:
        for (name, _, _, sql), answer in zip(asked, answers):
            progress(f"{peer.NAME}: {name}")
            try:
                wall, cpu, told = peer.best_of(db, dialect(sql), ROUNDS)
            except RuntimeError as error:
                if "memory" not in str(error).lower():
                    raise
                print(f"{peer.NAME}, {name}: {error}")
                found.append(None)
                continue
            compare(name, answer, told, peer.NAME)
            found.append((wall, cpu))
    finally:
        db.close()
    return found


# ---- the table ----

def ms(seconds):
    return f"{seconds * 1e3:,.{1 if seconds < 0.01 else 0}f}"


def beside(name, engine, ratio, goal):
    """A ratio, and whether it is what is wanted."""
    if ratio is None:
        return f"{'-':>15}"
    word = goals.at_least(ratio, goal, f"{name}, times as fast as {engine}") if goal else ""
    return f"{f'{ratio:.2f} {word}':>15}"


def print_engines(asked, ours, both, nf, duck, house):
    print(f"{'ms of CPU (of wall)':<26}{'weir':>16}{'2 threads':>11}{'speed-up':>10}{'whole':>8}{'nfdump':>20}"
          f"{'DuckDB':>18}{'ClickHouse':>18}")
    for i, (name, *_) in enumerate(asked):
        (wall, cpu, whole), (two, _, _) = ours[i], both[i][0]
        cells = "".join(f"{f'{ms(e[i][1])} ({ms(e[i][0])})' if e and e[i] else '-':>{width}}"
                        for e, width in ((nf, 20), (duck, 18), (house, 18)))
        print(f"{name:<26}{f'{ms(cpu)} ({ms(wall)})':>16}{f'({ms(two)})':>11}{wall / two:>10.2f}{ms(whole):>8}{cells}")


def print_ratios(asked, ours, nf, duck, house):
    print(f"\n{'Weir is so many times':<26}{'x nfdump':>15}{'x DuckDB':>15}{'x ClickHouse':>15}   wanted: "
          f"{BESIDE_NFDUMP} x nfdump, {BESIDE_DUCKDB} x DuckDB, of the mean {MEAN_BESIDE_DUCKDB}")
    columns = (("nfdump", nf, lambda i: nf[i][0] / ours[i][2], BESIDE_NFDUMP, None),
               ("DuckDB", duck, lambda i: duck[i][1] / ours[i][1], BESIDE_DUCKDB, MEAN_BESIDE_DUCKDB),
               ("ClickHouse", house, lambda i: max(house[i][1], 0.01) / ours[i][1], None, None))
    ratios = {engine: [of(i) if e and e[i] else None for i in range(len(asked))] for engine, e, of, _, _ in columns}
    for i, (name, *_) in enumerate(asked):
        print(f"{name:<26}" + "".join(beside(name, engine, ratios[engine][i], goal)
                                      for engine, _, _, goal, _ in columns))
    means = {engine: mean([r for r in each if r]) if any(each) else None for engine, each in ratios.items()}
    print(f"{'geometric mean':<26}" + "".join(beside("geometric mean", engine, means[engine], goal)
                                              for engine, _, _, _, goal in columns))


def main():
    given = options(__doc__)
    with folder_of(given) as base:
        data_set = dataset.Generated(base, given.flows)
        data = data_set.weir()
        first, second = (tag["prefixes"][0] for tag in data_set.truth()["tags"][:2])
        asked = questions(first, second, busiest(data))
        ours, answers = zip(*ask_weir(data, asked, 1))
        both = ask_weir(data, asked, 2)
        dataset.load(data_set, ["duck.db", "ch-lz4"])
        nf = ask_nfdump(data_set, asked, answers)
        duck = ask_database(dataset.duckdb(data_set), duckdb_peer, str, asked, answers)
        house = ask_database(dataset.clickhouse(data_set), clickhouse_peer, clickhouse_peer.of_duckdb, asked, answers)
        progress("")
        print(f"\n{data_set.name}, raw blocks of {size(data) / given.flows:.2f} octets a flow, one thread, best of "
              f"{ROUNDS}; `whole`: wall of the whole program weir")
        print_engines(asked, ours, both, nf, duck, house)
        print_ratios(asked, ours, nf, duck, house)
    goals.finish()


if __name__ == "__main__":
    main()
