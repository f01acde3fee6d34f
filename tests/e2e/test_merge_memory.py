#!/usr/bin/python3
"""What merging blocks into one of 393,216 rows takes: a column at a time is in order, all others wait in as few octets
as hold them. And what an import takes that makes such blocks itself, which has a block's records filled in beside that.
"""
import os
import subprocess

import lib

FLOWS = 1_000_000
MERGE_MIB = 160 if lib.SLOW == 1 else 3000  # the sanitizer keeps what was freed
IMPORT_MIB = 235 if lib.SLOW == 1 else 3000


def most_memory(*command):
    """Runs it; the most memory that it ever took, in MiB."""
    process = subprocess.Popen([lib.WEIRD, *map(str, command)], stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    lib.equal(os.waitstatus_to_exitcode(status), 0, f"exit code of {command[0]}")
    return usage.ru_maxrss // 1024


def test_memory_of_merging():
    capture = lib.folder() / "capture.pcap"
    lib.weirgen("--pcap", capture, "--flows", FLOWS, "--start", "2026-01-01T00:00:00Z", "--duration", "5m",
                "v5", "v9", "ipfix")
    data, compacted = lib.folder(), lib.folder()
    lib.run(lib.WEIRD, "import", "--data", data, capture)
    merge = most_memory("compact", "--data", data)
    whole = most_memory("import", "--compact", "--data", compacted, capture)
    lib.check(merge <= MERGE_MIB, f"compaction took {merge} MiB")
    lib.check(whole <= IMPORT_MIB, f"the import took {whole} MiB")
    print(f"       {FLOWS:,} flows: compaction {merge} MiB, import that compacts {whole} MiB")


if __name__ == "__main__":
    lib.main(test_memory_of_merging)
