# SPDX-License-Identifier: Apache-2.0
"""The emulator itself: that it runs what is right, and that each strictness bites."""

import copy
import os
import pathlib
import re
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).parent))

# pylint: disable=wrong-import-position
from flowemu import (Answer, Collection, DefinitionError, Emulator, Expression, ExpressionError,
                     Fail, InputError, Pause, Retry, Slow, Stuck, Unable, check_definition)

LAB = "11111111-2222-4333-8444-555555555555"
HPC = "aaaaaaaa-bbbb-4ccc-8ddd-eeeeeeeeeeee"
TRANSFER = "https://transfer.actions.globus.org/"


def action(provider, body, **more):
    state = {"Type": "Action", "ActionUrl": TRANSFER + provider, "Parameters": body,
             "ExceptionOnActionFailure": False, "ResultPath": "$.result", "End": True, **more}
    if "Next" in more:
        del state["End"]
    return state


def flow(**states):
    return {"StartAt": next(iter(states)), "States": states}


def end():
    return {"Type": "Pass", "ResultPath": "$.end", "End": True}


@pytest.fixture
def world(tmp_path):
    """An emulator with two collections, lab/ with a folder work/, and hpc/."""
    for name in ("lab/work/data", "lab/work/empty", "hpc"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "lab/work/data/in").write_text("one\n")
    (tmp_path / "lab/work/run").write_text("two\n")
    emulator = Emulator(speed=1e9).add(Collection(LAB, tmp_path / "lab", home="/work", name="lab"),
                                       Collection(HPC, tmp_path / "hpc", name="hpc"))
    emulator.path = tmp_path
    return emulator


def run(emulator, definition, data=None):
    return emulator.run(emulator.start(definition, data or {}))


def copy_body(**more):
    return {"source_endpoint": LAB, "destination_endpoint": HPC,
            "DATA": [{"source_path": "/work", "destination_path": "/got"}], **more}


# ---- definitions ----

GOOD = flow(
    Look=action("stat", {"endpoint_id": LAB, "path.=": "input.path + 'x'"}, Next="Ask",
                Catch=[{"ErrorEquals": ["ActionUnableToRun"], "Next": "Bad",
                        "ResultPath": "$.error"}]),
    Ask={"Type": "Choice", "Default": "Bad",
         "Choices": [{"And": [{"Variable": "$.result.details.code", "IsPresent": True},
                              {"Variable": "$.n", "NumericLessThan": 3}], "Next": "Pause"}]},
    Pause={"Type": "Wait", "SecondsPath": "$.n", "Next": "Count"},
    Count={"Type": "ExpressionEval", "Parameters": {"n.=": "n + 1"}, "ResultPath": "$.x",
           "End": True},
    Bad={"Type": "Fail", "Cause": "words", "Error": "Bad"})


def test_a_good_definition_has_no_faults():
    assert check_definition(GOOD) == []


def without(key):
    return lambda state: state.pop(key)


@pytest.mark.parametrize("name,change,words", [
    ("Look", lambda s: s.update(Colour="red"), "Look.Colour: unknown key"),
    ("Look", lambda s: s.update(Type="Task"), "unknown state type"),
    ("Look", lambda s: s.update(ActionUrl="http://x.org"), "https"),
    ("Look", lambda s: s.update(Next="Nowhere"), "no state 'Nowhere'"),
    ("Look", lambda s: s.update(End=True), "either Next or End"),
    ("Look", without("ResultPath"), "ResultPath is missing"),
    ("Look", lambda s: s.update(ResultPath="result"), "is no path"),
    ("Look", without("Parameters"), "Parameters, InputPath"),
    ("Look", lambda s: s.update(InputPath="$"), "Parameters, InputPath"),
    ("Look", without("ExceptionOnActionFailure"), "must be said"),
    ("Look", lambda s: s.update(WaitTime="300"), "number of seconds"),
    ("Look", lambda s: s.update(WaitTime=0), "number of seconds"),
    ("Look", lambda s: s["Parameters"].update(path="$.input"), "twice"),
    ("Look", lambda s: s["Parameters"].update(label="$.input"), "without .$"),
    ("Look", lambda s: s["Parameters"].update({"label.$": "input"}), "is no path"),
    ("Look", lambda s: s["Parameters"].update({"label.=": "max(1, 2)"}), "max()"),
    ("Look", lambda s: s["Catch"][0].update(ErrorEquals=["States.ALL"]), "ErrorEquals"),
    ("Look", lambda s: s["Catch"][0].update(ErrorEquals=[]), "ErrorEquals"),
    ("Look", lambda s: s["Catch"][0].pop("ResultPath"), "ResultPath"),
    ("Look", lambda s: s["Catch"][0].update(Retry=1), "unknown key"),
    ("Ask", lambda s: s.update(Next="Bad"), "unknown key of Choice"),
    ("Ask", lambda s: s.update(Choices=[]), "at least one"),
    ("Ask", lambda s: s["Choices"][0].pop("Next"), "no state None"),
    ("Ask", lambda s: s["Choices"][0]["And"][0].update(Next="Bad"), "known comparison"),
    ("Ask", lambda s: s["Choices"][0]["And"][0].update(IsNull=True), "one known comparison"),
    ("Ask", lambda s: s["Choices"][0]["And"][0].update(IsPresent="yes"), "compared"),
    ("Ask", lambda s: s["Choices"][0]["And"][1].update(NumericLessThan="3"), "compared"),
    ("Ask", lambda s: s["Choices"][0]["And"].append({"Variable": "$.n", "NumericNear": 1}),
     "known comparison"),
    ("Pause", lambda s: s.update(Seconds=1), "exactly one"),
    ("Pause", without("SecondsPath"), "exactly one"),
    ("Count", lambda s: s.update(InputPath="$"), "unknown key"),
    ("Count", lambda s: s.update(End=False), "is not true"),
    ("Bad", lambda s: s.update(CausePath="$.x"), "either Cause or CausePath"),
    ("Bad", lambda s: s.update(End=True), "unknown key"),
])
def test_a_fault_in_a_definition_is_found(world, name, change, words):
    definition = copy.deepcopy(GOOD)
    change(definition["States"][name])
    with pytest.raises(DefinitionError, match=re.escape(words)):
        world.start(definition, {})


def test_a_state_that_nothing_leads_to_is_a_fault(world):
    definition = flow(A=end(), B=end())
    with pytest.raises(DefinitionError, match="States.B: nothing leads there"):
        world.start(definition, {})


def test_unknown_key_at_the_top(world):
    with pytest.raises(DefinitionError, match="Version"):
        world.start({**flow(A=end()), "Version": "1"}, {})


# ---- expressions ----

STATE = {"input": {"path": "/a/b/", "n": 3, "list": [{"name": "x"}, {"name": "y"}]},
         "_context": {"run_id": "r"}}


@pytest.mark.parametrize("text,value", [
    ("input.path + 'c'", "/a/b/c"),
    ("`$.input.path` + '`'", "/a/b/`"),
    ("'it\\'s ' + _context.run_id", "it's r"),
    ("pathsplit(pathsplit(input.path)[0])[1]", "b"),
    ("pathsplit('/~/')", ["/~/", ""]),
    ("pathsplit('/~/x')", ["/~/", "x"]),
    ("pathsplit('/x')", ["/", "x"]),
    ("input.path.rstrip('/').rpartition('/')[2]", "b"),
    ("input.path.split('/')[-2]", "b"),
    ("input.path[:2] + input.path[-2:]", "/ab/"),
    ("1 if input.path.endswith('/') else 2", 1),
    ("is_present('input.path') and not is_present('input.no.no')", True),
    ("getattr('input.no', 'd') + getattr('input.path', 'd')", "d/a/b/"),
    ("len(input.list) + 2 * 3 - 4", 4),
    ("str(input.n) + 's'", "3s"),
    ("[{'path': '/' + i.name} for i in input.list]", [{"path": "/x"}, {"path": "/y"}]),
    ("'path' in input and 'q' not in input", True),
    ("1 < input.n <= 3", True),
    ("False or True", True),
])
def test_expressions(text, value):
    assert Expression(text).evaluate(STATE) == value


@pytest.mark.parametrize("text", [
    "min(1, 2)", "sorted(input.list)", "open('/etc/passwd')", "input.path.format(1)",
    "input.path.upper()", "input.path.startswith('/')", "','.join(['a'])", "int('3')",
    "[i for i in input.list if i]", "None", "f'{input.path}'", "lambda: 1", "input.__class__",
    "input.path[::2]", "2 ** 9", "(1, 2)", "len(x=1)", "is_present(input.path)",
    "getattr('input.path')", "{**input}", "a b", "", "`input.path`", "(x := 1)", "~1",
])
def test_an_expression_that_is_not_known_to_work_is_refused(text):
    with pytest.raises(ExpressionError):
        Expression(text)


@pytest.mark.parametrize("text", [
    "input.no", "nothing", "`$.input.no`", "input.path + 1", "input.list[9]", "1 / 0",
    "input.n.rstrip('/')", "'a' * 100001", "input.n < 'a'",
])
def test_an_expression_that_fails_on_this_state(text):
    with pytest.raises(ExpressionError):
        Expression(text).evaluate(STATE)


def test_what_is_only_likely_to_work_is_let_through_when_asked_for():
    text = "', '.join([i.name for i in input.list if i.name.startswith('x')])"
    assert Expression(text, inferred=True).evaluate(STATE) == "x"


# ---- what only a run shows ----

@pytest.mark.parametrize("state,words", [
    ({"Type": "Choice", "Choices": [{"Variable": "$.no.x", "StringEquals": "y", "Next": "E"}],
      "Default": "E"}, 'no "no"'),
    ({"Type": "Choice", "Choices": [{"Variable": "$.n", "NumericEquals": 9, "Next": "E"}]},
     "no Default"),
    ({"Type": "Wait", "SecondsPath": "$.text", "Next": "E"}, "number of seconds"),
    ({"Type": "Wait", "TimestampPath": "$.text", "Next": "E"}, "no time"),
    ({"Type": "Pass", "Parameters": {"a.$": "$.no"}, "ResultPath": "$.a", "Next": "E"}, 'no "no"'),
    ({"Type": "Pass", "InputPath": "$.text", "ResultPath": "$", "Next": "E"}, "an object"),
    ({"Type": "ExpressionEval", "Parameters": {"a.=": "no"}, "ResultPath": "$.a", "Next": "E"},
     "no no"),
    ({"Type": "ExpressionEval", "Parameters": {"a.=": "1"}, "ResultPath": "$.n.a", "Next": "E"},
     "can't be put there"),
    (action("stat", {"endpoint_id": LAB, "path": "/", "depth": 1}, Next="E"), "unknown key depth"),
    (action("stat", {"endpoint_id": LAB}, Next="E"), "path is missing"),
    (action("stat", {"endpoint_id": "lab", "path": "/"}, Next="E"), "endpoint_id can't be"),
    (action("stat", {"endpoint_id": LAB, "path": "work"}, Next="E"), "path can't be"),
    (action("rename", {}, Next="E"), "no such action provider"),
    (action("stat", {"endpoint_id": LAB, "path": "/"}, RunAs="Admin", Next="E"), "role Admin"),
    (action("stat", {"endpoint_id": LAB, "path": "/"}, ActionScope="x", Next="E"), "scope"),
    (action("transfer", copy_body(label="x" * 129), Next="E"), "label can't be"),
    (action("transfer", copy_body(label=" x"), Next="E"), "label can't be"),
    (action("transfer", copy_body(label=""), Next="E"), "label can't be"),
    (action("transfer", copy_body(sync_level=4), Next="E"), "sync_level"),
    (action("transfer", copy_body(verify="yes"), Next="E"), "unknown key verify"),
    (action("transfer", copy_body(encrypt_data="yes"), Next="E"), "encrypt_data"),
    (action("transfer", copy_body(filter_rules=[{"name": "data"}]), Next="E"), "filter_rules"),
    ({"Type": "Fail", "CausePath": "$.n"}, "no string"),
])
def test_a_fault_that_a_run_meets_ends_it_whatever_is_caught(world, state, words):
    if state["Type"] == "Action":
        state = {**state, "Catch": [{"ErrorEquals": ["ActionUnableToRun", "ActionFailedException"],
                                     "Next": "E", "ResultPath": "$.e"}]}
    definition = flow(S=state, E=end()) if state["Type"] != "Fail" else flow(S=state)
    done = run(world, definition, {"n": 3, "text": "soon"})
    assert done.status == "FAILED" and words in done.fault, done.story()


def test_data_of_more_than_200_kb_end_the_run(world):
    grow = {"Type": "ExpressionEval", "Parameters": {"x.=": "'x' * 99000"}, "ResultPath": "$.a"}
    definition = flow(A={**grow, "Next": "B"}, B={**grow, "ResultPath": "$.b", "Next": "C"},
                      C={**grow, "ResultPath": "$.c", "End": True})
    assert "200 KB" in run(world, definition).fault


def test_too_many_events_end_the_run(world):
    definition = flow(A={"Type": "Pass", "ResultPath": "$.a", "Result": {}, "Next": "A"})
    done = run(world, definition)
    assert "25,000" in done.fault and done.visits("A") == 12_500


def test_a_run_may_last_a_year(world):
    definition = flow(A={"Type": "Wait", "Seconds": 40_000_000, "Next": "B"}, B=end())
    assert "a year" in run(world, definition).fault


# ---- what runs ----

def test_counting_events_and_time(world):
    definition = flow(
        Look=action("ls", {"endpoint_id": LAB, "path": "/work", "limit": 1}, Next="Count"),
        Count={"Type": "ExpressionEval", "ResultPath": "$.c",
               "Parameters": {"n.=": "getattr('c.n', 0) + 1"}, "Next": "Enough"},
        Enough={"Type": "Choice", "Default": "Pause",
                "Choices": [{"Variable": "$.c.n", "NumericEquals": 3, "Next": "Done"}]},
        Pause={"Type": "Wait", "Seconds": 3600, "Next": "Look"},
        Done={"Type": "Pass", "ResultPath": "$.end", "End": True})
    done = run(world, definition)
    assert done.status == "SUCCEEDED", done.story()
    assert done.states == ["Look", "Count", "Enough", "Pause"] * 2 + ["Look", "Count", "Enough",
                                                                       "Done"]
    assert done.events == 2 + 2 * 14 + 12 + 2
    assert done.ended - done.started == 7200
    assert done.data["result"]["details"]["total"] == 3
    assert len(done.data["result"]["details"]["DATA"]) == 1
    assert [entry["code"] for entry in done.log[:3]] == ["FlowStarted", "ActionStarted",
                                                         "ActionCompleted"]


def test_stat_says_not_found_and_succeeds(world):
    done = run(world, flow(A=action("stat", {"endpoint_id": LAB, "path": "/no"})))
    assert done.data["result"]["status"] == "SUCCEEDED"
    assert done.data["result"]["details"]["code"] == "NotFound"
    done = run(world, flow(A=action("stat", {"endpoint_id": LAB, "path": "/~/data"})))
    details = done.data["result"]["details"]
    assert (details["type"], details["name"], "code" in details) == ("dir", "data", False)


@pytest.mark.parametrize("how", ["failed", "unable", "succeeded"])
def test_what_nobody_knows_can_be_any(world, how):
    world.ls_missing = world.mkdir_existing = how
    for provider, path in (("ls", "/no"), ("mkdir", "/work")):
        caught = [{"ErrorEquals": ["ActionUnableToRun"], "Next": "E", "ResultPath": "$.error"}]
        done = run(world, flow(A=action(provider, {"endpoint_id": LAB, "path": path}, Next="E",
                                        Catch=caught), E=end()))
        assert done.status == "SUCCEEDED", done.story()
        if how == "unable":
            assert done.data["error"]["Error"] == "ActionUnableToRun"
        else:
            assert done.data["result"]["status"] == how.upper()
            assert done.data["result"]["details"]["code"]


def test_mkdir_makes_no_parents(world):
    done = run(world, flow(A=action("mkdir", {"endpoint_id": HPC, "path": "/a/b"})))
    assert done.data["result"]["status"] == "FAILED"
    done = run(world, flow(A=action("mkdir", {"endpoint_id": HPC, "path": "/a/"})))
    assert done.data["result"]["details"]["code"] == "DirectoryCreated"
    assert (world.path / "hpc/a").is_dir()


def test_transfer_copies_a_folder(world):
    body = copy_body(preserve_timestamp=True, verify_checksum=True,
                     filter_rules=[{"DATA_TYPE": "filter_rule", "method": "exclude",
                                    "name": "empty", "type": "dir"}])
    os.utime(world.path / "lab/work/run", (1e9, 1e9))
    done = run(world, flow(A=action("transfer", body)))
    assert done.data["result"]["details"]["files_transferred"] == 2, done.story()
    got = world.path / "hpc/got"
    assert (got / "data/in").read_text() == "one\n" and not (got / "empty").exists()
    assert (got / "run").stat().st_mtime == 1e9


def test_sync_level_transfers_what_is_newer(world):
    run(world, flow(A=action("transfer", copy_body(preserve_timestamp=True))))
    os.utime(world.path / "lab/work/run", (2e9, 2e9))
    (world.path / "hpc/got/data/in").write_text("two\n")  # other content, but not older
    done = run(world, flow(A=action("transfer", copy_body(sync_level=2, preserve_timestamp=True))))
    assert done.data["result"]["details"]["files_transferred"] == 1
    done = run(world, flow(A=action("transfer", copy_body(sync_level=2, preserve_timestamp=True))))
    assert done.data["result"]["details"]["files_transferred"] == 0


def test_a_broken_link_fails_a_transfer(world):
    (world.path / "lab/work/broken").symlink_to("nowhere")
    done = run(world, flow(A=action("transfer", copy_body())))
    assert done.data["result"]["status"] == "FAILED"
    assert done.data["result"]["details"]["fatal_error"]["code"] == "FILE_NOT_FOUND"


@pytest.mark.parametrize("item,code", [
    ({"source_path": "/no", "destination_path": "/x"}, "NotFound"),
    ({"source_path": "/work", "destination_path": "/no/x"}, "PATH_NOT_FOUND"),
    ({"source_path": "/work/run", "destination_path": "/x/"}, "IS_A_DIRECTORY"),
    ({"source_path": "/work/run", "destination_path": "/x", "recursive": True}, "NOT_A_DIRECTORY"),
    ({"source_path": "/work", "destination_path": "/x", "recursive": False}, "IS_A_DIRECTORY"),
])
def test_a_transfer_that_can_not_be(world, item, code):
    done = run(world, flow(A=action("transfer", copy_body(DATA=[item]))))
    assert done.data["result"]["details"]["fatal_error"]["code"] == code
    assert not (world.path / "hpc/x").exists()


def test_delete(world):
    body = {"endpoint": LAB, "DATA": [{"path": "/work/"}]}
    done = run(world, flow(A=action("delete", body)))
    assert done.data["result"]["details"]["fatal_error"]["code"] == "IS_A_DIRECTORY"
    done = run(world, flow(A=action("delete", {**body, "recursive": True})))
    assert done.data["result"]["status"] == "SUCCEEDED" and not (world.path / "lab/work").exists()
    done = run(world, flow(A=action("delete", body)))
    assert done.data["result"]["details"]["fatal_error"]["code"] == "FILE_NOT_FOUND"
    done = run(world, flow(A=action("delete", {**body, "ignore_missing": True})))
    assert done.data["result"]["status"] == "SUCCEEDED"


def test_share_and_index(world):
    group = "99999999-2222-4333-8444-555555555555"
    share = {"operation": "CREATE", "endpoint_id": HPC, "path": "/got/", "principal": group,
             "principal_type": "group", "permissions": "r"}
    entry = {"search_index": group, "subject": "s", "visible_to": ["public"], "content": {"a": 1}}
    ingest = {**action("x", entry), "ActionUrl": "https://actions.globus.org/search/ingest"}
    done = run(world, flow(A=action("manage_permission", share, Next="B"), B=ingest))
    assert done.status == "SUCCEEDED", done.story()
    assert world.collections[HPC].permissions == [share]
    assert world.index[group]["s"]["content"] == {"a": 1}


def test_who_may_use_a_collection(world):
    world.collections[HPC].allow = {"Flow"}
    body = {"endpoint_id": HPC, "path": "/"}
    done = run(world, flow(A=action("stat", body)))
    assert done.data["result"]["details"]["code"] == "EndpointPermissionDenied"
    done = run(world, flow(A=action("stat", body, RunAs="Flow")))
    assert done.data["result"]["details"]["type"] == "dir"


# ---- faults ----

def test_a_slow_transfer_is_caught_half_way_and_noticed_late(world):
    world.inject(Slow(4000), provider="transfer")
    started = world.start(flow(A=action("transfer", copy_body(), WaitTime=86400)), {})
    got = world.path / "hpc/got"
    world.run(started, until=lambda: started.emulator.now > started.started + 3000)
    assert got.is_dir() and not (got / "run").exists()
    world.run(started)
    assert started.status == "SUCCEEDED" and (got / "run").exists()
    assert 4000 <= started.ended - started.started <= 4600


def test_an_action_that_takes_too_long_is_given_up(world):
    world.inject(Stuck(), provider="transfer", times=2)
    done = run(world, flow(A=action("transfer", copy_body())))
    assert (done.status, done.error) == ("FAILED", "ActionTimeout")
    assert done.ended - done.started == 300
    caught = [{"ErrorEquals": ["ActionTimeout"], "Next": "E", "ResultPath": "$.error"}]
    done = run(world, flow(A=action("transfer", copy_body(), Catch=caught, Next="E"), E=end()))
    assert done.data["error"]["Error"] == "ActionTimeout"


def test_failed_unable_retried_answered(world):
    world.inject(Fail("QUOTA_EXCEEDED", "no room"), provider="transfer")
    done = run(world, flow(A=action("transfer", copy_body())))
    assert done.data["result"]["details"]["fatal_error"] == {"code": "QUOTA_EXCEEDED",
                                                             "description": "no room"}
    world.inject(Fail(), state="A")
    done = run(world, flow(A=action("transfer", copy_body(), ExceptionOnActionFailure=True)))
    assert (done.status, done.error) == ("FAILED", "ActionFailedException")
    world.inject(Unable(), state="A", skip=1)
    assert run(world, flow(A=action("transfer", copy_body()))).status == "SUCCEEDED"
    assert run(world, flow(A=action("transfer", copy_body()))).error == "ActionUnableToRun"
    world.inject(Retry(faults=7, seconds=50), when=lambda _, body: "DATA" in body)
    done = run(world, flow(A=action("transfer", copy_body())))
    assert done.data["result"]["details"]["faults"] == 7 and done.ended - done.started >= 50
    world.inject(Answer({"code": "EndpointPermissionDenied"}), provider="stat")
    done = run(world, flow(A=action("stat", {"endpoint_id": LAB, "path": "/"})))
    assert done.data["result"]["details"] == {"code": "EndpointPermissionDenied"}


def test_a_paused_run_goes_on_when_resumed(world):
    world.inject(Pause(), provider="stat")
    done = run(world, flow(A=action("stat", {"endpoint_id": LAB, "path": "/"})))
    assert done.status == "INACTIVE" and done.details["code"] == "ConsentRequired"
    assert not done.actions
    done.resume()
    world.run(done)
    assert done.status == "SUCCEEDED" and len(done.actions) == 1


def test_a_cancelled_run_leaves_what_it_has_begun(world):
    world.inject(Slow(100), provider="transfer")
    done = world.start(flow(A=action("transfer", copy_body())), {})
    world.run(done, until=lambda: done.actions)
    done.cancel()
    world.run(done)
    assert (done.status, done.details["code"]) == ("ENDED", "FlowCanceled")
    assert (world.path / "hpc/got").is_dir()


def test_fail_says_what_a_path_holds(world):
    done = run(world, flow(A={"Type": "Fail", "CausePath": "$.why", "Error": "Code"}),
               {"why": "the reason"})
    assert (done.status, done.error, done.cause, done.fault) == ("FAILED", "Code", "the reason",
                                                                 None)


def test_web_input(world):
    definition = flow(
        Ask={"Type": "CreateWebInput", "ResultPath": "$.ask", "Next": "Answer", "Parameters": {
            "InputType": "Selection", "RespondentUrns.=": "[_context.user_id]",
            "Options": [{"Value": "yes", "Label": "Yes"}, {"Value": "no", "Label": "No"}]}},
        Answer={"Type": "AwaitWebInput", "ResultPath": "$.answer", "End": True,
                "Parameters": {"web_input_id.$": "$.ask.web_input_id"}})
    waiting = run(world, definition)
    assert waiting.status == "ACTIVE"
    waiting.respond("no")
    assert world.run(waiting).data["answer"]["response"] == "no"
    world.web_input_seconds = 60
    assert run(world, definition).error == "Flows.WebInputExpired"


@pytest.mark.parametrize("rule,holds", [
    ({"Variable": "$.s", "StringMatches": "done - *"}, True),
    ({"Variable": "$.s", "StringMatches": "done"}, False),
    ({"Variable": "$.s", "StringEqualsPath": "$.s"}, True),
    ({"Variable": "$.n", "NumericGreaterThanEquals": 3}, True),
    ({"Variable": "$.s", "NumericEquals": 3}, False),
    ({"Variable": "$.no", "IsPresent": False}, True),
    ({"Not": {"Variable": "$.l[1]", "StringEquals": "b"}}, False),
    ({"Or": [{"Variable": "$.b", "BooleanEquals": False}, {"Variable": "$.b", "IsBoolean": True}]},
     True),
    ({"Variable": "$.t", "TimestampLessThan": "2026-01-01T01:00:00+02:00"}, False),
    ({"Variable": "$.t", "IsTimestamp": True}, True),
])
def test_choices(world, rule, holds):
    data = {"s": "done - succeeded", "n": 3, "l": ["a", "b"], "b": True,
            "t": "2026-01-01T00:00:00Z"}
    done = run(world, flow(C={"Type": "Choice", "Choices": [{**rule, "Next": "Yes"}],
                              "Default": "No"}, Yes=end(), No=end()), data)
    assert done.states == ["C", "Yes" if holds else "No"], done.story()


# ---- inputs ----

SCHEMA = {"type": "object", "required": ["input"], "properties": {"input": {
    "type": "object", "required": ["source"], "additionalProperties": False,
    "propertyOrder": ["source"],
    "properties": {"source": {"type": "object", "format": "globus-collection",
                              "required": ["id", "path"], "additionalProperties": False,
                              "properties": {"id": {"type": "string", "format": "uuid"},
                                             "path": {"type": "string", "pattern": "^/"}}}}}}}


def test_input_is_checked_against_the_schema(world):
    world.start(flow(A=end()), {"input": {"source": {"id": LAB, "path": "/x"}}}, SCHEMA)
    for wrong in ({}, {"input": {}}, {"input": {"source": {"id": "lab", "path": "/x"}}},
                  {"input": {"source": {"id": LAB, "path": "x"}}},
                  {"input": {"source": {"id": LAB, "path": "/x"}, "more": 1}}):
        with pytest.raises(InputError):
            world.start(flow(A=end()), wrong, SCHEMA)


@pytest.mark.parametrize("change", [
    lambda s: s.update(order=["input"]), lambda s: s.update(propertyOrder=["no"]),
    lambda s: s["properties"]["input"].update(format="globus-folder"),
    lambda s: s["properties"]["input"]["properties"]["source"].update(type="string"),
    lambda s: s.update(type="thing"), lambda s: s.update({"$defs": {}})])
def test_a_schema_with_a_fault_is_refused(world, change):
    schema = copy.deepcopy(SCHEMA)
    change(schema)
    with pytest.raises(InputError):
        world.start(flow(A=end()), {"input": {"source": {"id": LAB, "path": "/x"}}}, schema)


def test_a_run_that_does_not_end_is_told_about(world):
    definition = flow(A={"Type": "Wait", "Seconds": 1, "Next": "A"})
    with pytest.raises(TimeoutError, match="WaitStarted"):
        world.run(world.start(definition, {}), seconds=0.05)
