"""What the end-to-end tests share: servers on free loopback ports, ended by their ids; traffic; answers.

Every wait is bounded. A test is a program: exit 0 passed, 77 skipped (say why in the first line),
anything else failed. Use check() and finish(), or plain assert.
"""
import json
import os
import pathlib
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = (ROOT / os.environ.get("BUILD", "build")).resolve()
WEIRD, WEIR, WEIRGEN = BUILD / "weird", BUILD / "weir", BUILD / "weirgen"
SLOW = 5 if "asan" in str(BUILD) else 1  # sanitized builds get more time, not less work

_servers = []
_folders = []
_failures = []


def folder():
    """A temporary folder, removed at the end."""
    path = pathlib.Path(tempfile.mkdtemp(prefix="weir-test-"))
    _folders.append(path)
    return path


class Server:
    """A weird in a data folder; `ports` and `url` come from its ready line."""

    def __init__(self, data, *options, http="127.0.0.1:0", netflow="127.0.0.1:0"):
        self.data = pathlib.Path(data)
        self.arguments = [str(WEIRD), "--data", str(data), "--http", http, "--netflow", netflow,
                          "--sflow", "127.0.0.1:0", "--ipfix", "127.0.0.1:0", *map(str, options)]
        self.log = tempfile.TemporaryFile()
        self.process = subprocess.Popen(self.arguments, stdout=subprocess.PIPE, stderr=self.log)
        _servers.append(self)
        line = self._ready_line(20 * SLOW)
        self.where = dict(part.split("=", 1) for part in line.split()[1:])
        self.url = "http://" + self.where["http"].removeprefix("http://").rstrip("/")

    def _ready_line(self, seconds):
        ready, _, _ = select.select([self.process.stdout], [], [], seconds)
        line = self.process.stdout.readline().decode() if ready else ""
        if not line.startswith("ready "):
            self.kill()
            raise RuntimeError(f"weird did not get ready: {line!r}\n{self.errors()}")
        return line

    def port(self, name="netflow"):
        return int(self.where[name].rsplit(":", 1)[1])

    def errors(self):
        if not self.log.closed:
            self.log.seek(0)
            self.said = self.log.read().decode(errors="replace")
        return self.said

    def _ended(self):
        """Keeps what it said, and gives its files back: a test may start a thousand servers."""
        self.errors()
        self.log.close()
        self.process.stdout.close()

    def stop(self, seconds=60):
        """SIGTERM: what was received is stored; the exit code must be 0."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(seconds * SLOW)
        self._ended()
        if code != 0:
            raise RuntimeError(f"weird ended with {code}\n{self.errors()}")

    def kill(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait(10)
        self._ended()


def run(*command, seconds=120, ok=(0,), **options):
    """Runs a program; its stdout as text. Any exit code not in `ok` is an error that shows stderr."""
    done = subprocess.run([str(c) for c in command], capture_output=True, timeout=seconds * SLOW,
                          **options)
    if done.returncode not in ok:
        raise RuntimeError(f"{command} exited {done.returncode}: {done.stderr.decode(errors='replace')[-2000:]}")
    return done.stdout.decode()


def weir(server, *words, ok=(0,)):
    return run(WEIR, "--url", server.url, *words, ok=ok)


def weir_json(server, *words):
    return json.loads(weir(server, *words, "--format", "json"))


def weird_import(data, *paths, options=()):
    """`weird import`; its report."""
    out = run(WEIRD, "import", "--data", data, *options, *paths, seconds=300)
    return json.loads(out.strip().splitlines()[-1])


def records(data, *options):
    """Every stored record, as `weird records` prints it."""
    text = run(WEIRD, "records", "--data", data, *options, seconds=300)
    return [json.loads(line) for line in text.splitlines()]


def weirgen(*options, seconds=120):
    """The truth that weirgen prints."""
    return json.loads(run(WEIRGEN, *options, seconds=seconds))


def wait_for(what, condition, seconds=30, step=0.05):
    """Calls condition() until it is true; its value."""
    end = time.monotonic() + seconds * SLOW
    while time.monotonic() < end:
        value = condition()
        if value:
            return value
        time.sleep(step)
    raise TimeoutError(f"waited {seconds * SLOW} s for {what}")


def check(condition, message):
    if not condition:
        _failures.append(message)
        print("FAILED:", message)
    return condition


def equal(got, expected, what):
    return check(got == expected, f"{what}: got {got!r}, expected {expected!r}")


def skip(why):
    print(why)
    sys.exit(77)


def cleanup():
    for server in _servers:
        if server.process.poll() is None:
            server.kill()
    for path in _folders:
        shutil.rmtree(path, ignore_errors=True)


def main(*tests):
    """Runs the tests in order; the exit code says whether all passed."""
    code = 0
    try:
        for test in tests:
            before = len(_failures)
            started = time.monotonic()
            test()
            state = "ok" if len(_failures) == before else "FAILED"
            print(f"{state:6} {test.__name__} ({time.monotonic() - started:.1f} s)")
    except Exception as problem:  # a crash of the test is a failure with its reason
        import traceback
        traceback.print_exc()
        for server in _servers:
            tail = server.errors()[-1500:]
            if tail:
                print(f"--- log of {' '.join(server.arguments[1:5])}\n{tail}")
        print("FAILED:", problem)
        code = 1
    finally:
        cleanup()
    sys.exit(code or (1 if _failures else 0))
