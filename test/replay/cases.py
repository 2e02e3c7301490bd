# SPDX-License-Identifier: Apache-2.0
"""Which state folders are kept, and what flowcron-eventlog(5) and lib/eventlog.h promise of each.

What a case claims is written here by hand; the rest of its expected.json is what the claim leaves open.
"""

from dataclasses import dataclass, field
from typing import Callable

from edits import sealed
from life import ODD_SHOWN


@dataclass
class Case:
    name: str
    what: str
    source: str  # of which life: whole, checkpoints, taken-over
    edit: Callable
    quarantined: tuple = ()  # names
    changed: dict = field(default_factory=dict)  # name → members that are not those of the source; None: not there
    orphans: int = 0  # beside them, known by their id alone
    refused: tuple = ()  # words, if nobody reads it
    words: tuple = ()  # of the daemon that starts
    never: tuple = ()


def nothing(_log):
    pass


def torn(log):
    name = log.segments()[-1]
    log.files[name] = log.files[name][:-20]


def endless(log):
    """In the place of a line that changes nothing that is seen afterwards."""
    log.replace("cancelled", "cancelling", lambda line: b"x" * 300_000 + b"\n")


def damage(name, old, new):
    def edit(log):
        file = name(log)
        assert old in log.files[file]
        log.files[file] = log.files[file].replace(old, new, 1)
    return edit


def checkpoint_cut(log, *which):
    for i in which:
        name = log.checkpoints()[i]
        log.files[name] = log.files[name][:-30]


def no_checkpoint(log):
    for name in log.checkpoints():
        del log.files[name]


def no_beginning(log):
    checkpoint_cut(log, 0, 1)
    for name in [name for name in log.files if name.startswith("history/")]:
        del log.files[name]


def fenced(log):
    """The writer of the last segment but one writes on, after its successor has begun."""
    last, before = log.segments()[-1], log.segments()[-2]
    seq = int(last.split("-")[1])
    written = log.files[before]
    for n, name in enumerate(("finished", "failed", "binned")):
        written += sealed_purge(log, seq + n, name)
    log.files[before] = written


def sealed_purge(log, seq, name):
    return sealed({"seq": seq, "time": "2026-12-01T00:00:00.000000Z", "event": "purged", "id": log.ids()[name],
                   "attempt": 1, "by": "control"})


def empty_segment(log):
    log.files[f"log-{log.last() + 1:020}-{99:010}-000001.jsonl"] = b""


def strays(log):
    last = log.segments()[-1]
    log.files.update({"core": b"\x7fELF", "log-1-1-1.jsonl": b"x", last + "~": b"x\n", ".checkpoint-x.tmp": b"",
                      "checkpoint-90.jsonl": b"{}", "log-00000000000000000001-0000000001-000001.jsonl.orig": b"",
                      "folder/log-00000000000000000001-0000000001-000001.jsonl": b"x\n",
                      "link": "../config.yaml", "nowhere": "/does/not/exist", "up": ".."})


def link_for_segment(log):
    log.files[f"log-{log.last() + 1:020}-{99:010}-000001.jsonl"] = "../config.yaml"


def orphan(log):
    log.append({"event": "staged", "id": "00000000-dead-4bad-8bad-000000000000", "attempt": 0,
                "script": "run.sh", "sha256": "00" * 32})


def without_segment(segment):
    def edit(log):
        del log.files[log.segments()[segment]]
    return edit


CASES = [
    Case("every-state", "a Unit of Work in each state that lasts, after four lives", "whole", nothing, never=("damaged", "torn")),
    Case("submitting", "died when the intent to submit was on disk, without an answer", "whole",
         lambda log: log.cut_after("pending", "submitting"),
         changed={"pending": {"phase": "submitting", "job_id": None}, "staged": None}),
    Case("held", "died when a job was submitted held, and not yet released", "whole",
         lambda log: log.cut_after("requeued", "queued"), 
         changed={"requeued": {"attempt": 1}, "running": None, "pending": None, "staged": None}),
    Case("settling", "died when an outcome was decided, and the result not yet filed", "whole",
         lambda log: log.cut_after("retried", "ended", 1),
         changed={"retried": {"state": "queued", "phase": "settling", "outcome": "succeeded"}, "moved": None,
                  "requeued": None, "running": None, "pending": None, "staged": None, "cancelled": None}),
    Case("purging", "died when the intent to purge was on disk, and nothing removed", "whole",
         lambda log: log.cut_after("purged", "purging"),
         changed={name: None for name in ("finished", "failed", "rejected", "cancelled", "retried", "requeued", "moved",
                                          "running", "pending", "staged", ODD_SHOWN)}
         | {"purged": {"state": "soft-deleted"}}),
    Case("checkpoints", "two checkpoints, segments since, and an archive", "checkpoints", nothing,
         never=("damaged", "torn")),
    Case("taken-over", "results of another program, imported by setup", "taken-over", nothing, never=("damaged", "torn")),

    Case("torn-line", "the last line was being written when the writer died: it never was", "whole", torn,
         changed={"staged": {"state": "uploaded", "script": None}}, words=("its last line is torn, and dropped",)),
    Case("bad-line", "a line in the middle whose checksum does not hold: its Unit of Work alone is in quarantine", "whole",
         lambda log: log.replace("failed", "ended", lambda line: line.replace(b"failed", b"fooled")),
         quarantined=("failed",), changed={"failed": {}},
         words=("is damaged", "is shown, and not acted upon")),
    Case("bad-checksum", "the checksum itself is wrong, on a line that changes nothing that can be seen", "whole",
         lambda log: log.replace("running", "queued", lambda line: line[:-11] + b'00000000"}\n'),
         quarantined=("running",), words=("is damaged",)),
    Case("nul-bytes", "NULs within a line", "whole",
         lambda log: log.replace("failed", "ended", lambda line: line[:-60] + bytes(20) + line[-40:]),
         quarantined=("failed",), words=("is damaged",)),
    Case("line-of-nuls", "a whole line of NULs, of nobody: what follows it still counts", "whole",
         lambda log: log.replace("cancelled", "cancelling", lambda line: bytes(len(line) - 1) + b"\n"),
         words=("can't be laid at any door",)),
    Case("line-of-300-kB", "longer than any line may be: passed over, and what follows it counts", "whole", endless,
         words=("is damaged",)),
    Case("unknown-event", "a sound line of a kind that is not known", "whole",
         lambda log: log.reseal("running", "queued", event="teleported"), quarantined=("running",),
         words=("no such kind of event: teleported",)),
    Case("unknown-words", "sound lines with words that are not known: the phase is passed over, the outcome makes its event count for nothing", "whole",
         lambda log: (log.reseal("running", "job", phase="levitating"), log.reseal("failed", "ended", outcome="enchanted")),
         changed={"running": {"phase": "pending"}, "failed": {"state": "queued", "outcome": None}},
         words=("(ended) does not fit what came before it and is ignored",)),
    Case("orphan", "an event of a Unit of Work of which nothing came before", "whole", orphan, orphans=1,
         words=("the first events of 00000000-dead-4bad-8bad-000000000000 are lost",)),
    Case("does-not-fit", "a sound event that is not allowed then is ignored", "whole",
         lambda log: log.append({"event": "restored", "id": log.ids()["pending"], "attempt": 1, "by": "control"}),
         words=("(restored) does not fit what came before it and is ignored",)),
    Case("missing-segment", "a segment is gone: that it is missing is said, and what came after it counts", "whole",
         without_segment(2), changed={"moved": None, "requeued": None}, orphans=1, words=("are missing", "the first events of")),
    Case("missing-first-segment", "without the beginning what is left is not taken for the whole", "whole", without_segment(0),
         refused=("do not go back to the beginning", "backup")),
    Case("missing-lines", "lines are gone without a trace: what does not fit without them is not acted upon", "whole",
         lambda log: [log.replace("failed", kind, lambda line: b"") for kind in ("staged", "submitting")],
         quarantined=("failed",), words=("are missing",)),
    Case("damaged-header", "the first line of a segment is damaged: its name is believed", "whole",
         damage(lambda log: log.segments()[1], b'"segment"', b'"sogment"'), words=("its name is believed",)),
    Case("newer-segment", "a segment of a newer format is refused", "whole", lambda log: log.newer(log.segments()[-1]),
         refused=("newer FlowCron", "install that version")),
    Case("empty-segment", "a segment without a byte, as its writer died", "whole", empty_segment),
    Case("link-for-a-segment", "a link with the name of a segment is not followed", "whole", link_for_segment,
         refused=("can't be read",)),
    Case("strays", "files, folders and links that are not ours", "whole", strays, never=("damaged", "torn", "core")),
    Case("fenced-writer", "a writer that had lost the lease wrote on beside its successor: none of it counts", "whole", fenced,
         words=("3 events of a writer that had lost the lease are ignored",)),

    Case("checkpoint-damaged", "the newest checkpoint is cut off; its predecessor and the segments since say the same",
         "checkpoints", lambda log: checkpoint_cut(log, 0), words=("is damaged", "an older one is used")),
    Case("checkpoints-damaged", "both are cut off; the archive goes back to the beginning", "checkpoints",
         lambda log: checkpoint_cut(log, 0, 1), words=("is damaged", "an older one is used")),
    Case("checkpoint-record-damaged", "one record of the newest checkpoint was changed: all of it is worth nothing",
         "checkpoints", damage(lambda log: log.checkpoints()[0], b'"failed"', b'"fooled"'),
         words=("the checksum is wrong", "an older one is used")),
    Case("no-checkpoint", "both checkpoints are gone; the archive goes back to the beginning", "checkpoints", no_checkpoint,
         never=("damaged", "torn")),
    Case("no-beginning", "both checkpoints are cut off and there is no archive: refused", "checkpoints", no_beginning,
         refused=("do not go back to the beginning", "backup")),
    Case("newer-checkpoint", "a checkpoint of a newer format is refused, not passed over for an older one", "checkpoints",
         lambda log: log.newer(log.checkpoints()[0]), refused=("newer",)),
]
