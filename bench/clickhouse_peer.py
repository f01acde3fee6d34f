"""ClickHouse as a peer of the benchmark: Debian's server (package clickhouse-server) on loopback, the same records.

The server runs from a folder of its own, is asked over HTTP, and ends with the object. Records come as CSV
(table.py) through a table of texts into a MergeTree of the narrowest fitting types, sorted by exporter
and time, its parts merged into one. Compression is the server's setting (LZ4 or ZSTD; this release, 18.16, has none a
column). Run alone:

    bench/clickhouse_peer.py CSV [lz4|zstd]     load, then print octets and time the questions
"""
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request

import table
from common import MEMORY, free_port, show, size

NAME = "ClickHouse"
HOW_TO_GET = "apt-get install clickhouse-server"
SERVER = "/usr/sbin/clickhouse-server"
CONFIG = """<yandex>
<logger><level>warning</level><log>{folder}/log</log><errorlog>{folder}/errors</errorlog></logger>
<listen_host>127.0.0.1</listen_host><http_port>{http}</http_port><tcp_port>{tcp}</tcp_port>
<interserver_http_port>{inter}</interserver_http_port>
<path>{folder}/data/</path><tmp_path>{folder}/tmp/</tmp_path><format_schema_path>{folder}/schemas/</format_schema_path>
<users_config>{folder}/users.xml</users_config><default_profile>default</default_profile>
<default_database>default</default_database><mark_cache_size>5368709120</mark_cache_size>
<uncompressed_cache_size>0</uncompressed_cache_size><timezone>UTC</timezone>
<compression><case><min_part_size>0</min_part_size><min_part_size_ratio>0</min_part_size_ratio>
<method>{method}</method></case></compression>
<merge_tree><old_parts_lifetime>1</old_parts_lifetime></merge_tree>
</yandex>"""
USERS = """<yandex><profiles><default><max_memory_usage>{memory}</max_memory_usage><max_threads>1</max_threads>
<max_bytes_before_external_group_by>{spill}</max_bytes_before_external_group_by></default></profiles>
<users><default><password></password><networks><ip>127.0.0.1</ip></networks><profile>default</profile>
<quota>default</quota></default></users><quotas><default></default></quotas></yandex>"""

TYPES = {"u8": "UInt8", "u16": "UInt16", "u32": "UInt32", "u64": "UInt64", "i64": "Int64", "ipv4": "UInt32",
         "ipv6": "FixedString(16)", "text": "String"}


def there():
    return os.access(SERVER, os.X_OK)


class ClickHouse:
    def __init__(self, folder, method="lz4"):
        self.folder = pathlib.Path(folder)
        self.http = free_port(socket.SOCK_STREAM)
        for name in ("data", "tmp", "schemas"):
            (self.folder / name).mkdir(parents=True, exist_ok=True)
        (self.folder / "config.xml").write_text(CONFIG.format(folder=self.folder, http=self.http,
                                                              tcp=free_port(socket.SOCK_STREAM),
                                                              inter=free_port(socket.SOCK_STREAM), method=method))
        (self.folder / "users.xml").write_text(USERS.format(memory=MEMORY, spill=MEMORY // 2))
        show([SERVER, f"--config-file={self.folder}/config.xml"])
        self.process = subprocess.Popen([SERVER, f"--config-file={self.folder}/config.xml"], stdin=subprocess.DEVNULL,
                                        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        for _ in range(300):
            time.sleep(0.1)
            try:
                self.ask("SELECT 1")
                return
            except (urllib.error.URLError, ConnectionError):
                if self.process.poll() is not None:
                    break
        self.close()
        raise RuntimeError(f"ClickHouse did not start; see {self.folder}/errors")

    def ask(self, sql, data=b""):
        """Rows of texts. SQL in the address, data (bytes, or a file) in the body."""
        show(f"ClickHouse: {sql}")
        from urllib.parse import urlencode
        where = f"http://127.0.0.1:{self.http}/?" + urlencode({"query": sql})
        request = urllib.request.Request(where, data=data or b" ")
        if hasattr(data, "read"):
            request.add_header("Transfer-Encoding", "chunked")
        try:
            with urllib.request.urlopen(request, timeout=3600) as answer:
                return [line.split("\t") for line in answer.read().decode().splitlines()]
        except urllib.error.HTTPError as error:
            raise RuntimeError(error.read().decode()[:300]) from error

    def cpu(self):
        """CPU seconds of the server so far."""
        fields = pathlib.Path(f"/proc/{self.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def close(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(60)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait(30)


def value_of(column):
    if column.kind == "ipv4":
        return f"if({column.name} = '', toUInt32(0), IPv4StringToNum({column.name}))"
    if column.kind == "ipv6":
        return f"toFixedString(unhex({column.name}), 16)"
    return column.name if column.kind == "text" else f"to{TYPES[column.kind]}OrZero({column.name})"


def create(db, columns):
    db.ask("CREATE TABLE flow (" + ", ".join(f"{c.peer} {TYPES[c.kind]}" for c in columns)
           + f") ENGINE = MergeTree PARTITION BY tuple() ORDER BY ({', '.join(order(columns))})")
    (db.folder / "empty").write_text(str(files(db.folder)))


def order(columns):
    return [c.peer for name in ("exporter", "flowEnd") for c in columns if c.name == name]


def add(db, columns, path):
    """Rows of a CSV file; its columns are `columns`, in an order of its own."""
    with open(path, "rb") as file:
        header = file.readline().decode().strip().split(",")
        db.ask("CREATE TABLE text (" + ", ".join(f"{name} String" for name in header) + ") ENGINE = Log")
        db.ask("INSERT INTO text FORMAT CSV", file)
    db.ask("INSERT INTO flow SELECT " + ", ".join(map(value_of, columns)) + " FROM text")
    db.ask("DROP TABLE text")


def finish(db):
    """Its parts are merged into one, and what was merged is gone."""
    db.ask("OPTIMIZE TABLE flow FINAL")
    for _ in range(600):
        if len(db.ask("SELECT name FROM system.parts WHERE table = 'flow'")) <= 1:
            return
        time.sleep(1)


def octets(folder):
    """(of all files of the table, of them when it was empty)"""
    empty = folder / "empty"
    return files(folder), int(empty.read_text()) if empty.exists() else 0


def files(folder):
    return size(folder / "data/data/default/flow") + size(folder / "data/metadata/default/flow.sql")


def of_duckdb(sql):
    """A question of duckdb_peer.py in this dialect."""
    sql = re.sub(r"\((\s*SELECT src, dst, sport, dport, proto FROM flow) GROUP BY ALL\)",
                 r"(\1 GROUP BY src, dst, sport, dport, proto)", sql)
    sql = sql.replace("sum(octets)::UBIGINT", "sum(octets) AS o").replace("ORDER BY 1", "ORDER BY o")
    sql = sql.replace("::UBIGINT", "").replace("count(*)", "count()")
    return re.sub(r"(src|dst) >> 16", r"bitShiftRight(\1, 16)", sql)


def best_of(db, sql, rounds=3):
    """Wall and CPU seconds (the server's, to 10 ms, over all rounds) and the answer."""
    times, answer = [], None
    cpu = db.cpu()
    for _ in range(rounds):
        start = time.monotonic()
        answer = db.ask(sql)
        times.append(time.monotonic() - start)
    return min(times), (db.cpu() - cpu) / rounds, answer


def main():
    import duckdb_peer
    if not there():
        sys.exit("ClickHouse is not there (Debian package clickhouse-server)")
    folder = tempfile.mkdtemp(prefix="weir-clickhouse-")
    db = ClickHouse(folder, sys.argv[2] if len(sys.argv) > 2 else "lz4")
    try:
        create(db, table.FLOW)
        add(db, table.FLOW, sys.argv[1])
        finish(db)
        rows = int(db.ask("SELECT count() FROM flow")[0][0])
        print(f"{rows:,} flows, {files(db.folder) / rows:.2f} octets a flow")
        net = os.environ.get("WEIR_BENCH_NETS", "10.1.0.0/16,10.2.0.0/16").split(",")
        for name, sql in duckdb_peer.questions(net[0], net[1], 0, os.environ.get("WEIR_BENCH_HOST", "10.1.0.1")):
            wall, cpu, answer = best_of(db, of_duckdb(sql))
            print(f"{name:<28}{wall * 1e3:>9.1f} ms{cpu * 1e3:>9.1f} ms CPU   {answer[0] if answer else []}")
    finally:
        db.close()
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
