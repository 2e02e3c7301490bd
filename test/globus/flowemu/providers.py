# SPDX-License-Identifier: Apache-2.0
"""The action providers: what they take, to the key, and what they do and answer.

A provider begins an action with its body and returns (work, answer): `work` has do(fraction) or is
None, and answer() gives the details when the work is done. FileError becomes a failed action.
"""

import re
import uuid

from .files import Copy, FileError, Removal

TRANSFER_SCOPE = "urn:globus:auth:scope:transfer.api.globus.org:all"
_UUID = re.compile("[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)


class BodyError(Exception):
    """The body is not what the provider takes: the definition is at fault."""


# ---- what a body may hold ----

def _string(value):
    return isinstance(value, str)


def _path(value):
    return isinstance(value, str) and value.startswith(("/", "~"))


def _boolean(value):
    return isinstance(value, bool)


def _id(value):
    return isinstance(value, str) and _UUID.fullmatch(value) is not None


def _count(value):
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _label(value):
    return (isinstance(value, str) and 1 <= len(value) <= 128 and value == value.strip(" ")
            and "\r" not in value and "\n" not in value)


def _one_of(*words):
    return lambda value: not isinstance(value, bool) and value in words


def _list_of(keys):
    """A list of objects, each with those keys."""
    def check(value):
        return isinstance(value, list) and value and all(not faults(keys, v) for v in value)
    return check


def _strings(value):
    return isinstance(value, list) and all(isinstance(v, str) for v in value)


def _object(value):
    return isinstance(value, dict)


NEEDED, MAY = True, False
_RULE = {"DATA_TYPE": (_one_of("filter_rule"), NEEDED), "name": (_string, NEEDED),
         "method": (_one_of("include", "exclude"), NEEDED), "type": (_one_of("file", "dir"), MAY)}
_NOTIFY = {f"notify_on_{end}": (_boolean, MAY) for end in ("succeeded", "failed", "inactive")}
_SWITCHES = {key: (_boolean, MAY) for key in (
    "verify_checksum", "preserve_timestamp", "encrypt_data", "skip_source_errors",
    "fail_on_quota_errors", "delete_destination_extra")}

BODIES = {
    "transfer": {
        "source_endpoint": (_id, NEEDED), "destination_endpoint": (_id, NEEDED),
        "DATA": (_list_of({"source_path": (_path, NEEDED), "destination_path": (_path, NEEDED),
                           "recursive": (_boolean, MAY)}), NEEDED),
        "label": (_label, MAY), "sync_level": (_one_of(0, 1, 2, 3), MAY),
        "filter_rules": (_list_of(_RULE), MAY), "deadline": (_string, MAY),
        **_SWITCHES, **_NOTIFY},
    "delete": {
        "endpoint": (_id, NEEDED), "DATA": (_list_of({"path": (_path, NEEDED)}), NEEDED),
        "recursive": (_boolean, MAY), "label": (_label, MAY), "ignore_missing": (_boolean, MAY),
        "interpret_globs": (_one_of(False), MAY), **_NOTIFY},
    "mkdir": {"endpoint_id": (_id, NEEDED), "path": (_path, NEEDED)},
    "stat": {"endpoint_id": (_id, NEEDED), "path": (_path, NEEDED)},
    "ls": {"endpoint_id": (_id, NEEDED), "path": (_path, NEEDED), "limit": (_count, MAY),
           "offset": (_count, MAY), "show_hidden": (_boolean, MAY)},
    "collection_info": {"endpoint_id": (_id, NEEDED)},
    "manage_permission": {
        "operation": (_one_of("CREATE"), NEEDED), "endpoint_id": (_id, NEEDED),
        "path": (lambda v: _path(v) and v.endswith("/"), NEEDED),
        "principal_type": (_one_of("identity", "group", "all_authenticated_users", "anonymous"),
                           NEEDED),
        "principal": (_string, NEEDED), "permissions": (_one_of("r", "rw"), NEEDED)},
    "ingest": {
        "search_index": (_id, NEEDED), "subject": (lambda v: _string(v) and
                                                   0 < len(v.encode()) <= 500, NEEDED),
        "visible_to": (lambda v: _strings(v) and 0 < len(v) <= 100, NEEDED),
        "content": (_object, NEEDED), "id": (_string, MAY)},
    "hello_world": {"echo_string": (_string, MAY), "sleep_time": (_count, MAY)},
}

_BASE = "https://transfer.actions.globus.org/"
URLS = {_BASE + name: name for name in
        ("transfer", "delete", "mkdir", "stat", "ls", "collection_info", "manage_permission")}
URLS["https://actions.globus.org/search/ingest"] = "ingest"
URLS["https://actions.globus.org/hello_world"] = "hello_world"

# How long they take when nothing is injected, in virtual seconds.
SECONDS = {"transfer": 5, "delete": 3, "ingest": 2}
SYNCHRONOUS = set(BODIES) - set(SECONDS)


def faults(keys, body):
    """What is wrong with an object that may hold these keys."""
    if not isinstance(body, dict):
        return ["is no object"]
    out = [f"unknown key {key}" for key in sorted(set(body) - set(keys))]
    for key, (fits, needed) in keys.items():
        if key not in body:
            out += [f"{key} is missing"] if needed else []
        elif not fits(body[key]):
            out.append(f"{key} can't be {body[key]!r}")
    return out


def check_body(name, body):
    wrong = faults(BODIES[name], body)
    if wrong:
        raise BodyError(f"{name}: {'; '.join(wrong)}")


# ---- what they do ----

class Providers:
    """The world of an emulator: its collections and search indices.

    What no source tells is what the test says: existing and missing are "failed" (the action ends as
    FAILED), "unable" (it can't be started) or "succeeded".
    """

    def __init__(self):
        self.collections = {}
        self.index = {}
        self.mkdir_existing = "failed"
        self.ls_missing = "failed"

    def collection(self, key, role):
        found = self.collections.get(key)
        if not found:
            raise FileError("EndpointNotFound", f"There is no collection {key}")
        if role not in found.allow:
            raise FileError("EndpointPermissionDenied", f"{role} may not use {found.name}")
        return found

    def begin(self, name, body, role):
        return getattr(self, "_" + name)(body, role)

    def _transfer(self, body, role):
        copy = Copy(self.collection(body["source_endpoint"], role),
                    self.collection(body["destination_endpoint"], role), body)
        for item in body["DATA"]:
            copy.plan(item)
        return copy, lambda: {**task(body), "files_transferred": copy.transferred,
                              "files_skipped": copy.skipped, "bytes_transferred": copy.bytes}

    def _delete(self, body, role):
        removal = Removal(self.collection(body["endpoint"], role), body)
        for item in body["DATA"]:
            removal.plan(item)
        return removal, lambda: {**task(body, "DELETE"), "files": removal.removed}

    def _mkdir(self, body, role):
        self.collection(body["endpoint_id"], role).mkdir(body["path"])
        answer = {"DATA_TYPE": "mkdir_result", "code": "DirectoryCreated",
                  "message": "The directory was created successfully"}
        return None, lambda: answer

    def _stat(self, body, role):
        document = self.collection(body["endpoint_id"], role).document(body["path"])
        return None, lambda: document

    def _ls(self, body, role):
        collection = self.collection(body["endpoint_id"], role)
        shown, total = collection.listing(body["path"], body.get("limit", 100_000),
                                          body.get("offset", 0), body.get("show_hidden", True))
        answer = {"DATA_TYPE": "file_list", "DATA": shown, "length": len(shown), "total": total,
                  "path": body["path"], "absolute_path": collection.absolute(body["path"]),
                  "endpoint": body["endpoint_id"], "rename_supported": True,
                  "symlink_supported": True}
        return None, lambda: answer

    def _collection_info(self, body, role):
        found = self.collection(body["endpoint_id"], role)
        return None, lambda: {"DATA_TYPE": "endpoint", "id": found.uuid,
                              "display_name": found.name, "entity_type": "GCSv5_guest_collection"}

    def _manage_permission(self, body, role):
        found = self.collection(body["endpoint_id"], role)
        found.permissions.append(dict(body))
        answer = {"access_id": str(uuid.uuid4()), "code": "Created"}
        return None, lambda: answer

    def _ingest(self, body, _role):
        def answer():
            self.index.setdefault(body["search_index"], {})[body["subject"]] = dict(body)
            return {"task_id": str(uuid.uuid4()), "state": "SUCCESS"}
        return None, answer

    def _hello_world(self, body, _role):
        return None, lambda: {"Hello": "World", "hello": body.get("echo_string", "")}


def task(body, kind="TRANSFER", status="SUCCEEDED", error=None, nice="OK", met=0):
    """A task document of Transfer."""
    return {"DATA_TYPE": "task", "task_id": str(uuid.uuid4()), "type": kind, "status": status,
            "label": body.get("label"), "faults": met,
            "nice_status": None if status == "SUCCEEDED" else nice,
            "nice_status_details": error and error["description"], "fatal_error": error}
