# SPDX-License-Identifier: Apache-2.0
"""What flowcronctl says and does: its JSON against the schemas, with a daemon and from disk; exit codes; orders."""

import json
import os
import shutil
import signal
import subprocess
import threading
import time

import jsonschema
import pytest

from support.common import SOURCE, program, wait_until
from support.units import as_bytes, make_uow

SCHEMAS = {name: json.loads((SOURCE / "schema" / f"{name}.schema.json").read_text())
           for name in ("uow", "list", "history", "status", "validate", "refusal")}
FAILING = "exit 3"


def check(name, data):
    resolver = jsonschema.RefResolver("", SCHEMAS[name],
                                      store={f"{n}.schema.json": s for n, s in SCHEMAS.items()})
    jsonschema.Draft202012Validator(SCHEMAS[name], resolver=resolver,
                                    format_checker=jsonschema.FormatChecker()).validate(data)


def refused(fc, code, *args, error=None, **more):
    answer = fc.ctl(*args, **more)
    assert answer.code == code, answer
    check("refusal", answer.data)
    if error:
        assert answer.data["error"] == error
    return answer.data


def some(fc):
    """A success, a failure, and one that is still arriving."""
    fc.upload("good")
    fc.upload("bad", commands=FAILING)
    fc.upload("early", sentinel=False)
    fc.wait_finished("good", "succeeded")
    fc.wait_finished("bad", "failed")
    wait_until(lambda: fc.list("--state", "arriving"), fc.trouble)


# ---- looking ----

def all_answers(fc):
    looks = [("list", "list", "--all"), ("uow", "show", "good"), ("uow", "status", "bad"),
             ("uow", "show", "early"), ("history", "history", "bad"), ("history", "history", "early"),
             ("list", "list", "--state", "finished", "--outcome", "failed")]
    answers = []
    for schema, *args in looks:
        answer = fc.ctl(*args)
        assert answer.code == 0, answer
        check(schema, answer.data)
        answers.append(answer.data)
    return answers


def steady(data):
    """Without what only the daemon, or only a look from outside, can tell of an arrival."""
    if isinstance(data, list):
        return [steady(d) for d in data]
    if data.get("state") == "arriving":
        return {k: v for k, v in data.items() if k in ("name", "state")}
    return data


def test_the_disk_says_what_the_daemon_says(instance):
    fc = instance().start()
    some(fc)
    online = all_answers(fc)
    status = fc.ctl("status")
    check("status", status.data)
    assert status.data["daemon"]["running"] and status.err == ""
    assert status.data["counts"]["finished"] == 2 and status.data["counts"]["arriving"] == 1
    fc.stop()
    offline = all_answers(fc)
    assert [steady(a) for a in offline] == [steady(a) for a in online]
    status = fc.ctl("status")
    check("status", status.data)
    assert not status.data["daemon"]["running"] and "can't be reached" in status.err
    assert status.data["counts"]["finished"] == 2 and status.data["counts"]["arriving"] == 1
    assert "does not run" in status.data["attention"][0]["what"]


def test_says_where_there_is_no_instance(instance):
    fc = instance()
    answer = refused(fc, 1, "status", error="unreadable")
    assert "never run" in answer["message"] and str(fc.state) in answer["message"]
    fc.base.rmdir()
    answer = refused(fc, 1, "list", error="unreadable")
    assert f"{fc.base} does not exist" in answer["message"]
    checked = subprocess.run(fc.daemon_argv("--check-config"), env=fc.env(), capture_output=True,
                             text=True, check=False)
    assert checked.returncode == 0 and "does not exist yet" in checked.stdout
    assert fc.once() == 1
    assert f"flowcrond[{fc.name}]: error: base folder {fc.base} does not exist" in fc.stderr_text()


def test_base_needs_no_configuration(instance):
    fc = instance().start()
    some(fc)
    answer = fc.ctl("--base", fc.base, "list", config=False)
    assert answer.code == 0 and [u["name"] for u in answer.data][0] == "early"
    assert refused(fc, 2, "--base", fc.base, "cancel", "good", config=False)
    assert refused(fc, 1, "--base", "/nonexistent", "list", config=False)


def test_a_daemon_of_another_base_is_not_taken_for_ours(instance):
    fc = instance().start()
    some(fc)
    other = fc.root / "elsewhere" / fc.config_file.name
    other.parent.mkdir()
    other.write_text(f"base: {fc.root / 'elsewhere'}\n")
    answer = fc.ctl("--config", other, "cancel", "good", config=False)
    assert answer.code == 1, answer
    assert fc.show("good")["outcome"] == "succeeded"


def test_names_and_beginnings(instance):
    fc = instance().start()
    for name in ("cells-1", "cells-2"):
        fc.upload(name)
        fc.wait_finished(name)
    uow = fc.show("cells-1")
    assert fc.show(uow["id"]) == fc.show(uow["id"][:13]) == uow
    answer = refused(fc, 4, "show", "cells-", error="ambiguous")
    assert "cells-1" in answer["message"] and "cells-2" in answer["message"]
    assert refused(fc, 4, "show", "nothing", error="not-found")
    assert refused(fc, 4, "show", "", error="not-found")


# ---- usage ----

@pytest.mark.parametrize("args", [
    ("lst",), ("list", "--state", "lost"), ("list", "--outcome", "finished"), ("list", "x"),
    ("show",), ("show", "a", "b"), ("show", "--frobnicate", "a"), ("retry",), ("retry", "--failed", "x"),
    ("purge", "x"), ("logs", "--lines", "0"), ("logs", "--lines"), ("submit",), ("--instance=/x", "list"),
])
def test_wrong_usage(instance, args):
    assert refused(instance(), 2, *args, error="usage")


def test_nearest_order_and_options_anywhere(instance):
    fc = instance().start()
    assert "list" in refused(fc, 2, "lsit")["message"]
    some(fc)
    with_options_behind = subprocess.run(
        [program("flowcronctl"), "list", "--state=finished", "--config", fc.config_file, "--json"],
        env=fc.env(), capture_output=True, check=True)
    assert len(json.loads(with_options_behind.stdout)) == 2


# ---- orders ----

def test_states_that_do_not_allow_it(instance):
    fc = instance().start()
    some(fc)
    for order in ("cancel", "restore"):
        before = fc.show("good")
        assert refused(fc, 5, order, "good", error="state")
        assert fc.show("good") == before
    assert refused(fc, 5, "cancel", "early", error="state")
    fc.stop()
    assert refused(fc, 5, "cancel", "good", error="state")
    assert refused(fc, 5, "restore", "bad", error="state")
    assert refused(fc, 5, "cancel", "early", error="state")
    assert not list((fc.state / "requests").glob("*.json"))


def test_each_is_tried_and_the_worst_counts(instance):
    fc = instance().start()
    some(fc)
    answer = fc.ctl("retry", "--yes", "nothing", "bad", "early")
    assert answer.code == 5
    assert [a.get("error") for a in answer.data] == ["not-found", None, "state"]
    check("uow", answer.data[1])
    fc.wait_finished("bad", "failed")
    assert fc.show("bad")["attempt"] == 2


def test_a_fresh_result_is_not_taken_away_without_asking(instance):
    fc = instance().start()
    some(fc)
    assert "ten minutes" in refused(fc, 2, "retry", "bad")["message"]
    assert "ten minutes" in refused(fc, 2, "retry", "--failed")["message"]
    assert fc.show("bad")["attempt"] == 1
    answer = fc.ctl("retry", "--failed", "--yes")
    assert answer.code == 0 and [u["name"] for u in answer.data] == ["bad"]


def test_orders_left_on_disk(instance):
    fc = instance().start()
    some(fc)
    fc.stop()
    answer = fc.ctl("retry", "--yes", "bad")
    assert answer.code == 0 and answer.data["deferred"] is True
    check("uow", answer.data)
    fc.start()
    wait_until(lambda: fc.show("bad").get("attempt") == 2, fc.trouble)
    fc.wait_finished("bad", "failed")
    assert not list((fc.state / "requests").glob("*.json"))


def test_only_the_daemon_can_tell(instance):
    fc = instance()
    assert refused(fc, 3, "reload", error="unreachable")
    assert refused(fc, 3, "watch", error="unreachable")


def test_reload(instance):
    fc = instance().start()
    assert fc.ctl("reload").code == 0
    good = fc.config_file.read_text()
    fc.config_file.write_text(good + "\nnonsense: 1\n")
    assert "nonsense" in refused(fc, 1, "reload", error="config")["message"]
    assert any("nonsense" in a["what"] for a in fc.ctl("status").data["attention"])
    fc.config_file.write_text(good)
    assert fc.ctl("reload").code == 0
    assert fc.ctl("status").data["attention"] == []


# ---- submit and validate ----

def test_validate(instance):
    fc = instance()
    folder = make_uow(fc.root, "local", sentinel=False)
    answer = fc.ctl("validate", folder)
    assert answer.code == 0 and answer.data["valid"]
    check("validate", answer.data)
    shutil.rmtree(folder + b"/data")
    with open(folder + b"/scripts/submission_script.sh", "a") as script:
        script.write("cd $HOME\n")
    answer = fc.ctl("validate", folder)
    check("validate", answer.data)
    assert answer.code == 1 and len(answer.data["faults"]) == 2, "the script's fault is not hidden"
    assert refused(fc, 1, "validate", "/nonexistent")


@pytest.mark.parametrize("commands,code", [("true", 0), (FAILING, 1)])
def test_submit_and_wait(instance, commands, code):
    fc = instance().start()
    folder = make_uow(fc.root, "local", {"data/x": "1"}, commands=commands)
    os.mkdir(folder + b"/sentinels/not-ours")
    answer = fc.ctl("submit", "--wait", folder)
    assert answer.code == code, answer
    check("uow", answer.data)
    assert answer.data["name"] == "local" and answer.data["state"] == "finished"
    assert os.path.exists(folder + b"/sentinels/not-ours"), "the local folder is left as it is"
    again = fc.ctl("submit", "--wait", folder)
    assert again.code == code and again.data["name"].startswith("local-")
    assert again.data["id"] != answer.data["id"]
    assert not [n for n in os.listdir(fc.uploaded) if n.startswith(".")]


def test_submit_refuses_what_would_be_rejected(instance):
    fc = instance().start()
    folder = make_uow(fc.root, "local", commands="cd $HOME", sentinel=False)
    assert "HOME" in refused(fc, 1, "submit", folder, error="rejected")["message"]
    assert os.listdir(fc.uploaded) == []


def test_submit_and_wait_without_a_daemon(instance):
    fc = instance()
    fc.once()
    folder = make_uow(fc.root, "local", sentinel=False)
    answers = []
    waiting = threading.Thread(target=lambda: answers.append(fc.ctl("submit", "--wait", folder)))
    waiting.start()
    deadline = time.monotonic() + 60
    while waiting.is_alive() and time.monotonic() < deadline:
        assert fc.once() == 0
        waiting.join(0.5)
    assert answers and answers[0].code == 0, answers
    assert answers[0].data["outcome"] == "succeeded"


def test_interrupted_wait_leaves_the_work_alone(instance):
    fc = instance().start()
    folder = make_uow(fc.root, "local", commands="sleep 2; echo done", sentinel=False)
    with subprocess.Popen([program("flowcronctl"), "--config", fc.config_file, "submit", "--wait", folder],
                          env=fc.env(), stdout=subprocess.PIPE, stderr=subprocess.PIPE) as wait:
        assert wait.stdout.readline() == b"local\n"
        wait.send_signal(signal.SIGINT)
        err = wait.communicate()[1]
        assert wait.returncode == 130 and b"goes on" in err
    fc.wait_finished("local", "succeeded")


# ---- watch and logs ----

def test_watch_shows_each_change_once(instance):
    fc = instance().start()
    fc.upload("before")
    fc.wait_finished("before")
    with subprocess.Popen([program("flowcronctl"), "--config", fc.config_file, "--json", "watch"],
                          env=fc.env(), stdout=subprocess.PIPE) as watch:
        lines = []
        reader = threading.Thread(target=lambda: lines.extend(watch.stdout))
        reader.start()
        n = 0
        while not lines:  # the first that it sees proves that it watches
            fc.upload(f"probe{n}")
            fc.wait_finished(f"probe{n}")
            n += 1
        fc.upload("seen")
        fc.wait_finished("seen")
        wait_until(lambda: any(b'"finished"' in l and b'"seen"' in l for l in list(lines)), fc.trouble)
        watch.send_signal(signal.SIGINT)
        reader.join()
        assert watch.wait() == 0
    changes = [json.loads(line) for line in lines]
    for change in changes:
        check("uow", change["uow"])
    events = [c["event"]["event"] for c in changes if c["uow"]["name"] == "seen"]
    assert events == [e for e in fc.event_names("seen") if e in events]
    assert events[0] == "uploaded" and events[-1] == "finished"
    assert not any(c["uow"]["name"] == "before" for c in changes)


def test_logs_of_one(instance):
    fc = instance().start()
    fc.upload("one")
    fc.upload("one-more")
    fc.wait_finished("one")
    fc.wait_finished("one-more")
    lines = fc.ctl("logs", "one").data
    assert lines and all(line["message"].startswith("one: ") for line in lines)
    assert len(fc.ctl("logs", "-n", "2").data) == 2
    assert len(fc.ctl("logs").data) > len(lines)


def test_show_says_why_it_failed(instance):
    fc = instance().start()
    fc.upload("bad", commands="echo first >&2\nprintf 'no \\033]0;x\\007movie.mrc\\n' >&2\nexit 3")
    fc.upload("ruled", commands="cd $HOME")
    fc.upload("good")
    for name, outcome in (("bad", "failed"), ("ruled", "rejected"), ("good", "succeeded")):
        fc.wait_finished(name, outcome)
    out = fc.ctl("show", "bad", parse=False).out
    assert "exit code 3" in out and "What to change" in out
    assert "| first" in out and "movie.mrc" in out and "\x1b" not in out and "\x07" not in out
    assert fc.report("bad").split("What happened")[1].split("\nWhen")[0].strip() in out
    assert "flowcronctl retry bad" in fc.ctl("status", "bad", parse=False).out
    out = fc.ctl("show", "ruled", parse=False).out
    assert "cd $HOME" in out and "What to change" in out
    assert "What happened" not in fc.ctl("show", "good", parse=False).out
    # Not another one's, not through a link; and it is no fault that there is none.
    record = fc.failed / "bad/flowcron/record.json"
    record.write_bytes((fc.failed / "ruled/flowcron/record.json").read_bytes())
    assert "What happened" not in fc.ctl("show", "bad", parse=False).out
    record.unlink()
    record.symlink_to(fc.failed / "ruled/flowcron/record.json")
    answer = fc.ctl("show", "bad", parse=False)
    assert answer.code == 0 and "exit code 3" in answer.out and "What happened" not in answer.out


def test_status_says_a_trouble_once(instance, standin):
    standin.set(partition_state="down")
    fc = instance(backend=standin).start()
    names = ["waits-a", "waits-b"]
    for name in names:
        fc.upload(name)
        fc.wait_state(name, "queued", phase="pending")
    wait_until(lambda: set(names) <= {a.get("uow") for a in fc.ctl("status").data["attention"]}, fc.trouble)
    out = fc.ctl("status", parse=False).out
    assert out.count("waits-") == 2 and out.count("PartitionDown") == 1
    standin.fault("all", "down")
    fc.upload("waits-c")
    wait_until(lambda: fc.ctl("status").data["scheduler"]["availability"] == "down", fc.trouble)
    wait_until(lambda: fc.show("waits-c").get("reason"), fc.trouble)
    assert fc.ctl("status", parse=False).out.count("Slurm is not answering") == 1
    assert "tried again by itself" in fc.ctl("status", "waits-c", parse=False).out


def test_nothing_reaches_the_terminal_unprinted(instance):
    fc = instance().start()
    name = b"evil\x1b]0;title\x07\xff\n\xe2\x80\xaegnp.exe\xe2\x80\x8b\xc2\x9b2J\r"
    fc.upload(name, commands="printf '\\033[2J\\302\\2332J\\342\\200\\256x\\n' >&2\nexit 3")
    fc.wait_finished(name, "failed")
    fc.upload(name + b"2", sentinel=False)
    wait_until(lambda: fc.list("--state", "arriving"), fc.trouble)

    def harmless(text):
        assert not [c for c in text if c in "\x1b\x07\r\u202e\u200b" or 0x7f <= ord(c) < 0xa0]
    for args in (("list",), ("show", name), ("history", name), ("status", name), ("logs", name),
                 ("status",), ("show", b"evil"), ("cancel", name), ("show", name + b"none")):
        for parse in (True, False):
            answer = fc.ctl(*[as_bytes(a) for a in args], parse=parse)
            harmless(answer.out + answer.err)
    harmless(fc.report(name))
    harmless(fc.log_text())
    harmless(fc.stderr_text())
    assert "\u202egnp.exe" in fc.show(name)["name"]
