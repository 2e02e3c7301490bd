# SPDX-License-Identifier: Apache-2.0
"""What tests on real Slurm wait for. (support/jobs.py: what the stand-in's tests do.)"""

from .common import wait_until

UNTIL_GO = "until [ -e go ]; do sleep 0.1; done"


def go(fc, name):
    """Lets a job end that waits with UNTIL_GO."""
    (fc.work / name / "go").touch()


def token_of(uow):
    return f"flowcron={uow['id']}.{uow['attempt']}"


def scheduler_of(fc):
    """What `status` says of it."""
    answer = fc.ctl("status")
    assert answer.code == 0, answer
    return answer.data["scheduler"]


def wait_polls(fc, polls=3):
    """Waits until Slurm was asked, and has answered, so many times more."""
    for _ in range(polls):
        last = scheduler_of(fc)["last_answer"]
        wait_until(lambda then=last: scheduler_of(fc)["last_answer"] != then, fc.trouble)
