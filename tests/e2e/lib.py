"""What the end-to-end tests share: servers on free loopback ports, ended by their ids; traffic; answers.

Every wait is bounded, by far more than a loaded machine takes, and by what a hang would exceed. What is meant
to be quick is measured by a Watch, which does not count while the machine stands still, and tried again before it
is called slow (quickly()). What is sent over UDP waits for the reader (WAITING), so that none of it is dropped but
on purpose. A test is a program: exit 0 passed, 77 skipped (say why in the first line), anything else failed.
"""
import json
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
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = (ROOT / os.environ.get("BUILD", "build")).resolve()
WEIRD, WEIR, WEIRGEN = BUILD / "weird", BUILD / "weir", BUILD / "weirgen"
SLOW = 5 if "asan" in str(BUILD) else 1  # sanitized builds get more time, not less work
PATIENCE = 60 * SLOW  # seconds for what takes none
WAITING = ["--waiting", "48K"]  # of weirgen: at most so much in the receiver's socket, whose least size is 128K

# Some tests hold more connections than the 1,024 files that a shell of Debian may have open at once.
_soft, _hard = resource.getrlimit(resource.RLIMIT_NOFILE)
resource.setrlimit(resource.RLIMIT_NOFILE, (max(_soft, min(_hard, 8192)), _hard))

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
        arguments = [str(WEIRD), "--data", str(data), "--http", http, "--netflow", netflow,
                     "--sflow", "127.0.0.1:0", "--ipfix", "127.0.0.1:0", *map(str, options)]
        self.log = tempfile.TemporaryFile()
        self.process = subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=self.log)
        _servers.append(self)
        line = self._ready_line(PATIENCE)
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
        self.process.wait(PATIENCE)
        self._ended()


class Nfcapd:
    """Debian's collector, writing into a folder. It can not choose a free port itself. Whole hours begin new files,
    so there may be two."""

    def __init__(self, folder):
        for _ in range(8):
            self.port = free_port()
            self.log = tempfile.TemporaryFile()
            self.process = subprocess.Popen(["nfcapd", "-b", "127.0.0.1", "-p", str(self.port), "-w", str(folder),
                                             "-t", "3600"], stdout=self.log, stderr=self.log)
            _servers.append(self)
            if wait_bound(self.port, self.process):
                return
        raise RuntimeError(f"nfcapd found no port: {self.errors()}")

    def errors(self):
        self.log.seek(0)
        return self.log.read().decode(errors="replace")

    def stop(self):
        """When all that was sent has been read."""
        wait_read(self.port)
        self.process.terminate()
        self.process.wait(PATIENCE)

    def kill(self):
        self.process.kill()
        self.process.wait(PATIENCE)


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


def keeps_templates(data):
    """Whether a collector there has kept templates for the next one; the file of none has 24 octets."""
    file = data / "templates"
    return file.exists() and file.stat().st_size > 24


def records(data, *options):
    """Every stored record, as `weird records` prints it."""
    text = run(WEIRD, "records", "--data", data, *options, seconds=300)
    return [json.loads(line) for line in text.splitlines()]


def weirgen(*options, seconds=120):
    """The truth that weirgen prints. What it sends is not dropped."""
    return json.loads(run(WEIRGEN, *options, *(WAITING if "--udp" in options else ()), seconds=seconds))


def wait_for(what, condition, seconds=60, step=0.05):
    """Calls condition() until it is true; its value."""
    end = time.monotonic() + seconds * SLOW
    while time.monotonic() < end:
        value = condition()
        if value:
            return value
        time.sleep(step)
    raise TimeoutError(f"waited {seconds * SLOW} s for {what}")


def queued(port):
    """Octets that wait in the fullest UDP socket of this port (proc(5)); None when there is no such socket."""
    sizes = [int(line.split()[4].split(":")[1], 16) for family in ("udp", "udp6")
             for line in pathlib.Path("/proc/net", family).read_text().splitlines()[1:]
             if int(line.split()[1].rsplit(":", 1)[1], 16) == port]
    return max(sizes, default=None)


def wait_bound(port, process):
    """Until a receiver that is no weird has the port; False when it ended instead."""
    wait_for(f"port {port} to be bound", lambda: process.poll() is not None or queued(port) is not None)
    return process.poll() is None


def wait_read(port, most=0):
    """Until what was sent to a port of this machine has been read, but for so many octets."""
    if (queued(port) or 0) > most:
        wait_for(f"port {port} to be read", lambda: (queued(port) or 0) <= most, step=0.001)


_ports = iter(range(10000 + os.getpid() % 9000, 30000))


def free_port():
    """A UDP port that nobody has, below those that the kernel gives to whoever wants any; another each time."""
    for port in _ports:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            try:
                probe.bind(("0.0.0.0", port))
                return port
            except OSError:
                pass
    raise RuntimeError("no free port")


class Watch(threading.Thread):
    """Counts the time that the machine gave: seconds() is what passed less what it stood still, or let this
    thread wait, for longer than a tick."""
    TICK = 0.02

    def __init__(self):
        super().__init__(daemon=True)
        self.ended, self.passed = threading.Event(), 0.0
        self.start()

    def run(self):
        last = time.monotonic()
        while not self.ended.wait(self.TICK):
            now = time.monotonic()
            self.passed += min(now - last, 2 * self.TICK)
            last = now

    def seconds(self):
        return self.passed

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.ended.set()
        self.join()


def quickly(what, most, measure, tries=3):
    """measure() returns how long something took, in seconds of a Watch or of a processor; at most `most` is
    wanted. A machine that was busy with something else is asked again, and that is said."""
    took = []
    for _ in range(tries):
        took.append(measure())
        if took[-1] <= most:
            break
        print(f"       {what}: {took[-1]:.2f} s, more than {most:.2f}")
    check(took[-1] <= most, f"{what}: {', '.join('%.2f' % t for t in took)} s, {most:.2f} are allowed")
    return took[-1]


def stacks(process):
    """By thread: its innermost functions but those of libc, if gdb is installed and may look."""
    if not shutil.which("gdb"):
        return {}
    try:
        said = subprocess.run(["gdb", "-batch", "-nx", "-p", str(process.pid), "-ex", "thread apply all bt 12"],
                              stdin=subprocess.DEVNULL, capture_output=True, timeout=60, text=True,
                              errors="replace").stdout
    except (OSError, subprocess.TimeoutExpired):
        return {}
    return {name: " < ".join(re.findall(r"^#\d+ +(?:0x\w+ in )?(?!__|0x)(\w+)", part, re.M))
            for name, part in re.findall(r"^Thread .*?\(LWP (\d+)\)(.*?)(?=^Thread |\Z)", said, re.M | re.S)}


def threads(process, most=24):
    """What the threads of a process do, a line each: name, state, what it waits for in the kernel (proc(5)), and
    where it is."""
    lines, where = [], stacks(process)
    for task in sorted(pathlib.Path(f"/proc/{process.pid}/task").glob("*"))[:most]:
        try:
            state = (task / "stat").read_text().rsplit(")", 1)[1].split()[0]
            lines.append(f"{task.name} {(task / 'comm').read_text().strip()}: {state} "
                         f"{(task / 'wchan').read_text()} {where.get(task.name, '')}"[:200])
        except OSError:
            pass  # it has ended
    return "\n".join(lines)


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
                print(f"--- log of {' '.join(server.process.args[:5])}\n{tail}")
        if isinstance(problem, (TimeoutError, subprocess.TimeoutExpired)):
            for server in [s for s in _servers if s.process.poll() is None][:3]:
                print(f"--- threads of {' '.join(server.process.args[:5])}\n{threads(server.process)}")
        print("FAILED:", problem)
        code = 1
    finally:
        cleanup()
    sys.exit(code or (1 if _failures else 0))
