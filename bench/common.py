"""What the parts of the bench share: running and timing programs, a weird that serves, the goals and whether they are
reached. Every part is a program of its own and a part of `bench.sh`, so each takes the options of `options` and ends
with `goals.finish()`.

Environment: BUILD, where the programs are; WEIR_BENCH_FLOWS, flows of weirgen's (10000000); WEIR_BENCH_FOLDER, where
data sets are kept between parts (else a temporary folder, removed at the end); WEIR_BENCH_MISSED, a file to which
missed goals are appended.
"""
import argparse
import contextlib
import os
import pathlib
import select
import shlex
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import time

BUILD = pathlib.Path(os.environ.get("BUILD", "build")).resolve()
NAME = pathlib.Path(sys.argv[0]).stem
ROUNDS = 3  # of everything that decides a ratio, for all alike: sizes once, times the best, ingest the median
MEMORY = 8 << 30  # octets that every engine may use for a question; of nfdump, which has no such option: nfdump_peer.py
SEED = ["--duration", "1h", "--seed", "7", "--start", "2026-01-01T00:00:00Z"]
ANY_PORT = [word for name in ("--http", "--netflow", "--sflow", "--ipfix") for word in (name, "127.0.0.1:0")]
verbose = False
signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that what was started is ended, and files are removed


def options(text, **more):
    """Options of a part: --verbose, --flows and --folder, and `more`: name = settings of argparse."""
    global verbose
    parser = argparse.ArgumentParser(description=text.strip().split("\n\n")[0],
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--flows", type=int, default=int(os.environ.get("WEIR_BENCH_FLOWS", "10000000")),
                        help="flows of weirgen's (%(default)s)")
    parser.add_argument("--folder", type=pathlib.Path, default=os.environ.get("WEIR_BENCH_FOLDER"),
                        help="keep the data sets here, and use again what is here (a temporary one, removed)")
    parser.add_argument("--verbose", action="store_true", default=bool(os.environ.get("WEIR_BENCH_VERBOSE")),
                        help="show every command that is run")
    for name, settings in more.items():
        parser.add_argument(f"--{name}", **settings)
    given = parser.parse_args()
    verbose = given.verbose
    return given


@contextlib.contextmanager
def folder_of(given):
    """The folder that --folder names, or a temporary one that is removed at the end, whatever the end."""
    if given.folder:
        given.folder.mkdir(parents=True, exist_ok=True)
        yield given.folder.resolve()
        return
    with tempfile.TemporaryDirectory(prefix="weir-bench-", ignore_cleanup_errors=True) as name:
        yield pathlib.Path(name)


def fail(what):
    progress("")
    sys.exit(f"{NAME}: {what}")


def show(command):
    """--verbose: the command (a list, or a text such as SQL)."""
    if verbose:
        print("  + " + (command if isinstance(command, str) else shlex.join(map(str, command))), file=sys.stderr)


def progress(what):
    """A line on a terminal that the next one replaces."""
    if sys.stderr.isatty():
        sys.stderr.write(f"\r\033[K{what and f'{NAME}: {what} ...'}")
        sys.stderr.flush()


# ---- programs ----

def measured(command, may_fail=False, **rest):
    """Runs a program to its end: wall seconds, CPU seconds (user and system), its stdout. With `may_fail`, None for
    the output of a program that failed."""
    show(command)
    start = time.monotonic()
    process = subprocess.Popen([str(c) for c in command], stdout=subprocess.PIPE,
                               stderr=rest.pop("stderr", subprocess.DEVNULL), **rest)
    try:
        out = process.stdout.read()
        _, status, usage = os.wait4(process.pid, 0)
    except BaseException:
        process.kill()
        raise
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode and not may_fail:
        fail(f"{command[0]} ended with {process.returncode}")
    return (time.monotonic() - start, usage.ru_utime + usage.ru_stime,
            None if process.returncode else out.decode())


def run(*command, **rest):
    """Its stdout."""
    return measured(command, **rest)[2]


def ended(process):
    """CPU seconds of a process that is told to end, and ends."""
    process.send_signal(signal.SIGTERM)
    _, _, usage = os.wait4(process.pid, 0)
    process.returncode = 0
    return usage.ru_utime + usage.ru_stime


def median(values):
    return sorted(values)[len(values) // 2]


def size(folder):
    """Octets of a file, or of all files below a folder; without SQLite's index of its log for those who read now."""
    path = pathlib.Path(folder)
    if path.is_file():
        return path.stat().st_size
    return sum(f.stat().st_size for f in path.rglob("*") if f.is_file() and not f.name.endswith("-shm"))


def in_use(database):
    """Octets of the pages of an SQLite file that something is in; all of it when this SQLite can not say."""
    db = sqlite3.connect(database)
    try:
        return db.execute("SELECT sum(pgsize - unused) FROM dbstat").fetchone()[0] or 0
    except sqlite3.OperationalError:
        return size(database)
    finally:
        db.close()


def free_port(kind=socket.SOCK_DGRAM):
    with socket.socket(socket.AF_INET, kind) as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Weird:
    """A weird that serves on free ports of loopback; `where` has its addresses by name."""

    def __init__(self, data, *words):
        command = [BUILD / "weird", "--data", data, *ANY_PORT, *words]
        show(command)
        self.process = subprocess.Popen([str(c) for c in command], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        ready, _, _ = select.select([self.process.stdout], [], [], 120)
        line = self.process.stdout.readline().decode() if ready else ""
        if not line.startswith("ready"):
            self.process.kill()
            fail("weird did not get ready")
        self.where = dict(p.split("=", 1) for p in line.split()[1:])
        self.url = "http://" + self.where["http"].removeprefix("http://")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()

    def stop(self):
        """CPU seconds that it took in all."""
        return ended(self.process) if self.process.returncode is None else 0


def empty(folder):
    shutil.rmtree(folder, ignore_errors=True)
    pathlib.Path(folder).mkdir(parents=True)
    return pathlib.Path(folder)


def remove(path):
    shutil.rmtree(path) if pathlib.Path(path).is_dir() else pathlib.Path(path).unlink(missing_ok=True)


# ---- goals ----

class Goals:
    """What was wanted and is not so; nothing ends at the first."""

    def __init__(self):
        self.missed = []

    def verdict(self, holds, what):
        """The word of a table for it; `what` is said at the end when it does not hold."""
        if not holds:
            self.missed.append(what)
        return "pass" if holds else "MISSED"

    def at_least(self, value, wanted, what):
        return self.verdict(value >= wanted, f"{what}: {value:.2f}, at least {wanted:g} is wanted")

    def at_most(self, value, wanted, what):
        return self.verdict(value <= wanted, f"{what}: {value:.2f}, at most {wanted:g} is wanted")

    def finish(self):
        """Ends the program: 1 when a goal was missed."""
        progress("")
        where = os.environ.get("WEIR_BENCH_MISSED")
        if where:
            with open(where, "a", encoding="utf-8") as file:
                file.writelines(f"{NAME}: {line}\n" for line in self.missed)
        elif self.missed:
            print("\nmissed:\n" + "".join(f"  {line}\n" for line in self.missed), end="")
        sys.exit(1 if self.missed else 0)


goals = Goals()
