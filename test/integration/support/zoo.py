# SPDX-License-Identifier: Apache-2.0
"""One UoW in each state that can be held still, named after it."""

from .common import wait_until
from .jobs import wait_job

EVERY = {"arriving", "staged", "pending", "running", "finished", "failed", "rejected", "bin",
         "purged"}


def gone(fc, uow_id):
    return wait_until(lambda: (lambda u: u["state"] == "purged" and u)(fc.show(uow_id)),
                      lambda: f"{fc.show(uow_id)}\n{fc.trouble()}")


def make_zoo(instance, standin):
    """An instance with all of them; its `ids` are theirs."""
    standin.set(mode="norun", partition_state="down")
    fc = instance(backend=standin, config={"retention": {"soft_delete_after": "1s"}}).start()
    for name in ("bin", "purged"):
        fc.upload(name)
    for name in ("bin", "purged"):
        standin.end(wait_job(fc, name))
    for name in ("bin", "purged"):
        fc.wait_state(name, "soft-deleted")
    assert fc.ctl("purge", "purged", "--yes").code == 0
    gone(fc, "purged")
    fc.configure({"scheduler": {"max_queued": 2}})
    fc.reload()
    for name, end in (("finished", "COMPLETED"), ("failed", "FAILED")):
        fc.upload(name)
        standin.end(wait_job(fc, name), end)
    fc.upload("rejected", commands="cd $HOME")
    for name in ("finished", "failed", "rejected"):
        fc.wait_state(name, "finished")
    fc.upload("pending")
    fc.upload("running")
    standin.ctl("set", wait_job(fc, "running"), "RUNNING")
    fc.upload("staged")
    fc.upload("arriving", sentinel=False)
    fc.wait_state("running", "queued", phase="running")
    fc.wait_state("pending", "queued", phase="pending")
    fc.wait_state("staged", "staged")
    wait_until(lambda: fc.show("arriving"), "it to be seen")
    fc.ids = {name: fc.show(name).get("id") for name in EVERY}
    return fc
