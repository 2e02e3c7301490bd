# SPDX-License-Identifier: Apache-2.0
"""What is filed with a result must hold together: record, report, events and what `show` says."""

import functools
import json

import jsonschema

from .common import SOURCE


@functools.lru_cache(None)
def validator(name):
    schema = json.loads((SOURCE / "schema" / name).read_text())
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema, format_checker=jsonschema.FormatChecker())


def check_record(fc, name):
    """Asserts that the record is valid and says the same as `show` and `history`; returns it."""
    record = fc.record(name)
    faults = [f"{list(f.absolute_path)}: {f.message}"
              for f in validator("record.schema.json").iter_errors(record)]
    assert not faults, faults
    uow = fc.show(record["id"])
    for key in ("id", "outcome", "cause", "reason", "attempt", "path", "created"):
        assert record.get(key, 0) == uow.get(key, 0), f"{key}: {record.get(key)} {uow.get(key)}"
    assert record["folder"] == uow["name"]
    # The record is written before the rename, so what comes later is in the event log alone.
    history = fc.events(record["id"])
    assert record["events"] == history[:len(record["events"])]
    assert [e["event"] for e in history[len(record["events"]):]][:1] in ([], ["finished"])
    assert len(record["attempts"]) == (record["attempt"] or 0)
    return record


def submit_args(fc, name, attempt=-1):
    """The arguments of a submission, as recorded."""
    return fc.record(name)["attempts"][attempt]["args"]
