# SPDX-License-Identifier: Apache-2.0
"""One FlowCron instance under test: its folders, its daemon, and questions to it."""

import copy
import glob
import json
import os
import signal
import socket
import subprocess
import threading

import yaml

from .common import BUILD, PLAIN, as_user, current_user, do_as, owned_folder, program, tail, wait_until
from .home import Home
from .units import as_bytes, complete, make_uow

# As fast as the configuration allows; tests wait on conditions, so these only save time.
FAST = {
    "watch": {"rescan_interval": "1s"},
    "scheduler": {"type": "local", "slots": 4, "poll_interval": "1s", "command_timeout": "20s"},
}

REPORT_MARKS = ("ERROR: AddressSanitizer", "ERROR: LeakSanitizer", "runtime error:",
                "AddressSanitizer:DEADLYSIGNAL")


def merge(under, over):
    """Nested dictionaries, `over` winning."""
    out = copy.deepcopy(under)
    for key, value in (over or {}).items():
        nested = isinstance(value, dict) and isinstance(out.get(key), dict)
        out[key] = merge(out[key], value) if nested else copy.deepcopy(value)
    return out


class Answer:
    """What flowcronctl said: code, out, err (text), data (its JSON, or None)."""

    def __init__(self, done, parse):
        self.code = done.returncode
        self.out = done.stdout.decode("utf-8", "surrogateescape")
        self.err = done.stderr.decode("utf-8", "surrogateescape")
        self.data = None
        if parse and self.out.strip():
            try:
                self.data = json.loads(self.out)
            except json.JSONDecodeError as error:
                raise AssertionError(f"{done.args}: no JSON: {error}\n{self.out}") from error

    def __repr__(self):
        return f"Answer(code={self.code}, out={self.out!r}, err={self.err!r})"


class Notifications(threading.Thread):
    """What the daemon tells its service manager: a list of the messages, as sent."""

    def __init__(self, path):
        super().__init__(daemon=True)
        self.path = path
        self.messages = []
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(str(path))
        os.chmod(path, 0o777)
        self.start()

    def run(self):
        while True:
            message = self.socket.recv(65536).decode(errors="replace")
            if message == "end":
                self.socket.close()
                return
            self.messages.append(message)

    def end(self):
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as last:
            last.sendto(b"end", str(self.path))
        self.join()

    def count(self, line):
        return sum(line in message.splitlines() for message in self.messages)


class Instance:
    """Made by the fixture `instance`. Paths are pathlib.Path; names may be str or bytes."""

    def __init__(self, root, name="test", *, config=None, user=None, home=None, base="base",
                 plain=False):
        self.build = PLAIN if plain else BUILD
        self.root = root
        self.name = name
        self.user = user or current_user()
        self.home = home or Home(root, user)
        self.base = owned_folder(root / base, self.user, 0o2775)
        self.config_file = root / f"{name}.yaml"
        self.stderr_file = root / f"{name}.stderr"
        self.stderr_file.touch()
        self.notifications = Notifications(root / f"{name}.notify")
        self.process = None
        self.wrapper = []  # what runs the daemon: ["program", "argument", …] that executes the rest
        self.defaults = {}
        self.configure(config)

    # ---- configuration and folders ----

    def configure(self, config=None):
        """Writes the configuration: FAST, `base`, the backend's, what is given. Does not reload."""
        self.config = merge(merge(merge(FAST, {"base": str(self.base)}), self.defaults), config)
        self.config_file.write_text(yaml.safe_dump(self.config, allow_unicode=True))
        self.config_file.chmod(0o644)

    def folder(self, key, default):
        return self.base / self.config.get("paths", {}).get(key, default)

    @property
    def uploaded(self):
        return self.folder("uploaded", "UploadedFiles")

    @property
    def work(self):
        return self.folder("work", "CodeToRun/slurm")

    @property
    def analysed(self):
        return self.folder("analysed", "AnalysedFiles")

    @property
    def failed(self):
        return self.folder("failed", "FailedJobs")

    @property
    def bin(self):
        return self.folder("bin", "SoftDelete")

    @property
    def status(self):
        return self.folder("status", "Status")

    @property
    def orders(self):
        return self.folder("orders", "Orders")

    @property
    def logs(self):
        return self.folder("logs", "Logs")

    @property
    def state(self):
        return self.base / ".flowcron"

    def make_folders(self):
        """What setup makes; the daemon does not need it, tests that upload before the start do."""
        def make():
            for folder in (self.uploaded, self.work, self.analysed, self.failed, self.bin,
                           self.status, self.orders, self.logs):
                folder.mkdir(parents=True, exist_ok=True)
                folder.chmod(0o2775)
        do_as(self.user, make, 0o002)

    # ---- the daemon ----

    def env(self, **more):
        env = self.home.env()
        # A report also of children whose stderr is read by the daemon ends in a file.
        env["ASAN_OPTIONS"] = env.get("ASAN_OPTIONS", "") + ":exitcode=99"
        env["UBSAN_OPTIONS"] = env.get("UBSAN_OPTIONS", "") + ":print_stacktrace=1"
        env.update({key: str(value) for key, value in more.items() if value is not None})
        return env

    def daemon_argv(self, *args):
        return as_user(self.user, [*self.wrapper, program("flowcrond", self.build), "--config",
                                   self.config_file, *args])

    def start(self, *args, wait=True, **env):
        """Starts the daemon; returns when it says READY=1 (or at once with wait=False)."""
        assert not self.running(), "already running"
        ready = self.notifications.count("READY=1")
        with open(self.stderr_file, "ab") as err:
            # pylint: disable-next=consider-using-with
            self.process = subprocess.Popen(
                self.daemon_argv(*args), cwd="/", stdin=subprocess.DEVNULL, stdout=err, stderr=err,
                env=self.env(NOTIFY_SOCKET=self.notifications.path, **env), start_new_session=True)
        if wait:
            wait_until(lambda: self.notifications.count("READY=1") > ready or not self.running(),
                       "flowcrond says that it is ready")
            assert self.running(), f"flowcrond ended with {self.process.returncode}\n" \
                                   f"{tail(self.stderr_file)}"
        return self

    def running(self):
        return self.process is not None and self.process.poll() is None

    def signal(self, number):
        """To flowcrond itself: setpriv has replaced itself by it."""
        self.process.send_signal(number)

    def wait_exit(self, timeout=60):
        return self.process.wait(timeout)

    def stop(self):
        """SIGTERM; asserts that it ends in order."""
        self.signal(signal.SIGTERM)
        code = self.wait_exit()
        assert code == 0, f"flowcrond ended with {code}\n{tail(self.stderr_file)}"

    def kill(self):
        """SIGKILL: what a crash leaves."""
        self.signal(signal.SIGKILL)
        self.wait_exit()

    def restart(self):
        self.stop()
        return self.start()

    def reload(self):
        """SIGHUP; returns when the daemon says READY=1 again, as Type=notify-reload has it."""
        ready = self.notifications.count("READY=1")
        self.signal(signal.SIGHUP)
        wait_until(lambda: self.notifications.count("READY=1") > ready or not self.running(),
                   "flowcrond says that it has reloaded")
        assert self.running(), "flowcrond ended at the reload"

    def once(self, timeout=120):
        """One pass of flowcrond --once; returns the exit code."""
        with open(self.stderr_file, "ab") as err:
            return subprocess.run(self.daemon_argv("--once"), cwd="/", stdin=subprocess.DEVNULL,
                                  stdout=err, stderr=err, env=self.env(), timeout=timeout,
                                  check=False).returncode

    # ---- flowcronctl ----

    def ctl(self, *args, parse=True, user=None, stdin=None, timeout=120, config=True, **env):
        """Runs flowcronctl and returns an Answer; parse=False leaves --json away."""
        argv = [program("flowcronctl", self.build), *(["--config", self.config_file] if config else []),
                *(["--json"] if parse else []), *args]
        done = subprocess.run(as_user(user or self.user, argv), cwd="/", env=self.env(**env),
                              input=stdin or b"", capture_output=True, timeout=timeout, check=False)
        answer = Answer(done, parse)
        assert_no_report(answer.err, argv)
        return answer

    def show(self, name):
        """`show` of one UoW, None when there is none."""
        answer = self.ctl("show", "--", as_bytes(name))
        if answer.code == 4:
            return None
        assert answer.code == 0, answer
        return answer.data

    def list(self, *args):
        answer = self.ctl("list", *args)
        assert answer.code == 0, answer
        return answer.data

    def events(self, name):
        answer = self.ctl("history", "--", as_bytes(name))
        assert answer.code == 0, answer
        return answer.data

    def event_names(self, name):
        return [event["event"] for event in self.events(name)]

    # ---- Units of Work ----

    def upload(self, name, files=None, **how):
        """See make_uow(); into UploadedFiles/."""
        if not self.uploaded.exists():
            self.make_folders()
        how.setdefault("user", self.user)
        return make_uow(self.uploaded, name, files, **how)

    def complete(self, name):
        """Makes the sentinels of an upload that was made with sentinel=False."""
        uow = os.path.join(as_bytes(self.uploaded), as_bytes(name))
        do_as(self.user, lambda: complete(uow))

    def wait_state(self, name, state, outcome=None, phase=None, timeout=None):
        """Waits until the UoW is in this state; returns it."""
        last = None

        def reached():
            nonlocal last
            last = self.show(name)
            return (last and last["state"] == state
                    and (outcome is None or last.get("outcome") == outcome)
                    and (phase is None or last.get("phase") == phase) and last)

        wanted = " ".join(filter(None, (state, outcome, phase)))
        return wait_until(
            reached, lambda: f"{name!r} to be {wanted}; it is {last}\n{self.trouble()}", timeout)

    def wait_finished(self, name, outcome="succeeded", timeout=None):
        """Waits until it is over, however it ended, and asserts how."""
        uow = self.wait_state(name, "finished", timeout=timeout)
        assert uow["outcome"] == outcome, f"{uow}\n{self.trouble()}"
        return uow

    def folders(self):
        """Where things are: key → sorted names (bytes); hidden ones left out."""
        keys = ("uploaded", "work", "analysed", "failed", "status", "orders")
        found = {key: listing(getattr(self, key)) for key in keys}
        found["bin"] = listing(self.bin / "AnalysedFiles") + listing(self.bin / "FailedJobs")
        return found

    def where(self, name):
        """The folders (keys as in folders()) that hold this name, board and orders aside."""
        return [key for key, names in self.folders().items()
                if as_bytes(name) in names and key not in ("status", "orders")]

    def result(self, name):
        """The path (bytes) of a UoW in whichever result folder it is."""
        for folder in (self.analysed, self.failed):
            path = os.path.join(as_bytes(folder), as_bytes(name))
            if os.path.lexists(path):
                return path
        raise AssertionError(f"{name!r} is in no result folder: {self.folders()}\n{self.trouble()}")

    def read(self, name, path):
        """A file of a filed UoW, as text."""
        with open(os.path.join(self.result(name), as_bytes(path)), "rb") as file:
            return file.read().decode("utf-8", "surrogateescape")

    def report(self, name):
        return self.read(name, "flowcron/report.txt")

    def record(self, name):
        return json.loads(self.read(name, "flowcron/record.json"))

    def job_output(self, name, ending=".out"):
        """What all jobs of a filed UoW printed."""
        found = sorted(glob.glob(glob.escape(self.result(name)) + b"/slurm-*" + ending.encode()))
        return "".join(open(path, errors="replace", encoding="utf-8").read() for path in found)

    def board(self, name):
        """The one entry of the status board, None while there is none."""
        found = [entry.decode("utf-8", "surrogateescape") for entry in
                 listing(os.path.join(as_bytes(self.status), as_bytes(name)))]
        return found[0] if found else None

    # ---- what went wrong ----

    def log_text(self):
        return "".join(path.read_text(errors="replace") for path in sorted(self.logs.glob("*.log")))

    def stderr_text(self):
        return self.stderr_file.read_text(errors="replace")

    def trouble(self):
        """What a failed assertion wants to show."""
        return f"--- stderr of flowcrond\n{tail(self.stderr_file)}\n--- folders {self.folders()}"

    def close(self):
        """The end of the test: ends the daemon; a report of a sanitizer fails the test."""
        try:
            if self.running():
                self.signal(signal.SIGTERM)
                try:
                    self.wait_exit(30)
                except subprocess.TimeoutExpired:
                    self.kill()
                    raise AssertionError(f"flowcrond did not end\n{self.trouble()}") from None
            assert_no_report(self.stderr_text(), "flowcrond")
        finally:
            print(self.trouble())
            self.notifications.end()


def listing(folder):
    """Sorted names as bytes, without hidden ones; empty when the folder is not there."""
    try:
        return sorted(n for n in os.listdir(as_bytes(folder)) if not n.startswith(b"."))
    except FileNotFoundError:
        return []


def assert_no_report(text, what):
    assert not any(mark in text for mark in REPORT_MARKS), f"{what}: a sanitizer's report\n{text}"
