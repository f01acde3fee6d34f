#!/usr/bin/python3
"""Words of weird that may last long show on a terminal how far they are, and clear that away; they say
nothing of it in a pipe or a file, nor where their own output goes to the terminal."""
import os
import pty
import re
import subprocess
import tempfile

import lib

# How it begins on a line of its own, as `verifying [####......] 40 %  3 s left`.
PICTURE = re.compile(rb"\r([a-z0-9 ]+) \[#*\.*\] +(\d+) %")
CLEARED = b"\r\x1b[K"


def on_a_terminal(*words, apart=True):
    """What a word draws on a terminal, and what it prints into a file; not `apart`: on the terminal, too."""
    master, slave = pty.openpty()
    output = tempfile.TemporaryFile()
    done = subprocess.Popen([lib.WEIRD, *map(str, words)], stdin=subprocess.DEVNULL, stderr=slave,
                            stdout=output if apart else slave)
    os.close(slave)
    drawn = b""
    try:
        while octets := os.read(master, 65536):
            drawn += octets
    except OSError:
        pass  # how a terminal says that nobody writes any more
    lib.equal(done.wait(lib.PATIENCE), 0, f"exit code of {words}: {drawn[-500:]}")
    os.close(master)
    output.seek(0)
    return drawn, output.read()


def in_a_pipe(*words):
    done = subprocess.run([lib.WEIRD, *map(str, words)], capture_output=True, timeout=120 * lib.SLOW)
    lib.equal((done.returncode, done.stderr), (0, b""), f"{words} in a pipe")
    return done.stdout


def check_drawn(what, drawn):
    shown = PICTURE.findall(drawn)
    lib.check(shown and all(0 <= int(percent) <= 100 for _, percent in shown), f"{what} draws {drawn[:200]}")
    lib.check(drawn.endswith(CLEARED), f"{what} leaves {drawn[-100:]}")


def test_words():
    home = lib.folder()
    lib.weirgen("--pcap", home / "a.pcap", "--flows", 30000, "--duration", "3h", "--start", "2026-01-01T00:00:00Z")
    data = ("--data", home / "data")
    check_drawn("import", on_a_terminal("import", *data, "--batch-rows", 4096, home / "a.pcap")[0])
    for word in ("verify", "compact", "retag"):
        if word == "retag":
            server = lib.Server(home / "data")
            lib.weir(server, "tag", "add", 7, "ten", "10.0.0.0/8")
            server.stop()
        check_drawn(word, on_a_terminal(word, *data)[0])
    check_drawn("backup", on_a_terminal("backup", *data, home / "copy.db")[0])
    in_a_pipe("backup", *data, home / "other.db")
    for words in (("records",), *(("export", "--format", f) for f in ("csv", "json", "ipfix"))):
        drawn, printed = on_a_terminal(words[0], *data, *words[1:])
        check_drawn(words, drawn)
        lib.equal(printed, in_a_pipe(words[0], *data, *words[1:]), f"what {words} prints")
    for words in (("import", "--compact"), ("import",)):
        in_a_pipe(*words, "--data", home / ("d" + str(len(words))), home / "a.pcap")
    for word in ("verify", "compact", "retag"):
        in_a_pipe(word, *data)


def test_output_on_the_terminal():
    home = lib.folder()
    lib.weirgen("--pcap", home / "a.pcap", "--flows", 2000)
    lib.weird_import(home / "data", home / "a.pcap")
    for words in (("records",), ("export", "--format", "csv")):
        drawn, _ = on_a_terminal(words[0], "--data", home / "data", *words[1:], apart=False)
        lib.check(len(drawn) > 2000 and not PICTURE.search(drawn) and CLEARED not in drawn,
                  f"{words} draws into its own output")


def test_verify_to_the_end():
    """Not the blocks alone: what is made of them is derived again, too, and that may last longer."""
    home = lib.folder()
    lib.weirgen("--pcap", home / "a.pcap", "--flows", 3000, "--duration", "200h", "--start", "2026-01-01T00:00:00Z")
    lib.weird_import(home / "data", home / "a.pcap", options=("--compact",))
    drawn, _ = on_a_terminal("verify", "--data", home / "data")
    percents = [int(p) for _, p in PICTURE.findall(drawn)]
    lib.equal(percents[0], 0, "it begins before the first block")
    lib.check(percents == sorted(percents), f"it goes on and never back: {percents}")


try:
    for end in pty.openpty():
        os.close(end)
except OSError as problem:
    lib.skip(f"no terminal can be had here: {problem}")
lib.main(test_words, test_output_on_the_terminal, test_verify_to_the_end)
