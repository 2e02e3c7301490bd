# SPDX-License-Identifier: Apache-2.0
"""Programs, waiting, counting processor time and memory, the table."""

import os
import pathlib
import statistics
import subprocess
import sys
import time

SOURCE = pathlib.Path(__file__).resolve().parents[3]
BUILD = pathlib.Path(os.environ.get("FLOWCRON_BENCH_BUILD", SOURCE / "build-bench")).resolve()
TICK = os.sysconf("SC_CLK_TCK")

# A guard against waiting for ever, no measure of anything.
PATIENCE = 1800


def program(name):
    return BUILD / {"flowcrond": name, "standin-slurm": f"standin/{name}"}.get(
        name, f"test/bench/{name}")


def prepare():
    """What is needed is installed, as for test/run; for others than root what is there must do."""
    BUILD.mkdir(parents=True, exist_ok=True)
    if subprocess.run([SOURCE / "test/tools/install-packages", BUILD / "packages.log"],
                      stdout=sys.stderr, check=False).returncode:
        sys.exit(1)


def build():
    """An optimised tree without sanitizers, in a folder of its own."""
    launcher = ["-DCMAKE_C_COMPILER_LAUNCHER=ccache"] if which("ccache") else []
    log = BUILD / "build.log"
    with open(log, "wb") as out:
        for argv in (["cmake", "-S", SOURCE, "-B", BUILD, "-G", "Ninja", "-DFLOWCRON_TESTS=ON",
                      "-DFLOWCRON_SANITIZE=OFF", "-DCMAKE_BUILD_TYPE=RelWithDebInfo", *launcher],
                     ["cmake", "--build", BUILD, "--target", "flowcrond", "standin-slurm",
                      "bench-replay", "stamp"]):
            if subprocess.run(argv, stdout=out, stderr=out, check=False).returncode:
                sys.exit(f"the build failed, see {log}")


def which(name):
    return next((p for d in os.environ["PATH"].split(":") + ["/usr/sbin"]
                 if os.access(p := os.path.join(d, name), os.X_OK)), None)


def say(text):
    print(f"{time.strftime('%H:%M:%S')} {text}", file=sys.stderr, flush=True)


def wait_until(condition, what, every=0.05):
    end = time.monotonic() + PATIENCE
    while not (value := condition()):
        if time.monotonic() > end:
            sys.exit(f"waited in vain: {what}")
        time.sleep(every)
    return value


def count(folder):
    with os.scandir(folder) as entries:
        return sum(1 for _ in entries)


def cpu(pid):
    """Seconds of processor time: of the process, and of its children that are over."""
    text = pathlib.Path(f"/proc/{pid}/stat").read_text()
    own_u, own_s, child_u, child_s = map(int, text.rpartition(")")[2].split()[11:15])
    # The scheduler's own count of the first thread is in nanoseconds; the ticks are 10 ms.
    own = int(pathlib.Path(f"/proc/{pid}/schedstat").read_text().split()[0]) / 1e9
    return own or (own_u + own_s) / TICK, (child_u + child_s) / TICK


def memory(pid):
    """MiB: resident, and resident with what is shared counted in parts; peak resident."""
    rollup = pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text()
    status = pathlib.Path(f"/proc/{pid}/status").read_text()

    def field(text, name):
        return next(int(li.split()[1]) / 1024 for li in text.splitlines() if li.startswith(name))
    return field(rollup, "Rss:"), field(rollup, "Pss:"), field(status, "VmHWM:")


def quantile(values, q):
    """The smallest value that the part `q` of all does not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, max(0, -int(-q * len(ordered) // 1) - 1))]


median = statistics.median


class Table:
    """Rows: what, FlowCron's figure, what it is compared with, their relation, the goal."""

    def __init__(self):
        self.rows = []

    def add(self, what, figure, beside, relation, goal=""):
        self.rows.append((what, figure, beside, relation, goal))
        say(" | ".join(self.rows[-1]))

    def print(self):
        print("| what | FlowCron | beside it | relation | goal |\n|---|---|---|---|---|")
        for row in self.rows:
            print("| " + " | ".join(row) + " |")


def machine():
    """What it was measured on, in generic words."""
    model = next((li.split(":")[1].strip() for li in open("/proc/cpuinfo", encoding="utf-8")
                  if li.startswith("model name")), os.uname().machine)
    kind = subprocess.run(["stat", "-f", "-c", "%T", folder()], check=True, text=True,
                          stdout=subprocess.PIPE).stdout.strip()
    return (f"{os.cpu_count()} × {model}, Linux {os.uname().release.split('-')[0]}, {kind}, "
            f"load {os.getloadavg()[0]:.1f}")


def folder():
    """Where all is made and measured: a local disk."""
    return os.environ.get("FLOWCRON_BENCH_DIR", "/var/tmp")
