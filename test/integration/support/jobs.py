# SPDX-License-Identifier: Apache-2.0
"""Jobs, as a person at the prompt sees them."""

import subprocess

from .common import wait_until
from .units import script

SCRIPT = "scripts/submission_script.sh"


def sbatch_script(directives, *lines):
    """A Slurm script with these #SBATCH options."""
    head = "".join(f"#SBATCH {line}\n" for line in directives)
    return script(*lines, shebang=f"#!/bin/bash\n{head}")


def wait_job(fc, name):
    """Waits until Slurm has it, whatever it does with it; returns the job's id."""
    return wait_until(lambda: (fc.show(name) or {}).get("job_id"),
                      lambda: f"a job for {name!r}\n{fc.trouble()}")


def wait_polls(standin, polls=1):
    """Waits until the queue was looked at so many times more, and its answers were taken."""
    standin.wait_calls("squeue", polls + 1)


def slurm(standin, *argv):
    """A Slurm command at the prompt; returns what it printed."""
    done = subprocess.run([standin.bin / argv[0], *argv[1:]], check=True, stdout=subprocess.PIPE,
                          text=True)
    return done.stdout
