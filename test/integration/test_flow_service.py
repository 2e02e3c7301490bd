# SPDX-License-Identifier: Apache-2.0
"""`flowcronctl flow login, logout, deploy, run, status, runs, validate --online`, against the stand-in for Globus Auth and
Globus Flows, which takes nothing but what is documented."""

import json
import shutil
import socket
import stat
import subprocess

import pytest

from support.flows import GROUP, HPC, LAB
from support.globus_person import Person
from service import CONFIDENTIAL, NATIVE, SECRET, Service  # pylint: disable=wrong-import-order

SOMEBODY = "66666666-6666-4666-8666-666666666666"
NOBODY = "77777777-7777-4777-8777-777777777777"
FOLDER = f"{LAB}:/me/cells 07/"


@pytest.fixture
def globus():
    with Service() as service:
        yield service
    assert not service.wrong, "\n".join(service.wrong)


@pytest.fixture
def person(tmp_path, globus):
    return Person(tmp_path, globus)


# ---- login and logout ----

def test_login_is_kept_for_its_owner_alone(person):
    person.login("--client-id", NATIVE)
    mode = person.login_file.stat().st_mode
    assert stat.S_IMODE(mode) == 0o600 and stat.S_IMODE(person.login_file.parent.stat().st_mode) == 0o700
    kept = json.loads(person.login_file.read_text())
    assert kept["client_id"] == NATIVE and set(kept["tokens"]) == {"flows.globus.org"}
    person.login()  # the app is remembered


def test_state_home(person, tmp_path):
    person.env["XDG_STATE_HOME"] = str(tmp_path / "state")
    person.login("--client-id", NATIVE)
    assert (tmp_path / "state/flowcron/globus.json").exists() and not person.login_file.exists()


def test_a_wrong_code_changes_nothing(person):
    person.login("--client-id", NATIVE)
    before = person.login_file.read_text()
    _, err = person.login(spoil=True, code=1)
    assert "code was not taken" in err
    assert person.login_file.read_text() == before
    assert "no code was given" in person.flow("login", code=1, typed="").stderr


def test_login_needs_an_app(person):
    assert "--client-id" in person.flow("login", code=2).stderr
    assert "UUID" in person.flow("login", "--client-id", "me", code=2).stderr
    assert "goes with --flow" in person.flow("login", "--client-id", NATIVE, "--data-access", LAB, code=2).stderr


def test_logout_revokes(person, globus):
    person.login("--client-id", NATIVE)
    assert globus.tokens and globus.refresh
    assert person.told("logout") == {"was_logged_in": True}
    assert not globus.tokens and not globus.refresh and not person.login_file.exists()
    assert person.told("logout") == {"was_logged_in": False}
    assert "Log in first" in person.flow("runs", "--flow", NOBODY, code=1).stderr


def test_logout_goes_on_without_globus(person, globus):
    person.login("--client-id", NATIVE)
    globus.fault("/v2/oauth2/token/revoke", 500, times=99, Retry_After=0)
    assert "removed here" in person.flow("logout", code=1).stderr
    assert not person.login_file.exists()


def test_service_account_from_the_environment(person, globus):
    env = person.service_env()
    assert person.told("login", "--service", **env) == {"kind": "service", "client_id": CONFIDENTIAL}
    assert SECRET not in person.login_file.read_text()
    person.site.generate()
    flow = person.told("deploy", **env)["id"]
    # Without a browser: the consent is asked for when it is needed.
    assert person.told("run", FOLDER, **env)["status"] == "ACTIVE"
    assert globus.count("POST", f"/flows/{flow}/run") == 1
    globus.expire()
    person.flow("runs", **env)
    assert "not both set" in person.flow("login", "--service", code=1).stderr


def test_service_account_from_a_file(person, tmp_path):
    path = tmp_path / "credentials.json"
    path.write_text(json.dumps({"client_id": CONFIDENTIAL, "client_secret": SECRET}))
    path.chmod(0o644)
    assert "chmod 600" in person.flow("login", "--credentials", path, code=1).stderr
    path.chmod(0o600)
    person.flow("login", "--credentials", "credentials.json")
    assert SECRET not in person.login_file.read_text()
    path.write_text(json.dumps({"client_id": CONFIDENTIAL, "client_secret": "wrong"}))
    assert "credentials" in person.flow("login", "--credentials", path, code=1).stderr


def test_a_login_that_others_can_read_is_not_taken(person):
    person.login("--client-id", NATIVE)
    person.login_file.chmod(0o644)
    assert "open to others" in person.flow("runs", "--flow", NOBODY, code=1).stderr


# ---- deploy ----

def test_created_once_then_updated_in_place(person, globus):
    flow = person.deployed()
    created = dict(globus.flows[flow])
    assert created["title"] == "FlowCron cryo on Baskerville"
    assert json.loads((person.site.base / ".flowcron/globus.json").read_text())["flow"]["id"] == flow
    person.site.generate("--delete", "never")
    told = person.told("deploy", "--title", "Cryo-EM for everybody", "--starters", f"group:{GROUP},identity:{SOMEBODY}",
                       "--administrators", f"urn:globus:groups:id:{GROUP}", "--run-managers", f"group:{GROUP}")
    assert told["id"] == flow and told["created"] is False and len(globus.flows) == 1
    now = globus.flows[flow]
    assert now["title"] == "Cryo-EM for everybody"
    assert now["flow_starters"] == [f"urn:globus:groups:id:{GROUP}", f"urn:globus:auth:identity:{SOMEBODY}"]
    assert now["flow_administrators"] == now["run_managers"] == [f"urn:globus:groups:id:{GROUP}"]
    assert "delete" not in now["input_schema"]["properties"]["input"]["properties"]
    person.flow("deploy")
    assert globus.flows[flow]["title"] == "Cryo-EM for everybody", "what is not given stays"


def test_the_second_flow_is_kept_apart(person, globus):
    flow = person.deployed()
    person.site.generate("--fetch")
    fetch = person.told("deploy", "--fetch")["id"]
    kept = json.loads((person.site.base / ".flowcron/globus.json").read_text())
    assert {kept["flow"]["id"], kept["fetch"]["id"]} == {flow, fetch} == set(globus.flows)
    other = person.told("deploy", "--new")["id"]
    assert other not in (flow, fetch)


def test_deploy_from_elsewhere(person, tmp_path):
    person.login("--client-id", NATIVE)
    assert "flow generate" in person.flow("deploy", code=1).stderr
    out = tmp_path / "out"
    out.mkdir()
    person.site.generate("--output", out)
    person.flow("deploy", "--from", out, "--starters", "all_authenticated_users", "--viewers", "public")


def test_faults_are_found_before_anything_is_sent(person, globus):
    person.login("--client-id", NATIVE)
    person.site.generate()
    path = person.root / "FlowCron-cryo_definition.json"
    path.write_text(path.read_text().replace('"Next": "PlanTheTrip"', '"Next": "PlanATrip"'))
    err = person.flow("deploy", code=1).stderr
    assert "PlanATrip" in err and "FlowCron-cryo_definition.json:" in err
    assert globus.count("POST", "/flows") == 0


def test_principals(person, globus):
    person.login("--client-id", NATIVE)
    person.site.generate()
    for who, word in ((GROUP, "group:UUID"), ("group:everybody", "no UUID"), ("public", "group:UUID"),
                      (",".join(f"group:{GROUP}" for _ in range(17)), "16 at most")):
        assert word in person.flow("deploy", "--starters", who, code=2).stderr
    assert not globus.flows


def test_what_the_service_does_not_take(person, globus):
    person.deployed()
    detail = [{"loc": ["definition", "States", "UploadYourFolder", "Catch", 0], "msg": "not like this", "type": "x"},
              {"loc": ["title"], "msg": "not that", "type": "x"}]
    globus.fault("/flows/", 422, {"error": {"code": "UNPROCESSABLE_ENTITY", "detail": detail}, "debug_id": "1"})
    told = person.told("deploy", code=1)
    assert told["error"] == "refused"
    assert "$.definition.States.UploadYourFolder.Catch[0]: not like this; $.title: not that" in told["message"]


def test_a_flow_that_is_gone(person, globus):
    flow = person.deployed()
    globus.flows.clear()
    told = person.told("deploy", code=1)
    assert told["error"] == "unknown" and flow in told["message"] and "--new" in told["message"]


def test_nothing_is_created_whose_id_can_not_be_kept(person, globus):
    person.login("--client-id", NATIVE)
    person.site.generate()
    (person.site.base / ".flowcron").rmdir()
    person.flow("deploy", code=1)
    assert not globus.flows


# ---- trouble with the service ----

def test_busy_is_tried_again(person, globus):
    person.login("--client-id", NATIVE)
    person.site.generate()
    globus.fault("/flows", 429, times=2, Retry_After=0)
    globus.fault("/flows", 503, times=2, Retry_After=0)
    person.flow("deploy")
    assert globus.count("POST", "/flows") == 5 and len(globus.flows) == 1


def test_trouble_is_tried_again_where_that_is_safe(person, globus):
    flow = person.deployed()
    for status in (500, 502, 504):
        globus.fault("/flows/", status, Retry_After=0)
    person.flow("deploy")
    assert globus.count("PUT", f"/flows/{flow}") == 4
    globus.fault("/runs", 502, times=99, body=b"<html>", Retry_After=0)
    assert person.told("runs", code=1)["error"] == "service"
    assert globus.count("GET", "/runs") == 5


def test_a_run_is_never_started_twice(person, globus):
    flow = person.deployed()
    person.login("--flow", flow)
    globus.fault(f"/flows/{flow}/run", 502)
    told = person.told("run", FOLDER, code=1)
    assert "not known whether" in told["message"] and "flow runs" in told["message"]
    assert globus.count("POST", f"/flows/{flow}/run") == 1
    globus.fault(f"/flows/{flow}/run", 429, Retry_After=0)
    person.flow("run", FOLDER)
    assert len(globus.runs) == 1


def test_nobody_answers(person):
    person.login("--client-id", NATIVE)
    person.site.generate()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        dead = f"http://127.0.0.1:{free.getsockname()[1]}"
    told = person.told("deploy", code=1, FLOWCRON_GLOBUS_FLOWS_URL=dead)
    assert told["error"] == "no-answer" and dead in told["message"]


@pytest.mark.parametrize("url", ["http://flows.globus.org", "http://127.0.0.1.example.org", "http://localhost.example.org:80",
                                 "ftp://127.0.0.1/", "file:///etc/passwd"])
def test_never_in_the_clear(person, url):
    err = person.flow("runs", "--flow", NOBODY, code=1, FLOWCRON_GLOBUS_FLOWS_URL=url).stderr
    assert "neither https" in err


def test_nothing_in_the_clear_goes_through_a_proxy(person):
    person.deployed()
    person.flow("runs", http_proxy="http://127.0.0.1:9", all_proxy="http://127.0.0.1:9")


def test_certificates_are_verified(person, tmp_path):
    """A server that nobody vouches for is told nothing."""
    openssl = shutil.which("openssl")
    if not openssl:
        pytest.skip("needs openssl, to make a certificate")
    person.deployed()
    subprocess.run([openssl, "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
                    "-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", tmp_path / "key.pem",
                    "-out", tmp_path / "cert.pem"], check=True, capture_output=True)
    with Service(certificate=(tmp_path / "cert.pem", tmp_path / "key.pem")) as impostor:
        told = person.told("runs", code=1, FLOWCRON_GLOBUS_FLOWS_URL=impostor.url)
        assert told["error"] == "no-answer" and "certificate" in told["message"].lower()
        assert not impostor.requests


# ---- tokens ----

def test_an_expired_token_is_refreshed(person, globus):
    person.deployed()
    globus.expire()
    person.flow("runs")  # the service says so: 401
    assert globus.count("POST", "/v2/oauth2/token") == 2
    kept = json.loads(person.login_file.read_text())
    kept["tokens"]["flows.globus.org"]["expires"] = "2020-01-01T00:00:00Z"
    person.login_file.write_text(json.dumps(kept))
    person.flow("runs")  # known beforehand
    assert globus.count("POST", "/v2/oauth2/token") == 3
    assert person.login_file.stat().st_mode & 0o777 == 0o600
    person.flow("runs")
    assert globus.count("POST", "/v2/oauth2/token") == 3


def test_a_refresh_token_that_lapsed(person, globus):
    person.deployed()
    globus.expire()
    globus.refresh.clear()
    told = person.told("runs", code=1)
    assert told["error"] == "login" and "flow login" in told["message"]


# ---- runs ----

def test_run_needs_the_consent_for_the_flow(person, globus):
    flow = person.deployed()
    told = person.told("run", FOLDER, code=1)
    assert told["error"] == "consent" and f"flow login --flow {flow}" in told["message"]
    person.login("--flow", flow)
    told = person.told("run", FOLDER, "--delete")
    run = globus.runs[told["run_id"]]
    assert run["body"] == {"input": {"source": {"id": LAB, "path": "/me/cells 07/"}, "delete": True}}
    assert run["label"] == "cells 07"


def test_a_missing_consent_in_words(person, globus):
    flow = person.deployed()
    person.login("--flow", flow)
    globus.consents.add(HPC)
    told = person.told("run", FOLDER, code=1)
    assert told["error"] == "consent"
    assert f"flow login --data-access {HPC} --flow {flow}" in told["message"]
    person.login("--data-access", f"{HPC},{LAB}", "--flow", flow)
    person.flow("run", FOLDER)


def test_run_without_an_instance(person, globus):
    """As on the PC of an instrument."""
    flow = person.deployed()
    person.login("--flow", flow)
    (person.site.base / ".flowcron/globus.json").unlink()
    done = person.flow("run", "--flow", flow, "--label", "Ü" * 100, FOLDER, instance=False)
    assert done.stdout.strip() in globus.runs
    assert globus.runs[done.stdout.strip()]["label"] == "Ü" * 64
    assert "no flow was deployed" in person.flow("run", FOLDER, code=1).stderr


def test_a_further_consent_keeps_the_first(person, globus):
    flow = person.deployed()
    person.login("--flow", flow)
    other = person.told("deploy", "--new")["id"]
    person.login("--flow", other)
    for one in (flow, other):
        person.flow("run", "--flow", one, FOLDER)
    assert len(globus.runs) == 2


def test_run_of_the_second_flow(person, globus):
    fetch = person.deployed("--fetch")
    person.login("--flow", fetch)
    assert "--name" in person.flow("run", "--fetch", FOLDER, code=2).stderr
    told = person.told("run", "--fetch", "--name", "cells-07", f"{LAB}:/me/new")
    assert globus.runs[told["run_id"]]["body"]["input"]["name"] == "cells-07"


def test_input_that_is_not_taken(person, globus):
    flow = person.deployed("--index", GROUP)
    person.login("--flow", flow)
    told = person.told("run", "--check", FOLDER, code=1)
    assert told["error"] == "refused" and "title" in told["message"]
    assert person.told("run", "--check", "--title", "T", FOLDER) == {"valid": True}
    assert not globus.runs
    told = person.told("run", "--title", "T", "--keywords", "a,b", "--description", "D", FOLDER)
    assert globus.runs[told["run_id"]]["body"]["input"]["keywords"] == ["a", "b"]


@pytest.mark.parametrize("folder", ["/me/cells", f"{LAB}", f"{LAB}:me", f"x{LAB}:/me", f"{LAB}:/a\nb"])
def test_folders_that_are_none(person, folder):
    person.flow("run", "--flow", NOBODY, folder, code=2)


def test_status_and_runs(person, globus):
    flow = person.deployed()
    person.login("--flow", flow)
    ids = [person.told("run", f"{LAB}:/me/{name}")["run_id"] for name in "abcde"]
    for n, run in enumerate(ids):
        globus.runs[run]["start_time"] = f"2026-11-2{n}T12:00:00.5+00:00"
    told = person.told("runs")
    assert [run["label"] for run in told] == list("edcba")
    assert [run["label"] for run in person.told("runs", "--limit", "2")] == list("ed")
    assert len(person.flow("runs").stdout.splitlines()) == 6
    globus.runs[ids[4]]["log"] = [
        {"time": "t", "code": "ExpressionEvalCompleted", "description": "d",
         "details": {"state_name": "NoteStatus", "state_type": "ExpressionEval",
                     "output": {"text": "running - since 12:03 on 2 nodes", "round": 4}}},
        {"time": "t", "code": "WaitStarted", "description": "d", "details": {"state_name": "WaitWhileTheJobRuns"}}]
    told = person.told("status")
    assert told["run_id"] == ids[4] and told["state"] == "WaitWhileTheJobRuns"
    assert told["cluster"] == "running - since 12:03 on 2 nodes" and "reason" not in told
    globus.runs[ids[0]].update(status="FAILED", completion_time="2026-11-23T12:00:00+00:00")
    globus.runs[ids[0]]["log"] = [
        {"time": "t", "code": "ExpressionEvalCompleted", "description": "d",
         "details": {"state_name": "TheJobDidNotSucceed", "output": {"ending": {"error": "x", "cause": "It ran out of memory."}}}}]
    shown = person.flow("status", ids[0]).stdout
    assert "FAILED" in shown and "It ran out of memory." in shown
    globus.runs[ids[1]].update(status="INACTIVE", details={"code": "x", "description": "a consent is needed"})
    done = person.flow("status", ids[1])
    assert "a consent is needed" in done.stdout and "waits for a person" in done.stderr
    assert person.told("status", NOBODY, code=1)["error"] == "unknown"
    globus.runs.clear()
    assert person.told("runs") == []
    assert "no runs" in person.flow("status", code=1).stderr


# ---- validate --online ----

def test_validate_online(person, globus):
    person.login("--client-id", NATIVE)
    person.site.generate()
    paths = ["FlowCron-cryo_definition.json", "FlowCron-cryo_input_schema.json"]
    assert all(one["valid"] for one in person.told("validate", "--online", *paths))
    assert globus.count("POST", "/flows/validate") == 2
    detail = [{"loc": ["definition", "States", "UploadYourFolder", "Catch", 0, "Surprise"], "msg": "not like this", "type": "x"}]
    globus.fault("/flows/validate", 422, {"error": {"code": "UNPROCESSABLE_ENTITY", "detail": detail}})
    told = person.told("validate", "--online", paths[0], code=1)
    fault, = told["faults"]
    assert fault["path"] == "States.UploadYourFolder.Catch[0]" and fault["message"] == "not like this"
    line = (person.root / paths[0]).read_text().splitlines()[fault["line"] - 1]
    assert line.strip() == "{" and fault["column"] == line.index("{") + 1


def test_the_services_own_trouble_is_a_warning(person, globus):
    person.login("--client-id", NATIVE)
    person.site.generate()
    globus.fault("/flows/validate", 500, {"error": {"code": "UNKNOWN_ERROR"}}, times=99, Retry_After=0)
    told = person.told("validate", "--online", "FlowCron-cryo_definition.json")
    assert told["valid"] and "UNKNOWN_ERROR" in told["warnings"][0]["message"]


def test_online_without_a_login(person):
    person.site.generate()
    assert "Log in first" in person.flow("validate", "--online", "FlowCron-cryo_definition.json", code=1).stderr
