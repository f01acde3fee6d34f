"""Octets a flow on disk: Weir (as it comes, and compacted), nfdump (LZ4, BZ2, and what zstd would make of its file:
nfdump_peer.py), DuckDB, ClickHouse (LZ4, ZSTD), and SQLite with a row a flow; the same records for all.

Data sets: --flows of weirgen's, and the corpus's largest traces (../shared/corpus or $CORPUS; or --capture FILE). Weir
keeps every field that came and its own (36 columns for weirgen's); nfdump what its format has; the other three the
columns that table.py names. Traces are small, and an empty store of some engines is larger than all their flows:
for them every engine's files are also counted less an empty store of the same engine (of SQLite's files, so
of Weir's: octets in use, as whole pages would hide the flows). A goal is missed where Weir needs more than GOALS times
a peer's octets, counted either way. Peers that are not installed are left out, and that is said.
"""
import pathlib

import clickhouse_peer
import dataset
import duckdb_peer
import nfdump_peer
from common import BUILD, empty, folder_of, goals, in_use, options, progress, remove, run, size

GOALS = {"nfdump zstd": 0.7, "DuckDB": 0.6, "ClickHouse LZ4": 0.6, "ClickHouse ZSTD": 0.6}
BZ2_FLOWS = 10000000  # of a larger set; its blocks are compressed one by one, so more would say the same


def weir(data_set):
    folder, nothing, files = data_set.weir(), empty(data_set.folder / "empty"), empty(data_set.folder / "no files")
    run(BUILD / "weird", "import", "--compact", "--data", nothing, files)
    none = in_use(nothing / "weir.db")
    remove(nothing)
    remove(files)
    yield "Weir, compacted", size(folder), in_use(folder / "weir.db") - none
    octets, used = dataset.as_it_comes(data_set)
    yield "Weir, as it comes", octets, used - none


def nfdump(data_set):
    if not nfdump_peer.there():
        print("nfdump is left out: apt-get install nfdump")
        return
    why = data_set.why_not_nfdump() if isinstance(data_set, dataset.Trace) else ""
    if why:
        print(f"nfdump is left out: {why}")
        return
    folder, some = dataset.nfdump(data_set), min(data_set.flows, BZ2_FLOWS)
    plain, out, nothing = data_set.folder / "nf", data_set.folder / "nf.out", data_set.folder / "nothing"
    nfdump_peer.hear_once(nothing, lambda port, rate: None, 0, [])
    none = size(nothing)
    remove(nothing)
    octets = nfdump_peer.written(folder, [], plain)
    yield "nfdump, plain", octets, octets - none
    octets = nfdump_peer.written(plain, ["-y"], out)
    yield "nfdump LZ4", octets, octets - none
    out.unlink()
    octets = nfdump_peer.written(plain, ["-j", "-c", some], out) * data_set.flows // some
    yield f"nfdump BZ2{f', of the first {some // 1000000} M' if some < data_set.flows else ''}", octets, octets - none
    out.unlink()
    made = nfdump_peer.zstd(plain)
    plain.unlink()
    if made:
        yield "nfdump zstd", made[0], made[0] - none
    else:
        print("nfdump zstd is left out: apt-get install libzstd1")


def databases(data_set):
    octets, count, rows = dataset.sqlite(data_set)
    yield "SQLite, a row a flow", octets * data_set.flows // count, rows * data_set.flows // count
    dataset.load(data_set)
    if (data_set.folder / "duck.db").exists():
        path = data_set.folder / "empty.db"
        db = duckdb_peer.DuckDB(duckdb_peer.library(BUILD / "peers"), path)
        duckdb_peer.create(db, data_set.columns)
        db.close()
        octets = size(data_set.folder / "duck.db")
        yield "DuckDB", octets, octets - size(path)
        path.unlink()
    else:
        print(f"DuckDB is left out: {duckdb_peer.HOW_TO_GET}")
    for method in ("lz4", "zstd") if clickhouse_peer.there() else ():
        octets, none = clickhouse_peer.octets(data_set.folder / f"ch-{method}")
        yield f"ClickHouse {method.upper()}", octets, octets - none
    if not clickhouse_peer.there():
        print(f"ClickHouse is left out: {clickhouse_peer.HOW_TO_GET}")


def ratio(name, ours, theirs, what):
    goal = GOALS.get(name)
    if not goal or theirs <= 0:
        return f"{f'{ours / theirs:.2f}' if theirs > 0 else '-':>8}{'':>16}"
    word = goals.at_most(ours / theirs, goal, f"{what}, beside {name}")
    return f"{ours / theirs:>8.2f}{f'<= {goal} {word}':>16}"


def table(data_set):
    progress(data_set.name)
    found = [*weir(data_set), *nfdump(data_set), *databases(data_set)]
    small = isinstance(data_set, dataset.Trace)
    progress("")
    print(f"\n{data_set.name}\n{'octets a flow':<28}{'files':>9}{'Weir/it':>8}{'':>16}"
          + (f"{'less empty':>12}{'Weir/it':>8}" if small else ""))
    _, ours, our_flows = found[0]
    for name, octets, flows in found:
        line = f"{name:<28}{octets / data_set.flows:>9.2f}{ratio(name, ours, octets, data_set.name)}"
        if small:
            line += f"{flows / data_set.flows:>12.2f}"
            line += ratio(name, our_flows, flows, f"{data_set.name}, less empty stores")
        print(line.rstrip(), flush=True)
    if small and data_set.not_held():
        print(f"nfdump has no place for {', '.join(data_set.not_held())}")


def main():
    given = options(__doc__, capture={"nargs": "+", "type": pathlib.Path, "help": "captures, in place of the corpus's"},
                    only={"choices": ("generated", "traces"), "help": "only these data sets"})
    with folder_of(given) as base:
        if given.only != "traces":
            table(dataset.Generated(base, given.flows))
        if given.only != "generated":
            for trace in dataset.traces(base, given.capture):
                table(trace)
                remove(trace.folder)
    goals.finish()


if __name__ == "__main__":
    main()
