# SPDX-License-Identifier: Apache-2.0
"""A base folder as the FlowCron of bash scripts leaves it while it is at work."""

import os
import shlex
import subprocess

from .common import as_user, do_as, owned_folder
from .units import make_uow

# What its clean-up job does, as far as it matters to whoever takes over: it moves the folder on.
CLEANUP = """#!/bin/bash
#SBATCH --account {account}
#SBATCH --qos {qos}
#SBATCH --time 0:5:0   #Five hours might be too long
#SBATCH --output="../Bin/cleanup%j.out"
source environment_variables.sh
mv $1 ${{failed_area}}
"""

VARIABLES = """source "bash_functions.sh"

#Variables to be filled in by setup script
qos=""
account=""
logging_file="${{logging_directory}}/$(date '+%Y-%m-%d')_cron_target.log"
failed_area="../FailedJobs"
#SOFTDELETE_DAYS Added automatically by setup.sh
SOFTDELETE_DAYS={soft}
#HARDDELETE_DAYS Added automatically by setup.sh
HARDDELETE_DAYS={purge}
"""


class LegacyBase:
    """`account`, `qos`: what its setup was told. Everything is made as the user of `home`."""

    def __init__(self, folder, home, account="proj", qos="normal", soft=14, purge=60):
        self.home = home
        self.base = owned_folder(folder, home.user, 0o2775)
        self.code = self.base / "CodeToRun"
        self.write("CodeToRun/cron.target.sh", "#!/bin/bash\ncd \"$1\"\n")
        self.write("CodeToRun/bash_functions.sh", "")
        self.write("CodeToRun/environment_variables.sh", VARIABLES.format(soft=soft, purge=purge))
        self.write("CodeToRun/cleanup.sh", CLEANUP.format(account=account, qos=qos))
        for name in ("UploadedFiles", "CodeToRun/slurm", "AnalysedFiles", "FailedJobs", "Bin", "Logs",
                     "SoftDelete/AnalysedFiles", "SoftDelete/FailedJobs"):
            self.do(lambda name=name: (self.base / name).mkdir(parents=True))

    def do(self, function):
        do_as(self.home.user, function, 0o022)

    def write(self, name, text):
        def write():
            path = self.base / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        self.do(write)

    def crontab_lines(self):
        """Its lines, and the little script in the home folder that they run."""
        launcher = self.home.dir / "cryo.sh"
        code = self.code

        def write():
            launcher.write_text(f'#!/bin/sh\n#Created by FlowCron setup\n\n"{code}/cron.target.sh" "{code}"\n')
            launcher.chmod(0o755)
        self.do(write)
        return ("# Added by Flowcron on Mon 1 Jan for script cryo.sh; do not delete without deleting line below\n"
                "*/5 * * * * ./cryo.sh\n")

    def uow(self, folder, name, mark=None, **how):
        """A Unit of Work in `folder`; mark: what is in its sentinels/, "" for nothing."""
        path = make_uow(self.base / folder, name, sentinel=mark is not None, user=self.home.user, **how)
        if mark:
            self.write(f"{folder}/{name}/sentinels/{mark}", "")
        return path

    def log(self, text):
        path = self.base / "Logs/2024-01-01_cron_target.log"
        before = path.read_text() if path.exists() else ""
        self.write("Logs/2024-01-01_cron_target.log", before + f"2024-01-01 10:00:00\t {text}\n")

    def sbatch(self, *args):
        """As its scripts call it: from CodeToRun, with relative paths. Returns the job's id."""
        done = subprocess.run(as_user(self.home.user, ["sbatch", "--parsable", *args]), cwd=self.code,
                              env=self.home.env(), stdin=subprocess.DEVNULL, capture_output=True, text=True,
                              check=False)
        assert done.returncode == 0, f"{shlex.join(args)}: {done.stderr}"
        return done.stdout.strip()

    def submit(self, name, *cleanup_options, log=True, **how):
        """A Unit of Work that runs, with its clean-up waiting. Returns both jobs' ids."""
        self.uow("CodeToRun/slurm", name, mark="SlurmRunning", **how)
        path = f"slurm/{name}"
        job = self.sbatch(f"--output={path}/slurm-%j.out", f"--error={path}/slurm-%j.err",
                          f"{path}/scripts/submission_script.sh", path)
        cleanup = self.sbatch(f"--dependency=afterany:{job}", *cleanup_options, "cleanup.sh", path, job)
        if log:
            self.log(f"cron.target sent sbatch --parsable  {path}/scripts/submission_script.sh {path} "
                     f"with JobID {job} to the queue")
            self.log(f"clean_up created with {cleanup} to the queue")
        return job, cleanup

    def contents(self):
        """Every file of every Unit of Work: (its name, path in it) → what it holds. Marks aside."""
        found = {}
        for place in ("UploadedFiles", "CodeToRun/slurm", "AnalysedFiles", "FailedJobs", "SoftDelete/AnalysedFiles",
                      "SoftDelete/FailedJobs"):
            for folder, _, files in os.walk(self.base / place):
                for name in files:
                    path = os.path.relpath(os.path.join(folder, name), self.base / place)
                    uow, _, inside = path.partition("/")
                    if inside.split("/")[0] not in ("sentinels", "flowcron", ""):
                        with open(os.path.join(folder, name), "rb") as file:
                            found[uow, inside] = file.read()
        return found
