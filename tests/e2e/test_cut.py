#!/usr/bin/env python3
"""Something else makes weir.db shorter while weird reads it: the server lives, every answer is right or an
error that says what happened, /healthz says it too; with the whole file back and a new start all is well."""
import os
import shutil
import signal
import subprocess
import threading
import time
import urllib.error
import urllib.request

from lib import (BUILD, PATIENCE, Server, WEIR, WEIRD, WEIRGEN, check, equal, folder, main, run, wait_for, weird_import,
                 weir_json)

FLOWS = 400000
QUESTION = ("totals", "--source", "blocks", "--filter", "src net 0.0.0.0/0")
SAID = "was cut"
here = None
size = 0


def prepare():
    global here, size
    here = folder()
    run(WEIRGEN, "--pcap", here / "a.pcap", "--flows", FLOWS, "v9", "--truth", here / "truth.json")
    weird_import(here / "data", here / "a.pcap")
    shutil.copy(here / "data/weir.db", here / "whole.db")
    size = os.path.getsize(here / "whole.db")
    server = Server(here / "data", "--no-upkeep")
    answer = weir_json(server, *QUESTION)["rows"]
    server.stop()
    return answer


def restore():
    shutil.copy(here / "whole.db", here / "data/weir.db")


def health(server):
    try:
        with urllib.request.urlopen(server.url + "/healthz", timeout=PATIENCE) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as answer:
        return answer.code, answer.read().decode()


def ask(server):
    done = subprocess.run([WEIR, "--url", server.url, *QUESTION, "--format", "json"], capture_output=True,
                          timeout=2 * PATIENCE)
    return done.returncode, done.stdout.decode(), done.stderr.decode()


def keep_asking(server, answers, done):
    """Answers, each with when it was asked for."""
    while not done.is_set():
        begun = time.monotonic()
        answers.append((*ask(server), begun))


def cut_under_questions(octets, expected):
    server = Server(here / "data", "--no-upkeep")
    answers, done = [], threading.Event()
    askers = [threading.Thread(target=keep_asking, args=(server, answers, done)) for _ in range(3)]
    for asker in askers:
        asker.start()
    wait_for("answers", lambda: len(answers) > 10)
    os.truncate(here / "data/weir.db", octets)
    cut = time.monotonic()
    wait_for("answers after the cut", lambda: sum(begun > cut for *_, begun in answers[:]) > 10)
    done.set()
    for asker in askers:
        asker.join()
    check(server.process.poll() is None, f"cut to {octets}: weird ended with {server.process.poll()}")
    wrong = [out for code, out, _, _ in answers if code == 0 and expected not in out]
    check(not wrong, f"cut to {octets}: {len(wrong)} other answers: {wrong[:1]}")
    unclear = [err for code, _, err, _ in answers if code != 0 and SAID not in err]
    check(not unclear, f"cut to {octets}: {len(unclear)} errors say: {unclear[:1]}")
    last = max(answers, key=lambda answer: answer[3])
    check(last[0] != 0, f"cut to {octets}: questions are answered still")
    code, _, err = ask(server)
    check(code == 1 and SAID in err and "weir.db" in err, f"a later question: {code} {err}")
    code, text = health(server)
    equal(code, 503, f"cut to {octets}: /healthz")
    check(SAID in text and "start again" in text, f"/healthz says {text!r}")
    check(f"was cut to {octets} octets" in server.errors(), "the log does not say it")
    server.stop()
    equal(os.path.getsize(here / "data/weir.db"), octets, "octets of the file, which nobody makes longer")
    restore()


def test_server():
    rows = prepare()
    expected = str(rows[0]["octets"])
    for octets in (0, 4096, size // 3, size // 2 // 8192 * 8192 + 4096, size - 40 * 8192 - 1234):
        cut_under_questions(octets, expected)
    server = Server(here / "data")
    equal(weir_json(server, *QUESTION)["rows"], rows, "the answer of the whole file")
    equal(health(server)[0], 200, "/healthz of the whole file")
    server.stop()
    run(WEIRD, "verify", "--data", here / "data")


def test_records():
    """A word that reads: an error and exit code 1."""
    reading = subprocess.Popen([WEIRD, "records", "--data", here / "data"], stdout=subprocess.PIPE,
                               stderr=subprocess.PIPE)
    reading.stdout.read(1000)
    os.truncate(here / "data/weir.db", size // 4)
    out, err = reading.communicate(timeout=2 * PATIENCE)
    equal(reading.returncode, 1, f"exit code of records, which says {err[-300:]!r}")
    check(SAID in err.decode(), f"records says {err[-300:]!r}")
    check(len(out) > 1000, "nothing was written before the cut")
    restore()


def test_shell():
    """The shell of SQLite with the extension, which maps nothing: an error there too."""
    shell = subprocess.Popen(["sqlite3", here / "data/weir.db"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                             stderr=subprocess.STDOUT, text=True)
    shell.stdin.write(f".load {BUILD / 'weir_flow.so'}\n.timeout 10000\nSELECT count(*) FROM flow;\n")
    shell.stdin.flush()
    equal(shell.stdout.readline().strip(), str(FLOWS), "flows that the shell counts")
    os.truncate(here / "data/weir.db", size // 4)
    out, _ = shell.communicate("SELECT sum(octetDeltaCount) FROM flow;\n", timeout=120)
    check("rror" in out, f"the shell says {out!r}")
    check(shell.returncode >= 0, f"the shell ended with {shell.returncode}")
    restore()


def test_signal():
    """Nobody else's SIGBUS is taken for one of ours."""
    server = Server(here / "data")
    server.process.send_signal(signal.SIGBUS)
    equal(server.process.wait(PATIENCE), -signal.SIGBUS, "how weird ends by a SIGBUS that was sent")
    server.kill()


main(test_server, test_records, test_shell, test_signal)
