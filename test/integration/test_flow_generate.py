# SPDX-License-Identifier: Apache-2.0
"""`flowcronctl flow generate` and `flow validate`: what they write and say, and what the generated
flows do when they are run. Here the test plays FlowCron; with the real one it is test_globus*.py."""

import ast
import itertools
import json
import os
import random
import re

import pytest

from support.flows import GROUP, HPC, INDEX, REPOSITORY, Site, flowcronctl, make_folders
from support.globus_person import check_told
from flowemu import Fail, Slow, Unable  # pylint: disable=wrong-import-order
from flowemu.definition import check_definition  # pylint: disable=wrong-import-order
from published import published_flow  # pylint: disable=wrong-import-order


@pytest.fixture
def site(tmp_path):
    return Site(tmp_path)


def finish_run(run):
    run.world.run(run)
    assert run.fault is None, run.story()
    return run


def labels(run):
    return [a.body["label"] for a in run.actions if "label" in a.body]


# ---- the whole way ----

@pytest.mark.parametrize("slash", ["", "/", "//"])
def test_success(site, slash):
    run = site.to_the_wait(site.start(site.generate(), site.input(f"/me/{site.name}{slash}", delete=False)))
    name = site.on_cluster()
    assert name.startswith("cells 07_") and len(name) == len("cells 07_") + 36
    assert (site.base / "Status" / name).is_dir()
    result = site.finish("done - succeeded")
    finish_run(run)
    assert run.status == "SUCCEEDED", run.story()
    assert (site.unit / "result/data/map").read_text() == "density"
    assert (site.unit / "flowcron/report.txt").exists()
    assert not (site.unit / "sentinels").exists()
    assert result.exists()


def test_the_status_folder_comes_first_and_the_sentinel_last(site):
    run = site.to_the_wait(site.start(site.generate(), site.input()))
    order = [(a.provider, a.body.get("path", "").rpartition("/")[2]) for a in run.actions]
    made = [what for what in order if what[0] in ("mkdir", "transfer")]
    name = site.on_cluster()
    assert made == [("mkdir", name), ("transfer", ""), ("mkdir", "sentinels")]
    upload = run.used("transfer")[0].body
    assert upload["encrypt_data"] and upload["verify_checksum"] and upload["preserve_timestamp"]
    assert upload["notify_on_succeeded"] is False


@pytest.mark.parametrize("entry,reason", [
    ("done - failed - out of memory, used 46 of 47 GB", "failed - out of memory, used 46 of 47 GB"),
    ("done - rejected - there is no scripts∕submission_script.sh", "rejected - there is no scripts"),
    ("done - cancelled", "cancelled"),
    ("done - lost", "lost"),
])
def test_failure_ends_with_the_reason(site, entry, reason):
    run = site.to_the_wait(site.start(site.generate(), site.input(delete=True)))
    result = site.finish(entry, "FailedJobs")
    finish_run(run)
    assert run.status == "FAILED" and run.error == "JobDidNotSucceed"
    assert reason in run.cause and "done - " not in run.cause
    assert "Slurm" not in run.cause
    assert (site.unit / "flowcron/report.txt").exists()
    assert result.exists(), "evidence is never removed"


@pytest.mark.parametrize("entry,folder", [("done - succeeded - as ", "AnalysedFiles"),
                                          ("done - failed - a node died - as ", "FailedJobs")])
def test_a_new_name_is_followed(site, entry, folder):
    run = site.to_the_wait(site.start(site.generate(), site.input()))
    new = site.on_cluster() + "-20261121-072811"
    site.finish(entry + new, folder, new_name=new)
    finish_run(run)
    assert (site.unit / "flowcron/report.txt").exists(), run.story()
    assert run.data["result"]["name"] == new
    assert " - as " not in run.data["result"]["outcome"]


def test_a_name_that_looks_like_two(tmp_path):
    site = Site(tmp_path, name="one - as two")
    run = site.to_the_wait(site.start(site.generate(), site.input()))
    new = site.on_cluster() + "-2"
    site.finish("done - succeeded - as " + new, new_name=new)
    finish_run(run)
    assert run.status == "SUCCEEDED", run.story()


def test_a_reason_that_looks_like_a_new_name(site):
    run = site.to_the_wait(site.start(site.generate(), site.input()))
    site.finish("done - failed - it was run - as root", "FailedJobs")
    finish_run(run)
    assert "it was run - as root" in run.cause
    assert (site.unit / "flowcron/report.txt").exists()


@pytest.mark.parametrize("option,given,gone", [("ask", {"delete": True}, True), ("ask", {"delete": False}, False),
                                               ("ask", {}, False), ("always", {}, True),
                                               ("never", {"delete": True}, False)])
def test_delete(site, option, given, gone):
    flow = site.generate("--delete", option)
    asked = flow[1]["properties"]["input"]["properties"]
    assert ("delete" in asked) == (option == "ask")
    run = site.to_the_wait(site.start(flow, site.input(**given)))
    result = site.finish("done - succeeded")
    finish_run(run)
    assert run.status == "SUCCEEDED"
    assert result.exists() != gone
    assert (site.unit / "result/data/map").exists()


def test_nothing_is_removed_that_did_not_come_back(site):
    flow = site.generate("--delete", "always")
    run = site.to_the_wait(site.start(flow, site.input()))
    run.world.inject(Fail("QUOTA", "no space left on lab"), provider="transfer")
    result = site.finish("done - succeeded")
    finish_run(run)
    assert run.status == "FAILED" and run.error == "ReturnFailed"
    assert "no space left on lab" in run.cause and result.name in run.cause
    assert result.exists() and not run.used("delete")


# ---- look before moving ----

def without(part):
    def spoil(site):
        for path in (site.unit / part).iterdir():
            path.unlink()
        (site.unit / part).rmdir()
    return spoil


def file_instead(part):
    def spoil(site):
        without(part)(site)
        (site.unit / part).write_text("")
    return spoil


@pytest.mark.parametrize("path,spoil,error", [
    ("/me/cells 07", without("data"), "NotAUnitOfWork"),
    ("/me/cells 07", without("scripts"), "NotAUnitOfWork"),
    ("/me/cells 07", file_instead("scripts"), "NotAUnitOfWork"),
    ("/me/cells 07", lambda site: (site.unit / "sentinels").mkdir(), "SentinelsInTheWay"),
    ("/me/cells 07/data/movie", lambda site: None, "NotAFolder"),
    ("/me/cells 07/data/movie/", lambda site: None, "NotAFolder"),
    ("/me/cells 08/", lambda site: None, "FolderNotFound"),
    ("/", lambda site: None, "NoFolderChosen"),
    ("/~/", lambda site: None, "NoFolderChosen"),
])
def test_looks_before_it_moves(site, path, spoil, error):
    spoil(site)
    run = finish_run(site.start(site.generate(), site.input(path)))
    assert run.status == "FAILED" and run.error == error, run.story()
    assert len(run.cause) > 40 and "Nothing was moved" in run.cause
    assert not run.used("transfer") and not run.used("mkdir")


def test_a_cluster_that_takes_no_folder(site):
    run = site.start(site.generate(), site.input())
    run.world.inject(Fail("PermissionDenied", "read-only file system"), provider="mkdir")
    finish_run(run)
    assert run.error == "ClusterNotWritable" and "read-only file system" in run.cause
    assert not run.used("transfer")


@pytest.mark.parametrize("fault,word", [(Fail("QUOTA", "quota exceeded"), "quota exceeded"),
                                        (Unable("the consent is gone"), "the consent is gone")])
def test_a_failed_upload(site, fault, word):
    run = site.start(site.generate(), site.input())
    run.world.inject(fault, provider="transfer")
    finish_run(run)
    assert run.error == "UploadFailed" and word in run.cause
    assert len(run.used("mkdir")) == 1, "no sentinel"


def test_the_sentinel_is_tried_twice(site):
    flow = site.generate()
    run = site.start(flow, site.input())
    run.world.inject(Fail("x", "busy"), state="SayUploadIsComplete")
    site.to_the_wait(run)
    assert (site.base / "UploadedFiles" / site.on_cluster() / "sentinels").is_dir()
    second = site.start(flow, site.input())
    second.world.inject(Fail("x", "still busy"), provider="mkdir", skip=1, times=2)
    finish_run(second)
    assert second.error == "SentinelsNotMade" and "still busy" in second.cause


# ---- waiting ----

def test_live_status_in_the_log(site):
    run = site.to_the_wait(site.start(site.generate(), site.input()))
    name = site.on_cluster()
    for entry, state in (("arriving", "WaitWhileArriving"), ("waiting - the scheduler does not answer", "WaitForTheScheduler"),
                         ("pending - Resources", "WaitInTheQueue"), ("running - since 12:03 on 2 nodes", "WaitWhileTheJobRuns"),
                         ("finishing", "WaitForTheResult")):
        site.say(name, entry)
        run.world.run(run, until=lambda state=state: run.at == state)
        assert entry in run.story()
    site.finish("done - succeeded")
    finish_run(run)
    assert run.status == "SUCCEEDED"


def test_a_week(site):
    flow = site.generate()
    run = site.to_the_wait(site.start(flow, site.input()))
    site.say(site.on_cluster(), "running - since 12:03 on 2 nodes")
    looks = [len(run.used("ls"))]
    pauses = []

    def a_week_later():
        if run.data["progress"]["round"] > looks[-1]:
            looks.append(run.data["progress"]["round"])
            pauses.append(run.data["progress"]["pause"])
        return sum(pauses) > 7 * 86400
    run.world.run(run, until=a_week_later)
    assert pauses == sorted(pauses) and len(set(pauses)) > 10
    before = run.actions[:]
    site.finish("done - succeeded")
    finish_run(run)
    assert run.status == "SUCCEEDED" and len(before) < len(run.actions)
    assert run.events < 2000, run.events
    assert len(run.used("ls")) == run.data["progress"]["round"], "one action a round"


@pytest.mark.parametrize("missing", ["failed", "unable", "succeeded"])
def test_a_cluster_that_does_not_answer_is_borne_with(site, missing):
    run = site.to_the_wait(site.start(site.generate(), site.input(), knobs={"ls_missing": missing}))
    run.world.inject(Unable("maintenance"), provider="ls", times=5)
    board = site.base / "Status" / site.on_cluster()
    board.rename(board.parent / ".away")
    run.world.run(run, until=lambda: run.data.get("progress", {}).get("silent", 0) >= 8)
    (board.parent / ".away").rename(board)
    site.finish("done - succeeded")
    finish_run(run)
    assert run.status == "SUCCEEDED", run.story()


@pytest.mark.parametrize("entry,error,words", [
    (None, "NoNews", ["Nothing was ever heard"]),
    ("running - since 12:03", "WaitedTooLong", ["running - since 12:03", "flow that fetches"]),
    ("gone - in the recycling bin", "ResultGone", ["in the recycling bin"]),
])
def test_clear_ends(site, entry, error, words):
    run = site.to_the_wait(site.start(site.generate("--rounds", "100"), site.input()))
    name = site.on_cluster()
    if entry:
        site.say(name, entry)
    finish_run(run)
    assert run.status == "FAILED" and run.error == error, run.story()
    for word in [*words, name]:
        assert word in run.cause


# ---- options ----

def test_results_only(site):
    flow = site.generate("--return", "results")
    run = site.to_the_wait(site.start(flow, site.input(), inferred=True))
    (site.unit / "data/movie").unlink()
    site.finish("done - succeeded")
    finish_run(run)
    assert run.status == "SUCCEEDED", run.story()
    assert not (site.unit / "data/movie").exists(), "the uploaded data does not travel"
    assert (site.unit / "result/data/map").exists(), "but a folder of that name within a result does"


def test_too_many_results_to_list_come_back_whole(site):
    flow = site.generate("--return", "results")
    run = site.to_the_wait(site.start(flow, site.input(), inferred=True))
    result = site.finish("done - succeeded")
    for i in range(120):
        (result / f"result {i}").write_text("")
    (site.unit / "data/movie").unlink()
    finish_run(run)
    assert (site.unit / "data/movie").exists() and (site.unit / "result 119").exists(), run.story()


def test_share_index_publish(site):
    flow = site.generate("--share", GROUP, "--index", INDEX, "--publish", f"{REPOSITORY}:/papers/")
    given = site.input(title="Ten frames", keywords=["cryo", "em"], description="It's \"odd\"", delete=False)
    run = site.to_the_wait(site.start(flow, given))
    result = site.finish("done - succeeded")
    finish_run(run)
    assert run.status == "SUCCEEDED", run.story()
    assert (site.repository / "papers" / result.name / "result/data/map").exists()
    permission, = run.world.collections[HPC].permissions
    assert permission["principal"] == GROUP and permission["permissions"] == "r"
    assert permission["path"].rstrip("/").endswith(result.name)
    entry, = run.world.index[INDEX].values()
    assert f"urn:globus:groups:id:{GROUP}" in entry["visible_to"]
    content = entry["content"]
    assert content["title"] == "Ten frames" and content["keywords"] == ["cryo", "em"]
    assert content["outcome"] == "succeeded" and content["name"] == result.name
    assert content["uploaded"] < content["returned"]
    assert content["copy_path"].rstrip("/").endswith(result.name)


def test_a_failed_job_is_indexed_but_not_published(site):
    flow = site.generate("--index", INDEX, "--publish", f"{REPOSITORY}:/papers")
    run = site.to_the_wait(site.start(flow, site.input(title="T")))
    site.finish("done - failed - exit code 1", "FailedJobs")
    finish_run(run)
    assert run.error == "JobDidNotSucceed"
    entry, = run.world.index[INDEX].values()
    assert entry["content"]["outcome"] == "failed - exit code 1" and entry["content"]["copy_path"] == ""
    assert list((site.repository / "papers").iterdir()) == []


@pytest.mark.parametrize("provider,error", [("manage_permission", "SharingFailed"), ("ingest", "IndexingFailed"),
                                            ("transfer", "CopyFailed")])
def test_what_fails_after_the_return_says_so(site, provider, error):
    flow = site.generate("--share", GROUP, "--index", INDEX, "--publish", f"{REPOSITORY}:/papers")
    run = site.to_the_wait(site.start(flow, site.input(title="T")))
    run.world.inject(Fail("x", "not today"), provider=provider, skip=provider == "transfer")
    result = site.finish("done - succeeded")
    finish_run(run)
    assert run.status == "FAILED" and run.error == error, run.story()
    assert "is back" in run.cause and "not today" in run.cause
    assert (site.unit / "result/data/map").exists() and result.exists()


def test_run_as_flow(site):
    """The cluster's collection lets the flow in; the researcher may use it for transfers alone."""
    flow = site.generate("--run-as-flow", "--delete", "always")
    run = site.to_the_wait(site.start(flow, site.input()))
    site.finish("done - succeeded")
    finish_run(run)
    assert run.status == "SUCCEEDED"
    assert {a.role for a in run.actions if a.provider == "transfer"} == {"User"}
    for action in run.actions:
        if action.provider != "transfer":
            at = action.body.get("endpoint_id") or action.body.get("endpoint")
            assert action.role == ("Flow" if at == HPC else "User"), action.state


def test_fetch(site):
    flow = site.generate("--fetch")
    kept = site.base / "AnalysedFiles" / "cells-07"
    kept.mkdir()
    (kept / "map").write_text("density")
    run = site.start(flow, site.input(f"/me/{site.name}", name="cells-07", delete=True))
    site.to_the_wait(run)
    site.say("cells-07", "done - succeeded")
    finish_run(run)
    assert run.status == "SUCCEEDED", run.story()
    assert (site.unit / "map").read_text() == "density" and not kept.exists()


def test_fetch_of_a_renamed_one_into_a_new_folder(site):
    flow = site.generate("--fetch")
    (site.base / "Status/cells-07").mkdir()
    kept = site.base / "FailedJobs/cells-07-20261121-072811"
    kept.mkdir()
    (kept / "report").write_text("")
    site.say("cells-07", "done - failed - timeout - as cells-07-20261121-072811")
    run = finish_run(site.start(flow, site.input("/me/new", name="cells-07")))
    assert run.error == "JobDidNotSucceed" and "failed - timeout" in run.cause
    assert (site.lab / "me/new/report").exists()


def test_fetch_of_what_nobody_knows(site):
    run = finish_run(site.start(site.generate("--fetch"), site.input(name="cels-07")))
    assert run.error == "NoNews" and "cels-07" in run.cause
    with pytest.raises(Exception, match="does not match"):
        site.start(site.generate("--fetch"), site.input(name="../cells-07"))


# ---- chains ----

@pytest.fixture
def chain(site):
    """A second and a third instance; the third's path on the collection is another."""
    bases = [site.base, site.root / "hpc/second", site.root / "hpc/third"]
    for base in bases[1:]:
        make_folders(base)
    for n, base in enumerate(bases):
        config = {"base": str(base), "globus": {"hpc_name": "Bask", "collection_id": HPC,
                                                "collection_path": "/" + str(base.relative_to(site.root / "hpc"))}}
        if n < 2:
            config["chain"] = {"to": str(bases[n + 1] / "UploadedFiles")}
        path = site.config if n == 0 else site.root / f"part{n}.yaml"
        path.write_text(json.dumps(config))
    return bases


def move_on(site, name, bases, n, new_name=None):
    """What FlowCron does with a success of instance n that moves on."""
    folder = bases[n] / "UploadedFiles" / name
    new_name = new_name or name
    folder.rename(bases[n + 1] / "UploadedFiles" / new_name)
    board, = (bases[n] / "Status" / name).iterdir() if any((bases[n] / "Status" / name).iterdir()) else (None,)
    entry = "gone - moved on to the next instance" + (f" - as {new_name}" if new_name != name else "")
    if board:
        board.rename(board.parent / entry)
    else:
        (bases[n] / "Status" / name / entry).mkdir()


def test_a_chain_is_followed_to_its_end(site, chain):
    run = site.to_the_wait(site.start(site.generate("--then", f"{site.root}/part1.yaml,{site.root}/part2.yaml"), site.input()))
    name = site.on_cluster()
    new = name + "-20261121-072811"
    move_on(site, name, chain, 0, new)
    run.world.run(run, until=lambda: (chain[1] / "Status" / new).is_dir())
    (chain[1] / "Status" / new / "running - since 12:03").mkdir()
    run.world.run(run, until=lambda: run.at == "WaitWhileTheJobRuns")
    move_on(site, new, chain, 1)
    run.world.run(run, until=lambda: (chain[2] / "Status" / new).is_dir())
    (chain[2] / "UploadedFiles" / new / "map").write_text("density")
    (chain[2] / "UploadedFiles" / new).rename(chain[2] / "AnalysedFiles" / new)
    (chain[2] / "Status" / new / "done - succeeded").mkdir()
    finish_run(run)
    assert run.status == "SUCCEEDED", run.story()
    assert (site.unit / "map").read_text() == "density"


def test_a_failure_along_a_chain(site, chain):
    run = site.to_the_wait(site.start(site.generate("--then", f"{site.root}/part1.yaml,{site.root}/part2.yaml"), site.input()))
    name = site.on_cluster()
    move_on(site, name, chain, 0)
    (chain[1] / "UploadedFiles" / name).rename(chain[1] / "FailedJobs" / name)
    (chain[1] / "FailedJobs" / name / "report").write_text("")
    (chain[1] / "Status" / name).mkdir()
    (chain[1] / "Status" / name / "done - failed - out of memory").mkdir()
    finish_run(run)
    assert run.error == "JobDidNotSucceed" and "out of memory" in run.cause
    assert (site.unit / "report").exists()


def test_a_chain_that_is_none(site, chain):
    def refused(*then):
        return flowcronctl("--config", site.config, "flow", "generate", *then, cwd=site.root, code=1).stderr
    assert "does not move its successes on" in refused("--then", f"{site.root}/part2.yaml")
    assert "part9" in refused("--then", f"{site.root}/part9.yaml")
    done = flowcronctl("--config", site.config, "flow", "generate", cwd=site.root)
    assert "does not follow it there" in done.stderr


# ---- whatever the names ----

@pytest.mark.parametrize("hpc,path,name", [
    ("it's \"a\\b\" 100% `c` $.d", "/it's/ü \"x\"\\`y", "o'clock \"5\" 100% \\n ü `z`"),
    ("漢字" * 40, "/p", "漢" * 85),
    ("Bask", "/p", "💩" * 63),
    ("  x  ", "/~", "n" * 200),
    ("", "/p/", " a "),
])
def test_names_of_all_kinds(tmp_path, hpc, path, name):
    site = Site(tmp_path, hpc_name=hpc, path=path.replace("~", ""), name=name)
    run = site.to_the_wait(site.start(site.generate("--delete", "always"), site.input()))
    assert run.status == "ACTIVE", run.story()
    site.finish("done - succeeded")
    finish_run(run)
    assert run.status == "SUCCEEDED", run.story()
    assert len(labels(run)) == 3
    for label in labels(run):
        assert 1 <= len(label) <= 128 and label == label.strip()
    assert (site.unit / "result/data/map").exists()


def test_a_slow_upload_is_waited_for(site):
    run = site.start(site.generate(), site.input())
    run.world.inject(Slow(5 * 86400), provider="transfer")
    site.to_the_wait(run)
    assert (site.base / "UploadedFiles" / site.on_cluster() / "sentinels").is_dir()


# ---- the orders themselves ----

def test_files_and_output(site, tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    done = flowcronctl("--config", site.config, "flow", "generate", "--output", out, cwd=tmp_path)
    assert sorted(os.listdir(out)) == ["FlowCron-cryo_definition.json", "FlowCron-cryo_input_schema.json"]
    assert done.stdout.split() == [f"{out}/FlowCron-cryo_definition.json", f"{out}/FlowCron-cryo_input_schema.json"]
    done = flowcronctl("--config", site.config, "flow", "generate", cwd=out)
    assert done.stdout.split() == sorted(os.listdir(out))
    assert "a week" in done.stderr
    flowcronctl("--config", site.config, "flow", "generate", "--output", tmp_path / "none", cwd=tmp_path, code=1)


@pytest.mark.parametrize("options,code,word", [
    (["--delete", "maybe"], 2, "ask, always or never"),
    (["--return", "some"], 2, "all or results"),
    (["--first", "soon"], 2, "duration"),
    (["--factor", "much"], 2, "number"),
    (["--rounds", "-1"], 2, "whole number"),
    (["--share", "friends"], 1, "UUID"),
    (["surplus"], 2, "too many"),
    (["--fech"], 2, "--fetch"),
])
def test_wrong_options(site, options, code, word):
    done = flowcronctl("--config", site.config, "flow", "generate", *options, cwd=site.root, code=code)
    assert word in done.stderr
    assert not list(site.root.glob("*.json"))


def test_without_a_collection(site):
    site.config.write_text(f"base: {site.base}\n")
    done = flowcronctl("--config", site.config, "flow", "generate", "--json", cwd=site.root, code=1)
    assert "globus.collection_id" in json.loads(done.stdout)["message"]


def test_what_is_generated_is_valid(site):
    switches = [["--fetch"], ["--run-as-flow"], ["--return", "results"], ["--index", INDEX],
                ["--publish", f"{REPOSITORY}:/p"], ["--delete", "never"]]
    for n in (0, 1, len(switches)):
        for chosen in itertools.combinations(switches, n):
            site.generate(*itertools.chain(*chosen))
            files = sorted(site.root.glob("FlowCron*.json"))
            told = json.loads(flowcronctl("flow", "validate", "--json", *files).stdout)
            for one in told:
                check_told("validate", one)
                assert one["valid"] and not one["faults"], one
                for warning in one["warnings"]:
                    assert warning["path"].startswith("States.ChooseWhatComesBack"), one
            for path in files:
                path.unlink()


def nodes(value, path=()):
    yield path
    for key, inner in value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ():
        yield from nodes(inner, (*path, key))


def spoilt(definition, chance):
    """A copy with one thing removed, replaced, renamed or added somewhere."""
    copy = json.loads(json.dumps(definition))
    *way, key = chance.choice([path for path in nodes(copy) if path])
    holder = copy
    for step in way:
        holder = holder[step]
    kind = chance.randrange(3 if isinstance(holder, dict) else 2)
    if kind == 0:
        del holder[key]
    elif kind == 1:
        holder[key] = chance.choice(["$.x", True, False, 0, -1, 1.5, "ReadTheForm", "x", None, [], {}, "https://x", ["a"], "'a'"])
    else:
        holder[chance.choice(["Next", "End", "Seconds", "Cause", "Result", "Variable", "IsNull", "StringEquals", "And", "x.$",
                              "x.=", "Default", "InputPath", "Type", "ResultPath"])] = holder.pop(key)
    return copy


def judged(document):
    try:
        return check_definition(document, True)
    except (TypeError, AttributeError):
        return ["it is too odd to be read"]


def is_unknown_error(fault):
    """`flow validate` only warns of the name of an error that is documented nowhere."""
    _, found, rest = fault.partition(".ErrorEquals: ")
    names = ast.literal_eval(rest.partition(": known are")[0]) if found else None
    return isinstance(names, list) and bool(names) and all(isinstance(name, str) for name in names)


def test_two_readers_agree(site):
    """`flow validate` and the emulator were written apart, from the same facts. What one alone judges is left out."""
    chance = random.Random(20261130)
    whole = [site.generate(*options)[0] for options in ([], ["--fetch", "--index", INDEX, "--return", "results"])]
    documents = [spoilt(chance.choice(whole), chance) for _ in range(100)]
    paths = []
    for n, document in enumerate(documents):
        paths.append(site.root / f"{n}.json")
        paths[-1].write_text(json.dumps(document))
    done = flowcronctl("flow", "validate", "--json", *paths, code=1)
    valid = 0
    for document, told in zip(documents, json.loads(done.stdout)):
        theirs = [fault for fault in judged(document)
                  if "must be said" not in fault and not is_unknown_error(fault)]
        ours = [fault for fault in told["faults"]
                if "this provider needs" not in fault["message"] and not re.search(r"Choices\[.*\.Comment$", fault["path"])
                and "would replace all" not in fault["message"]]
        theirs = [fault for fault in theirs if "ResultPath" not in fault]
        ours = [fault for fault in ours if "ResultPath" not in fault["path"]]
        assert bool(theirs) == bool(ours), f"{told['file']}\n{theirs}\n{ours}"
        valid += not theirs
    assert 10 < valid < 90, "the test must have both kinds"


def test_a_published_flow_is_valid(tmp_path):
    path = tmp_path / "published.json"
    path.write_text(json.dumps(published_flow(HPC, "/base/")))
    done = flowcronctl("flow", "validate", path)
    assert done.stdout == f"{path}: valid (definition)\n"


def test_validate_names_the_place(tmp_path):
    path = tmp_path / "d.json"
    path.write_text('{"StartAt": "A", "States": {\n  "A": {"Type": "Wait", "Seconds": 1, "Next": "B"}}}\n')
    done = flowcronctl("flow", "validate", path, code=1)
    assert f"{path}:2:47: fault: States.A.Next: there is no state \"B\"" in done.stdout
    told = json.loads(flowcronctl("flow", "validate", "--json", path, code=1).stdout)
    assert told["kind"] == "definition" and told["faults"][0]["line"] == 2
    path.write_text("{")
    assert "fault" in flowcronctl("flow", "validate", path, code=1).stdout
    assert "can't read" in flowcronctl("flow", "validate", tmp_path / "none", code=1).stderr
    assert "generate" in flowcronctl("flow", "generat", code=2).stderr
    assert "usage: flowcronctl flow validate" in flowcronctl("help", "flow", "validate").stdout
