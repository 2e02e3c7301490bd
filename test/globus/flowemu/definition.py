# SPDX-License-Identifier: Apache-2.0
"""What makes a definition one that the service takes, more strictly than its public schema says.

check_definition(definition) → list of faults, each "States.NAME.KEY: what is wrong".
"""

import re
from datetime import datetime

from . import paths
from .expressions import Expression, ExpressionError

_END = {"Next", "End"}
KEYS = {
    # What each must have and may have, beside Type and Comment.
    "Action": ({"ResultPath"}, {"ActionUrl", "ActionScope", "Handler", "Parameters", "InputPath",
                                "WaitTime", "ExceptionOnActionFailure", "Catch", "RunAs"} | _END),
    "ExpressionEval": ({"Parameters", "ResultPath"}, _END),
    "Pass": (set(), {"Parameters", "InputPath", "Result", "ResultPath"} | _END),
    "Wait": (set(), {"Seconds", "SecondsPath", "Timestamp", "TimestampPath"} | _END),
    "Choice": ({"Choices"}, {"Default"}),
    "Fail": (set(), {"Cause", "CausePath", "Error", "ErrorPath"}),
    "CreateWebInput": ({"ResultPath"}, {"Parameters", "InputPath", "Catch"} | _END),
    "AwaitWebInput": ({"ResultPath"}, {"Parameters", "InputPath", "Catch"} | _END),
}
WITH_EXPRESSIONS = {"Action", "ExpressionEval", "CreateWebInput", "AwaitWebInput"}
ERRORS = {"ActionUnableToRun", "ActionFailedException", "ActionTimeout", "Flows.WebInputExpired"}

_TESTS = {f"Is{kind}" for kind in ("Present", "Null", "Boolean", "Numeric", "String", "Timestamp")}
_ORDERS = ("Equals", "LessThan", "GreaterThan", "LessThanEquals", "GreaterThanEquals")
COMPARISONS = ({"BooleanEquals"}
               | {kind + order for kind in ("String", "Numeric", "Timestamp") for order in _ORDERS})
OPERATORS = _TESTS | COMPARISONS | {c + "Path" for c in COMPARISONS} | {"StringMatches"}
PRIVATE = "__Private_Parameters"


class DefinitionError(Exception):
    """The service would not take it, or it could never run."""

    def __init__(self, faults):
        super().__init__("\n".join(faults))
        self.faults = faults


def parse_timestamp(text):
    """RFC 3339 → seconds since the epoch; ValueError."""
    moment = datetime.fromisoformat(re.sub("[Zz]$", "+00:00", text))
    if moment.tzinfo is None or "T" not in text.upper():
        raise ValueError(f"{text} is no RFC 3339 time")
    return moment.timestamp()


def is_number(value):
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def is_timestamp(value):
    try:
        return isinstance(value, str) and parse_timestamp(value) is not None
    except ValueError:
        return False


class _Checker:
    def __init__(self, definition, inferred):
        self.definition = definition
        self.inferred = inferred
        self.faults = []
        self.targets = set()

    def fault(self, where, what):
        self.faults.append(f"{where}: {what}")

    def check(self):
        if not isinstance(self.definition, dict):
            return ["a definition is an object"]
        for key in set(self.definition) - {"StartAt", "States", "Comment"}:
            self.fault(key, "unknown key")
        states = self.definition.get("States")
        if not isinstance(states, dict) or not states:
            self.fault("States", "missing or empty")
            return self.faults
        self.target("StartAt", self.definition.get("StartAt"))
        for name, state in states.items():
            self.state(name, state)
        self.reachable()
        return self.faults

    # ---- what leads where ----

    def target(self, where, name):
        if not isinstance(name, str) or name not in self.definition["States"]:
            self.fault(where, f"there is no state {name!r}")

    def way_on(self, where, state):
        if ("Next" in state) == ("End" in state):
            self.fault(where, "needs either Next or End")
        if "Next" in state:
            self.target(f"{where}.Next", state["Next"])
        if "End" in state and state["End"] is not True:
            self.fault(f"{where}.End", "is not true")

    def reachable(self):
        states, seen, todo = self.definition["States"], set(), [self.definition.get("StartAt")]
        while todo:
            name = todo.pop()
            if name in seen or not isinstance(states.get(name), dict):
                continue
            seen.add(name)
            todo += successors(states[name])
        for name in set(states) - seen:
            self.fault(f"States.{name}", "nothing leads there")

    # ---- states ----

    def state(self, name, state):
        where = f"States.{name}"
        if not 1 <= len(name) <= 128:
            self.fault(where, "a state's name has 1 to 128 characters")
        if not isinstance(state, dict) or state.get("Type") not in KEYS:
            self.fault(where, "unknown state type")
            return
        kind = state["Type"]
        needed, allowed = KEYS[kind]
        for key in set(state) - needed - allowed - {"Type", "Comment"}:
            self.fault(f"{where}.{key}", f"unknown key of {kind}")
        for key in needed - set(state):
            self.fault(where, f"{key} is missing")
        if "Comment" in state and not isinstance(state["Comment"], str):
            self.fault(f"{where}.Comment", "is no string")
        if _END <= allowed:
            self.way_on(where, state)
        self.data_keys(where, state)
        getattr(self, f"state_{kind.lower()}")(where, state)

    def data_keys(self, where, state):
        for key in ("InputPath", "ResultPath"):
            if key in state and not paths.is_path(state[key]):
                self.fault(f"{where}.{key}", f"{state[key]!r} is no path")
        if "Parameters" in state:
            if not isinstance(state["Parameters"], dict):
                self.fault(f"{where}.Parameters", "is no object")
            else:
                self.parameters(f"{where}.Parameters", state["Parameters"],
                                state["Type"] in WITH_EXPRESSIONS)

    def parameters(self, where, value, expressions):
        if isinstance(value, list):
            for i, item in enumerate(value):
                self.parameters(f"{where}[{i}]", item, expressions)
        if not isinstance(value, dict):
            return
        for key, item in value.items():
            place = f"{where}.{key}"
            plain = key[:-2] if key.endswith((".$", ".=")) else key
            if plain != key and plain in value:
                self.fault(place, "is there twice")
            if key == PRIVATE:
                if not isinstance(item, list) or not all(isinstance(i, str) for i in item):
                    self.fault(place, "is no list of names")
            elif key.endswith(".$"):
                if not paths.is_path(item):
                    self.fault(place, f"{item!r} is no path")
            elif key.endswith(".="):
                self.expression(place, item, expressions)
            elif isinstance(item, str) and item.startswith("$."):
                self.fault(place, "a path under a key without .$")
            else:
                self.parameters(place, item, expressions)

    def expression(self, where, text, allowed):
        if not allowed:
            self.fault(where, "no expressions here")
        try:
            Expression(text, self.inferred)
        except ExpressionError as error:
            self.fault(where, str(error))

    def one_of(self, where, state, *keys):
        if sum(key in state for key in keys) != 1:
            self.fault(where, f"needs exactly one of {', '.join(keys)}")

    def state_action(self, where, state):
        self.one_of(where, state, "ActionUrl", "Handler")
        self.one_of(where, state, "Parameters", "InputPath")
        url = state.get("ActionUrl", "https://x")
        if not isinstance(url, str) or not re.fullmatch("https://.+", url):
            self.fault(f"{where}.ActionUrl", "is no https URL")
        wait = state.get("WaitTime", 300)
        if not isinstance(wait, int) or isinstance(wait, bool) or wait < 1:
            self.fault(f"{where}.WaitTime", "is no number of seconds")
        # What is left out means true in one source and false in another.
        if not isinstance(state.get("ExceptionOnActionFailure"), bool):
            self.fault(f"{where}.ExceptionOnActionFailure", "must be said: true or false")
        if not isinstance(state.get("RunAs", "User"), str):
            self.fault(f"{where}.RunAs", "is no role")
        self.catch(where, state)

    def catch(self, where, state):
        rules = state.get("Catch", [])
        if not isinstance(rules, list):
            self.fault(f"{where}.Catch", "is no list")
            return
        for i, rule in enumerate(rules):
            place = f"{where}.Catch[{i}]"
            for key in set(rule) - {"ErrorEquals", "Next", "ResultPath", "Comment"}:
                self.fault(f"{place}.{key}", "unknown key")
            names = rule.get("ErrorEquals")
            if not isinstance(names, list) or not names or set(names) - ERRORS:
                self.fault(f"{place}.ErrorEquals", f"{names!r}: known are {sorted(ERRORS)}")
            self.target(f"{place}.Next", rule.get("Next"))
            # Without it the error would replace the whole state of the run.
            if not paths.is_path(rule.get("ResultPath")):
                self.fault(f"{place}.ResultPath", "missing or no path")

    def state_expressioneval(self, where, state):
        pass

    def state_pass(self, where, state):
        if "Parameters" in state and ("InputPath" in state or "Result" in state):
            self.fault(where, "either Parameters or InputPath or Result")
        if "Result" in state and not isinstance(state["Result"], dict):
            self.fault(f"{where}.Result", "is no object")

    def state_wait(self, where, state):
        self.one_of(where, state, "Seconds", "SecondsPath", "Timestamp", "TimestampPath")
        seconds = state.get("Seconds", 0)
        if not isinstance(seconds, int) or isinstance(seconds, bool) or seconds < 0:
            self.fault(f"{where}.Seconds", "is no whole number")
        if "Timestamp" in state and not is_timestamp(state["Timestamp"]):
            self.fault(f"{where}.Timestamp", "is no RFC 3339 time")
        for key in ("SecondsPath", "TimestampPath"):
            if key in state and not paths.is_path(state[key]):
                self.fault(f"{where}.{key}", "is no path")

    def state_choice(self, where, state):
        choices = state.get("Choices")
        if "Default" in state:
            self.target(f"{where}.Default", state["Default"])
        if not isinstance(choices, list) or not choices:
            self.fault(f"{where}.Choices", "needs at least one")
            return
        for i, rule in enumerate(choices):
            place = f"{where}.Choices[{i}]"
            if isinstance(rule, dict):
                self.target(f"{place}.Next", rule.get("Next"))
                rule = {key: value for key, value in rule.items() if key != "Next"}
            self.rule(place, rule)

    def rule(self, where, rule):
        if not isinstance(rule, dict):
            self.fault(where, "is no object")
            return
        kind = set(rule) - {"Comment"}
        if kind in ({"And"}, {"Or"}):
            parts = rule[kind.pop()]
            if not isinstance(parts, list) or not parts:
                self.fault(where, "needs a list of rules")
                return
            for i, part in enumerate(parts):
                self.rule(f"{where}[{i}]", part)
        elif kind == {"Not"}:
            self.rule(f"{where}.Not", rule["Not"])
        else:
            self.leaf(where, rule, kind)

    def leaf(self, where, rule, kind):
        if not paths.is_path(rule.get("Variable")):
            self.fault(f"{where}.Variable", f"{rule.get('Variable')!r} is no path")
        operators = kind - {"Variable"}
        if len(operators) != 1 or operators - OPERATORS:
            self.fault(where, f"needs one known comparison, has {sorted(operators)}")
            return
        operator, = operators
        if not _operand_fits(operator, rule[operator]):
            self.fault(f"{where}.{operator}", f"{rule[operator]!r} can't be compared with")

    def state_fail(self, where, state):
        for key in ("Cause", "Error"):
            if key in state and key + "Path" in state:
                self.fault(where, f"either {key} or {key}Path")
            if key in state and not isinstance(state[key], str):
                self.fault(f"{where}.{key}", "is no string")
            if key + "Path" in state and not paths.is_path(state[key + "Path"]):
                self.fault(f"{where}.{key}Path", "is no path")

    def state_createwebinput(self, where, state):
        self.one_of(where, state, "Parameters", "InputPath")
        self.catch(where, state)

    state_awaitwebinput = state_createwebinput


def _operand_fits(operator, operand):
    if operator.endswith("Path"):
        return paths.is_path(operand)
    if operator in _TESTS or operator.startswith("Boolean"):
        return isinstance(operand, bool)
    if operator.startswith("Numeric"):
        return is_number(operand)
    if operator.startswith("Timestamp"):
        return is_timestamp(operand)
    return isinstance(operand, str)


def successors(state):
    """The names that a state may lead to."""
    out = [state[key] for key in ("Next", "Default") if isinstance(state.get(key), str)]
    for key in ("Choices", "Catch"):
        rules = state.get(key)
        if isinstance(rules, list):
            out += [rule["Next"] for rule in rules
                    if isinstance(rule, dict) and isinstance(rule.get("Next"), str)]
    return out


def check_definition(definition, inferred=False):
    return _Checker(definition, inferred).check()
