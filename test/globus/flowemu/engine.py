# SPDX-License-Identifier: Apache-2.0
"""Runs of flows, in a time of their own.

    emulator = Emulator(speed=1000)
    emulator.add(Collection(HPC, base), Collection(LAB, lab, home="/me/"))
    run = emulator.start(definition, {"input": …}, schema)
    emulator.run(run)
    assert run.status == "SUCCEEDED", run.story()

The clock of the emulator jumps from one thing that is due to the next; a second of real time passes
for `speed` seconds of it, so that what is under test gets its turn. All runs share the clock.
"""

import copy
import dataclasses
import json
import time
import uuid
from datetime import datetime, timezone

from . import choice, faults as kinds, paths
from .definition import PRIVATE, DefinitionError, check_definition, parse_timestamp
from .expressions import Expression, ExpressionError
from .files import FileError
from .inputs import check_input
from .providers import (SECONDS, SYNCHRONOUS, TRANSFER_SCOPE, URLS, BodyError, Providers,
                        check_body, task)

MAX_STATE = 200 * 1024      # bytes of a run's data
MAX_EVENTS = 25_000         # of the engine, in one run
MAX_DURATION = 365 * 86400
POLL_FIRST, POLL_LAST = 2, 600  # an action's provider is asked with doubling intervals
TAKES_TIME = {"Action", "Wait", "AwaitWebInput"}
EVENTS = {"Action": 5, "ExpressionEval": 5, "CreateWebInput": 5, "AwaitWebInput": 5}

PERSON = "urn:globus:auth:identity:11111111-1111-4111-8111-111111111111"


class Fault(Exception):
    """The definition is at fault in a way that only a run shows; no Catch sees it."""

    def __init__(self, code, text):
        super().__init__(text)
        self.code = code


class ActionError(Exception):
    """One of the errors that a Catch may name."""

    def __init__(self, name, text):
        super().__init__(text)
        self.name = name


class Ended(Exception):
    """A Fail state, or the end of the run by order."""


@dataclasses.dataclass
class Action:
    """One action of a run, for tests to look at."""
    state: str
    provider: str
    body: dict
    role: str
    started: float
    status: str = "ACTIVE"
    details: dict = None
    ended: float = None
    action_id: str = dataclasses.field(default_factory=lambda: str(uuid.uuid4()))

    def result(self):
        return {"action_id": self.action_id, "status": self.status,
                "display_status": self.status, "creator_id": "urn:globus:auth:identity:emulated",
                "start_time": _text(self.started), "completion_time": _text(self.ended),
                "label": None, "release_after": "P30D", "details": copy.deepcopy(self.details)}


def _text(when):
    return None if when is None else datetime.fromtimestamp(when, timezone.utc).isoformat()


class Emulator(Providers):
    """Collections, a clock, faults to come, and the runs."""

    def __init__(self, speed=1000, inferred=False):
        super().__init__()
        self.speed = speed
        self.inferred = inferred   # let through what is likely to work but shown nowhere
        self.stat_denied = "succeeded"
        self.now = 1_790_000_000.0
        self.runs = []
        self.injected = []
        self.web_input_seconds = None  # how long a web input stays open; None: for ever

    def add(self, *those):
        for collection in those:
            self.collections[collection.uuid] = collection
        return self

    def inject(self, does, *, provider=None, state=None, when=None, times=1, skip=0):
        """A fault for the next actions of this provider and state; when(run, body) narrows it."""
        self.injected.append(kinds.Injected(does, provider, state, when, times, skip))

    def strike(self, run, state, provider, body):
        for fault in self.injected:
            if fault.strikes(run, state, provider, body):
                return fault.does
        return None

    def start(self, definition, run_input, schema=None, *, label="a run", run_id=None, roles=()):
        """DefinitionError, InputError: what the service would refuse. roles: tokens the starter gave."""
        wrong = check_definition(definition, self.inferred)
        if wrong:
            raise DefinitionError(wrong)
        if schema is not None:
            check_input(schema, run_input)
        run = Run(self, definition, run_input, label, run_id or str(uuid.uuid4()), roles)
        self.runs.append(run)
        return run

    def run(self, *runs, until=None, seconds=60):
        """Until these runs (all, if none is named) are over or wait for a person, or until() is true.

        TimeoutError after so many real seconds, with what the runs have been doing.
        """
        runs = list(runs or self.runs)
        deadline = time.monotonic() + seconds
        while not (until and until()):
            due = [run for run in runs if run.wake is not None]
            if not due:
                break
            if time.monotonic() > deadline:
                raise TimeoutError(f"not over after {seconds} s:\n"
                                   + "\n".join(run.story() for run in due)[-8000:])
            first = min(due, key=lambda run: run.wake)
            self._pass_time(first.wake)
            first.step()
        return runs[0] if len(runs) == 1 else runs

    def _pass_time(self, when):
        if when > self.now:
            time.sleep((when - self.now) / self.speed)
            self.now = when


class Run:
    """One run: status, details, cause (what a person reads), data, actions, states, log, events."""

    def __init__(self, emulator, definition, run_input, label, run_id, roles):
        self.emulator = emulator
        self.definition = copy.deepcopy(definition)
        self.data = copy.deepcopy(run_input)
        self.label = label
        self.run_id = run_id
        self.roles = {"User", "Flow", *roles}
        self.status = "ACTIVE"
        self.details = {}
        self.error = self.cause = None
        self.fault = None        # text: the definition is at fault
        self.actions = []
        self.states = []         # names, in the order of visits
        self.log = []
        self.events = 1
        self.started = self.wake = emulator.now
        self.ended = None
        self.at = ""             # the state it is in
        self.web_input = None    # the one that is open: id, parameters, response
        self.context = {"flow_id": str(uuid.uuid4()), "run_id": run_id, "username": "ada@lab.org",
                        "email": "ada@lab.org", "user_id": PERSON, "identities": [PERSON],
                        "token_info": {"exp": 0, "iat": 0, "nbf": 0}}
        self._life = self._live()
        self._note("FlowStarted", "The flow run started execution", input=self.data)

    # ---- for tests ----

    def visits(self, state):
        return self.states.count(state)

    def used(self, provider):
        return [action for action in self.actions if action.provider == provider]

    def story(self):
        """The run as text, for messages of failed assertions."""
        lines = [f"run {self.run_id}: {self.status} in {self.at}, {self.events} events; "
                 f"error {self.error}, cause {self.cause}, fault {self.fault}"]
        for entry in self.log:
            details = entry["details"]
            lines.append(f"  {entry['time']} {details.get('state_name', '')} {entry['code']} "
                         + json.dumps(details.get("output", details.get("input")), default=str)[:400])
        return "\n".join(lines)

    def resume(self):
        """After a pause: what the run needed has been given."""
        assert self.status == "INACTIVE", self.story()
        self.status = "ACTIVE"
        self.wake = self.emulator.now

    def cancel(self):
        """Ended by a person. What the run has begun elsewhere goes on."""
        if self.ended is None:
            self._life.close()
            self._end("ENDED", "FlowCanceled", "The run was cancelled")

    def respond(self, value):
        """To the web input that is open."""
        options = [option["Value"] for option in self.web_input["parameters"]["Options"]]
        assert value in options, options
        self.web_input["response"] = value
        self.wake = self.emulator.now

    # ---- living ----

    def step(self):
        """Goes on to the next instant at which something is due."""
        try:
            self.wake = next(self._life)
        except StopIteration:
            self._end("SUCCEEDED", "FlowSucceeded", "The flow run completed successfully",
                      output=self.data)
        except Ended:
            self._end("FAILED", self.error or "FlowFailed", self.cause or "")
        except ActionError as error:
            self.error, self.cause = error.name, str(error)
            self._end("FAILED", error.name, str(error))
        except Fault as fault:
            self.fault = f"{self.at}: {fault}"
            self._end("FAILED", fault.code, self.fault)

    def _end(self, status, code, description, **more):
        self.status, self.wake, self.ended = status, None, self.emulator.now
        self.details = {"code": code, "description": description, **more}
        self.events += 1
        self._note({"SUCCEEDED": "FlowSucceeded", "FAILED": "FlowFailed"}.get(status, code),
                   description)

    def _note(self, code, description="", **details):
        self.log.append({"time": _text(self.emulator.now), "code": code,
                         "description": description, "details": copy.deepcopy(details)})

    def _live(self):
        name = self.definition["StartAt"]
        while name:
            state = self.definition["States"][name]
            self.at = name
            self.states.append(name)
            self._spend(EVENTS.get(state["Type"], 2))
            self._note(f"{state['Type']}Started", state_name=name, state_type=state["Type"])
            enter = getattr(self, "_" + state["Type"].lower())
            name = (yield from enter(name, state)) if state["Type"] in TAKES_TIME \
                else enter(name, state)
            if len(json.dumps(self.data)) > MAX_STATE:
                raise Fault("States.DataLimitExceeded", "the run's data are larger than 200 KB")

    def _spend(self, events):
        self.events += events
        if self.events > MAX_EVENTS:
            raise Fault("EventLimitExceeded", "more than 25,000 events")
        if self.emulator.now - self.started > MAX_DURATION:
            raise Fault("RunExpired", "longer than a year")

    def _completed(self, name, state, **details):
        self._note(f"{state['Type']}Completed", state_name=name, state_type=state["Type"], **details)
        return None if state.get("End") else state.get("Next")

    # ---- data ----

    def _view(self):
        return {**self.data, "_context": self.context}

    def _get(self, path):
        try:
            return copy.deepcopy(paths.get(self._view(), path))
        except paths.PathError as error:
            raise Fault("States.Runtime", str(error)) from error

    def _put(self, path, value):
        try:
            self.data = paths.put(self.data, path, copy.deepcopy(value))
        except paths.PathError as error:
            raise Fault("States.Runtime", str(error)) from error
        if not isinstance(self.data, dict):
            raise Fault("States.Runtime", "the data of a run are an object")

    def _fill(self, value):
        if isinstance(value, list):
            return [self._fill(item) for item in value]
        if not isinstance(value, dict):
            return value
        out = {}
        for key, item in value.items():
            if key == PRIVATE:
                continue
            if key.endswith(".$"):
                out[key[:-2]] = self._get(item)
            elif key.endswith(".="):
                try:
                    out[key[:-2]] = copy.deepcopy(
                        Expression(item, self.emulator.inferred).evaluate(self._view()))
                except ExpressionError as error:
                    raise Fault("States.Runtime", f"{key}: {error}") from error
            else:
                out[key] = self._fill(item)
        return out

    def _input(self, state):
        if "InputPath" in state:
            return self._get(state["InputPath"])
        return self._fill(state["Parameters"]) if "Parameters" in state else None

    # ---- states ----

    def _pass(self, name, state):
        value = state.get("Result", self._input(state))
        if value is None:
            value = copy.deepcopy(self.data)
        self._put(state.get("ResultPath", "$"), value)
        return self._completed(name, state, output=value)

    def _expressioneval(self, name, state):
        value = self._fill(state["Parameters"])
        self._put(state["ResultPath"], value)
        return self._completed(name, state, output=value)

    def _choice(self, name, state):
        try:
            target = next((rule["Next"] for rule in state["Choices"]
                           if choice.holds(rule, self._view())), state.get("Default"))
        except paths.PathError as error:
            raise Fault("States.Runtime", str(error)) from error
        if not target:
            raise Fault("States.NoChoiceMatched", "no choice fits, and there is no Default")
        self._completed(name, state, output={"next": target})
        return target

    def _wait(self, name, state):
        seconds = state.get("Seconds")
        if "SecondsPath" in state:
            seconds = self._get(state["SecondsPath"])
            if not isinstance(seconds, int) or isinstance(seconds, bool) or seconds < 0:
                raise Fault("States.Runtime", f"{seconds!r} is no number of seconds")
        if seconds is None:
            text = state.get("Timestamp") or self._get(state["TimestampPath"])
            try:
                seconds = max(0, parse_timestamp(text) - self.emulator.now)
            except (TypeError, ValueError) as error:
                raise Fault("States.Runtime", f"{text!r} is no time") from error
        yield self.emulator.now + seconds
        return self._completed(name, state)

    def _fail(self, name, state):
        for key in ("Cause", "Error"):
            value = self._get(state[key + "Path"]) if key + "Path" in state else state.get(key)
            if value is not None and not isinstance(value, str):
                raise Fault("States.Runtime", f"{key} is no string: {value!r}")
            setattr(self, key.lower(), value)
        self._completed(name, state, output={"Error": self.error, "Cause": self.cause})
        raise Ended

    # ---- actions ----

    def _action(self, name, state):
        try:
            action = yield from self._act(name, state)
        except ActionError as error:
            return self._caught(name, state, error)
        self._put(state["ResultPath"], action.result())
        return self._completed(name, state, output=action.result())

    def _caught(self, name, state, error):
        self._note("ActionFailed", str(error), state_name=name, state_type=state["Type"])
        for rule in state.get("Catch", []):
            if error.name in rule["ErrorEquals"]:
                self._put(rule["ResultPath"], {"Error": error.name, "Cause": str(error)})
                return rule["Next"]
        raise error

    def _provider(self, state):
        handler = state.get("Handler")
        url = state.get("ActionUrl") or (isinstance(handler, dict) and handler.get("Url"))
        provider = URLS.get(url and url.rstrip("/"))
        if not provider:
            raise Fault("ActionUnableToRun", f"no such action provider: {url or handler}")
        scope = state.get("ActionScope")
        if scope and provider not in ("ingest", "hello_world") and scope != TRANSFER_SCOPE:
            raise Fault("ActionUnableToRun", f"{provider} has another scope than {scope}")
        return provider

    def _act(self, name, state):
        provider, role = self._provider(state), state.get("RunAs", "User")
        if role not in self.roles:
            raise Fault("ActionUnableToRun", f"nobody gave a token for the role {role}")
        body = self._input(state)
        try:
            check_body(provider, body)
        except BodyError as error:
            raise Fault("ActionUnableToRun", str(error)) from error
        fault = self.emulator.strike(self, name, provider, body)
        if isinstance(fault, kinds.Pause):
            yield from self._pause(fault)
            fault = None
        if isinstance(fault, kinds.Unable):
            raise ActionError("ActionUnableToRun", fault.message)
        action = Action(name, provider, body, role, self.emulator.now)
        self.actions.append(action)
        yield from self._carry_out(action, fault, state.get("WaitTime", 300))
        action.ended = self.emulator.now
        if action.status == "FAILED" and state["ExceptionOnActionFailure"]:
            raise ActionError("ActionFailedException", json.dumps(action.details))
        return action

    def _pause(self, fault):
        self.status = "INACTIVE"
        self.details = {"code": fault.code, "description": fault.message}
        self._note("RunInactive", fault.message, state_name=self.at)
        yield None  # until resume()
        self.details = {}

    def _carry_out(self, action, fault, wait_time):
        """Begins, waits as the engine does, and ends with action.status and .details."""
        if isinstance(fault, kinds.Answer):
            action.status, action.details = fault.status, copy.deepcopy(fault.details)
            return
        if isinstance(fault, kinds.Fail):
            yield from self._poll(action, SECONDS.get(action.provider, 1), wait_time)
            self._failed(action, FileError(fault.code, fault.message))
            return
        try:
            work, answer = self.emulator.begin(action.provider, action.body, action.role)
            if work:
                work.do(0.5)
            if action.provider not in SYNCHRONOUS:
                yield from self._poll(action, _seconds(action, fault), wait_time)
            if work:
                work.do()
            action.status, action.details = "SUCCEEDED", answer()
        except FileError as error:
            self._failed(action, error)
        else:
            if isinstance(fault, kinds.Retry):
                action.details["faults"] = fault.faults

    def _poll(self, action, seconds, wait_time):
        """Until the action is over and the engine has noticed; ActionTimeout if that takes too long."""
        begun, interval = self.emulator.now, POLL_FIRST
        while self.emulator.now < begun + seconds:
            if self.emulator.now >= begun + wait_time:
                raise ActionError("ActionTimeout",
                                  f"{action.provider} was not over after {wait_time} s")
            yield min(self.emulator.now + interval, begun + wait_time)
            interval = min(interval * 2, POLL_LAST)

    def _failed(self, action, error):
        """How each provider reports that it could not do what it was asked."""
        details = {"code": error.code, "message": str(error), "request_id": action.action_id[:8]}
        how = "failed"
        if error.code == "NotFound" and action.provider == "stat":
            how = "succeeded"
        elif error.code == "NotFound" and action.provider == "ls":
            how = self.emulator.ls_missing
        elif error.code == "EndpointPermissionDenied" and action.provider == "stat":
            how = self.emulator.stat_denied
        elif error.code == "ExternalError.MkdirFailed.Exists":
            how = self.emulator.mkdir_existing
        elif action.provider in ("transfer", "delete"):
            if error.code in ("EndpointNotFound", "EndpointPermissionDenied"):
                how = "unable"
            details = task(action.body, action.provider.upper(), "FAILED", nice=error.code,
                           error={"code": error.code, "description": str(error)})
        if how == "unable":
            raise ActionError("ActionUnableToRun", str(error))
        action.status, action.details = how.upper(), details

    # ---- web inputs ----

    def _createwebinput(self, name, state):
        parameters = self._input(state)
        unknown = set(parameters) - {"InputType", "Context", "Options", "RespondentUrns"}
        if unknown or parameters.get("InputType") != "Selection" or not parameters.get("Options"):
            raise Fault("ActionUnableToRun", f"no valid web input: {parameters}")
        self.web_input = {"id": str(uuid.uuid4()), "parameters": parameters, "response": None,
                          "created": self.emulator.now}
        self._put(state["ResultPath"], {"web_input_id": self.web_input["id"]})
        return self._completed(name, state)

    def _awaitwebinput(self, name, state):
        if not self.web_input or self._input(state) != {"web_input_id": self.web_input["id"]}:
            raise Fault("ActionUnableToRun", "no such web input")
        limit = self.emulator.web_input_seconds
        if self.web_input["response"] is None:
            yield None if limit is None else self.web_input["created"] + limit
        if self.web_input["response"] is None:
            return self._caught(name, state, ActionError("Flows.WebInputExpired", "no response"))
        self._put(state["ResultPath"], {"response": self.web_input["response"]})
        return self._completed(name, state)


def _seconds(action, fault):
    if isinstance(fault, (kinds.Slow, kinds.Retry)):
        return fault.seconds
    return float("inf") if isinstance(fault, kinds.Stuck) else SECONDS[action.provider]
