# SPDX-License-Identifier: Apache-2.0
"""A stand-in Slurm for a test: a folder of commands, a state folder, and the test's hand in it.

    slurm = StandIn(tmp_path, "build/standin/standin-slurm", mode="norun")
    subprocess.run([...], env=slurm.env())
    slurm.fault("sbatch", "timeout-done", n=1)
    slurm.set_state(7, "FAILED", exit=3)
    assert slurm.submissions() == ...

README.md says which knobs and faults there are.
"""

import contextlib
import fcntl
import json
import os
import pathlib
import shlex
import subprocess
import time

COMMANDS = ("sbatch", "squeue", "sacct", "scancel", "scontrol", "sinfo", "sacctmgr")


class StandIn:
    """One stand-in cluster in `folder`/bin and `folder`/state."""

    def __init__(self, folder, binary=None, **knobs):
        binary = binary or os.environ.get("STANDIN_SLURM")
        if not binary:
            raise ValueError("no binary given, and STANDIN_SLURM is not set")
        folder = pathlib.Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        self.bin = folder / "bin"
        self.state = folder / "state"
        subprocess.run([binary, "install", self.bin, self.state], check=True)
        self._knobs = {}
        self.knob(**knobs)

    def env(self, base=None, **more):
        """An environment in which the stand-in's commands come first."""
        env = dict(os.environ if base is None else base)
        env.pop("STANDIN_STATE", None)
        env["PATH"] = f"{self.bin}:{env.get('PATH', '/usr/bin:/bin')}"
        env.update(more)
        return env

    def run(self, *argv, **kwargs):
        """Runs one of the commands, as a user would; answers the CompletedProcess (bytes as text)."""
        kwargs.setdefault("env", self.env())
        return subprocess.run([os.fsencode(a) if isinstance(a, os.PathLike) else a for a in argv],
                              capture_output=True, text=True, errors="surrogateescape",
                              stdin=subprocess.DEVNULL, check=False, **kwargs)

    def _ctl(self, *argv):
        done = subprocess.run([self.bin / "standin-slurm", *map(str, argv)], env=self.env(),
                              capture_output=True, text=True, errors="surrogateescape", check=False)
        if done.returncode:
            raise RuntimeError(done.stderr)
        return done.stdout

    # Knobs and faults

    @contextlib.contextmanager
    def _locked(self):
        with open(self.state / "lock", "a+b") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def _replace(self, path, text):
        new = path.with_name(path.name + ".new")
        new.write_text(text)
        new.rename(path)

    def knob(self, **knobs):
        """Sets knobs; None takes one back to its default."""
        with self._locked():
            path = self.state / "knobs"
            if path.exists():
                lines = path.read_text().splitlines()
                self._knobs = dict(line.split("=", 1) for line in lines if "=" in line)
            for name, value in knobs.items():
                if value is None:
                    self._knobs.pop(name, None)
                else:
                    self._knobs[name] = str(int(value) if isinstance(value, bool) else value)
            self._replace(path, "".join(f"{k}={v}\n" for k, v in self._knobs.items()))

    def fault(self, command, kind, text=None, **keys):
        """Adds a fault to a command ("all": to each), e.g. fault("sbatch", "timeout-done", n=2)."""
        line = " ".join([kind, *(f"{k}={v}" for k, v in keys.items())])
        if text is not None:
            line += f" text={text}"
        with self._locked():
            path = self.state / "faults" / command
            path.parent.mkdir(exist_ok=True)
            old = path.read_text() if path.exists() else ""
            self._replace(path, old + line + "\n")

    def clear_faults(self, command=None):
        """Takes all faults away, or one command's."""
        with self._locked():
            for path in (self.state / "faults").glob(command or "*"):
                path.unlink()

    # Jobs

    def jobs(self, *ids):
        """All records as dictionaries, earlier lives included (those have "current": False)."""
        return [json.loads(line) for line in self._ctl("list", *ids).split("\n") if line]

    def job(self, job_id):
        """The current record of one job or task ("7_3"); of an array, what bears its id."""
        found = [j for j in self.jobs(job_id) if j["current"]]
        if len(found) > 1:
            found = [j for j in found if str(j["id"]) == str(job_id)]
        if len(found) != 1:
            raise KeyError(job_id)
        return found[0]

    def set_state(self, job_id, state, **details):
        """Brings a job, or one task of an array, into a state; see README.md for the details."""
        self._ctl("set", job_id, state, *(f"{k}={v}" for k, v in details.items()))

    def set_all(self, state, **details):
        """Brings all jobs that are not over into a state."""
        self._ctl("set-all", state, *(f"{k}={v}" for k, v in details.items()))

    def next_id(self, job_id):
        """The id of the next job; an earlier job's for a cluster whose ids began anew."""
        self._ctl("next-id", job_id)

    def forget(self, *ids):
        """Makes the controller forget jobs that are over, as after MinJobAge."""
        self._ctl("forget", *ids)

    def stop(self):
        """Kills all jobs that run."""
        self._ctl("stop")

    def wait(self, condition, timeout=30):
        """Waits until condition() holds; a guard against hanging, no measurement."""
        end = time.monotonic() + timeout
        while not condition():
            if time.monotonic() > end:
                raise TimeoutError
            time.sleep(0.01)

    def wait_state(self, job_id, *states, timeout=30):
        """Waits until the job is in one of the states and its processes are gone."""
        def reached():
            job = self.job(job_id)
            return job["state"] in states and not (job["completing"] or job["runner"]
                                                   and job["state"] != "RUNNING")
        self.wait(reached, timeout)
        return self.job(job_id)

    # The ground truth

    def _lines(self, name):
        path = self.state / name
        if not path.exists():
            return []
        text = path.read_bytes().decode(errors="surrogateescape")
        return [json.loads(line) for line in text.split("\n") if line.endswith("}")]

    def truth(self, event=None):
        """What really happened, in order: submit, start, end, cancel, requeue, hold, release, ..."""
        return [e for e in self._lines("truth.log") if event is None or e["event"] == event]

    def submissions(self, token=None):
        """All submissions that were accepted, those with that token in the comment if given."""
        return [e for e in self.truth("submit") if token is None or e["token"] == token]

    def runs(self, token=None):
        """All starts of scripts."""
        return [e for e in self.truth("start") if token is None or e["token"] == token]

    def calls(self, command=None):
        """All calls of the commands, or of one: "time", "command", "argv", "pid"."""
        return [c for c in self._lines("calls.log") if command is None or c["command"] == command]


def main():
    """standin.py FOLDER BINARY [knob=value ...]: makes a stand-in by hand, prints how to use it."""
    import sys

    slurm = StandIn(sys.argv[1], sys.argv[2], **dict(a.split("=", 1) for a in sys.argv[3:]))
    print(f"PATH={shlex.quote(str(slurm.bin.resolve()))}:$PATH")


if __name__ == "__main__":
    main()
