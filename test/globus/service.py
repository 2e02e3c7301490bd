# SPDX-License-Identifier: Apache-2.0
"""An HTTP stand-in for Globus Auth and Globus Flows, on loopback, that takes nothing but what is documented.

    with Service() as globus:
        env = globus.env()                              # for the program under test
        code = globus.browser(url)                      # what a person does with the address that is printed
        globus.fault("/flows", 503, times=2)            # the next two such requests fail
        globus.wrong                                    # what a request had that it should not have, or lacked

It keeps flows and runs in memory; runs stand still, `globus.runs[id]` may be changed by the test.
"""

import base64
import datetime
import hashlib
import http.server
import json
import pathlib
import re
import ssl
import sys
import threading
import urllib.parse
import uuid

sys.path.insert(0, str(pathlib.Path(__file__).parent))

# pylint: disable=wrong-import-position
from flowemu.definition import check_definition  # noqa: E402
from flowemu.inputs import InputError, check_input, check_schema  # noqa: E402

FLOWS_SCOPE = "https://auth.globus.org/scopes/eec9b274-0c81-4334-bdc2-54e90e689b9a/all"
REDIRECT = "https://auth.globus.org/v2/web/auth-code"
NATIVE = "aaaaaaaa-1111-4111-8111-aaaaaaaaaaaa"
CONFIDENTIAL = "bbbbbbbb-2222-4222-8222-bbbbbbbbbbbb"
SECRET = "a secret with / + & and ü"

_UUID = "[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
_UNDER = "[0-9a-f]{8}(?:_[0-9a-f]{4}){3}_[0-9a-f]{12}"
_PRINCIPAL = re.compile(f"urn:globus:(auth:identity|groups:id):{_UUID}")
_FLOW_SCOPE = re.compile(f"https://auth.globus.org/scopes/({_UUID})/flow_({_UNDER})_user"
                         r"(?:\[\*urn:globus:auth:scope:transfer\.api\.globus\.org:all\[(.*)\]\])?")
_DATA_ACCESS = re.compile(rf"\*https://auth.globus.org/scopes/({_UUID})/data_access")

FLOW_KEYS = {"title", "definition", "input_schema", "subtitle", "description", "keywords", "flow_viewers",
             "flow_starters", "flow_administrators", "run_managers", "run_monitors", "subscription_id"}
EVERYBODY = {"flow_viewers": "public", "flow_starters": "all_authenticated_users"}


def now():
    return datetime.datetime.now(datetime.timezone.utc)


class Answer(Exception):
    """What a request is answered with."""

    def __init__(self, status, body, **headers):
        super().__init__(status)
        self.status, self.body, self.headers = status, body, headers


def refuse(status, code, detail=None, message=None):
    error = {"code": code}
    if message:
        error["message"] = message
    if detail is not None:
        error["detail"] = detail
    return Answer(status, {"error": error, "debug_id": str(uuid.uuid4())})


def split_scopes(text):
    """On spaces that are in no bracket."""
    out, depth = [""], 0
    for char in text:
        depth += (char == "[") - (char == "]")
        if char == " " and depth == 0:
            out.append("")
        else:
            out[-1] += char
    return out


class Service:
    """Both services at one address."""

    lifetime = 172800

    def __init__(self, certificate=None):
        self.wrong, self.requests, self.faults = [], [], []
        self.codes, self.tokens, self.refresh = {}, {}, {}
        self.flows, self.runs = {}, {}
        self.consents = set()   # collections whose data_access a run needs
        self.lock = threading.RLock()
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
        self.server.service = self
        self.server.daemon_threads = True
        self.scheme = "http"
        if certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*certificate)
            self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
            self.scheme = "https"
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.02})

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()

    @property
    def url(self):
        return f"{self.scheme}://127.0.0.1:{self.server.server_port}"

    def env(self):
        return {"FLOWCRON_GLOBUS_AUTH_URL": self.url, "FLOWCRON_GLOBUS_FLOWS_URL": self.url + "/"}

    def fault(self, path, status, body=None, times=1, skip=0, **headers):
        """The next requests to a path that begins so are answered with this. Retry_After=0 is a header."""
        self.faults.append([path, status, body, times, skip, headers])

    def count(self, method, path):
        return sum(1 for m, p in self.requests if m == method and p.split("?")[0] == path)

    # ---- what a person does ----

    def browser(self, url):
        """Opens the address, agrees to everything; the code that is shown."""
        parts = urllib.parse.urlsplit(url)
        query = dict(urllib.parse.parse_qsl(parts.query, strict_parsing=True))
        assert url.startswith(self.url + "/v2/oauth2/authorize?"), url
        assert set(query) == {"client_id", "redirect_uri", "scope", "state", "response_type", "code_challenge",
                              "code_challenge_method", "access_type"}, query
        assert query["client_id"] == NATIVE and query["redirect_uri"] == REDIRECT
        assert query["response_type"] == "code" and query["access_type"] == "offline"
        assert query["code_challenge_method"] == "S256" and re.fullmatch("[A-Za-z0-9_-]{43}", query["code_challenge"])
        assert len(query["state"]) >= 16
        code = uuid.uuid4().hex
        self.codes[code] = query
        return code

    # ---- tokens ----

    def issue(self, scopes, refreshable):
        """The answer for one or more scopes; raises Answer for one that nobody knows."""
        issued = []
        for scope in scopes:
            flow = _FLOW_SCOPE.fullmatch(scope)
            if scope == FLOWS_SCOPE:
                server, consents = "flows.globus.org", set()
            elif flow and flow[1].replace("-", "_") == flow[2]:
                server = flow[1]
                parts = split_scopes(flow[3]) if flow[3] else []
                matches = [_DATA_ACCESS.fullmatch(part) for part in parts]
                if not all(matches):
                    raise Answer(400, {"error": "invalid_scope"})
                consents = {match[1] for match in matches}
            else:
                raise Answer(400, {"error": "invalid_scope", "error_description": f"unknown scope {scope}"})
            issued.append(self.token(server, scope, consents, refreshable))
        first, *others = issued
        return {**first, "other_tokens": others}

    def token(self, server, scope, consents, refreshable):
        access = "access/" + uuid.uuid4().hex
        self.tokens[access] = {"server": server, "ends": now() + datetime.timedelta(seconds=self.lifetime),
                               "consents": consents}
        answer = {"access_token": access, "expires_in": self.lifetime, "scope": scope, "resource_server": server,
                  "token_type": "Bearer"}
        if refreshable:
            answer["refresh_token"] = "refresh/" + uuid.uuid4().hex
            self.refresh[answer["refresh_token"]] = scope
        return answer

    def expire(self):
        """All access tokens are over, though their holder does not know."""
        for token in self.tokens.values():
            token["ends"] = now()


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):  # pylint: disable=arguments-differ
        pass

    @property
    def service(self):
        return self.server.service

    def wrong(self, what):
        self.service.wrong.append(f"{self.command} {self.path}: {what}")

    def _serve(self):
        length = int(self.headers.get("Content-Length") or 0)
        self.raw = self.rfile.read(length)
        with self.service.lock:
            try:
                self._inject()
                self._check_headers()
                answer = self._route()
            except Answer as given:
                answer = given
        data = answer.body if isinstance(answer.body, bytes) else json.dumps(answer.body).encode()
        self.send_response(answer.status)
        for name, value in answer.headers.items():
            self.send_header(name.replace("_", "-"), str(value))
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    do_GET = do_POST = do_PUT = do_DELETE = _serve

    def _inject(self):
        self.service.requests.append((self.command, self.path))
        for fault in self.service.faults:
            path, status, body, times, skip, headers = fault
            if times <= 0 or not self.path.startswith(path):
                continue
            if skip > 0:
                fault[4] -= 1
                continue
            fault[3] -= 1
            raise Answer(status, {"error": {"code": "INJECTED"}} if body is None else body, **headers)

    def _check_headers(self):
        if not (self.headers.get("User-Agent") or "").startswith("FlowCron/"):
            self.wrong("no User-Agent")
        if self.headers.get("Accept") != "application/json":
            self.wrong("no Accept")
        if self.command == "GET" and self.raw:
            self.wrong("a body")

    def _route(self):
        path = urllib.parse.urlsplit(self.path).path
        for method, pattern, name in _ROUTES:
            match = re.fullmatch(pattern, path)
            if match and method == self.command:
                return getattr(self, name)(*match.groups())
        self.wrong("no such call")
        raise refuse(404, "NOT_FOUND")

    # ---- Auth ----

    def _form(self, *keys):
        if self.headers.get("Content-Type") != "application/x-www-form-urlencoded":
            self.wrong("not a form")
        form = dict(urllib.parse.parse_qsl(self.raw.decode(), keep_blank_values=True, strict_parsing=True))
        if set(form) != set(keys):
            self.wrong(f"a form with {sorted(form)} instead of {sorted(keys)}")
        return form

    def _basic(self):
        kind, _, text = (self.headers.get("Authorization") or "").partition(" ")
        if kind != "Basic" or base64.b64decode(text).decode() != f"{CONFIDENTIAL}:{SECRET}":
            raise Answer(401, {"error": "invalid_client"})

    def token(self):
        kind = dict(urllib.parse.parse_qsl(self.raw.decode())).get("grant_type")
        if kind == "authorization_code":
            return self._by_code()
        if kind == "refresh_token":
            form = self._form("grant_type", "refresh_token", "client_id")
            if form["client_id"] != NATIVE or form["refresh_token"] not in self.service.refresh:
                raise Answer(400, {"error": "invalid_grant"})
            answer = self.service.issue([self.service.refresh[form["refresh_token"]]], False)
            return Answer(200, answer)
        if kind == "client_credentials":
            form = self._form("grant_type", "scope")
            self._basic()
            return Answer(200, self.service.issue(split_scopes(form["scope"]), False))
        raise Answer(400, {"error": "unsupported_grant_type"})

    def _by_code(self):
        form = self._form("grant_type", "client_id", "code", "code_verifier", "redirect_uri")
        asked = self.service.codes.pop(form["code"], None)
        challenge = base64.urlsafe_b64encode(hashlib.sha256(form["code_verifier"].encode()).digest()).decode().rstrip("=")
        if not re.fullmatch("[A-Za-z0-9~_.-]{43,128}", form["code_verifier"]):
            self.wrong("no such verifier")
        if not asked or challenge != asked["code_challenge"] or form["client_id"] != asked["client_id"]:
            raise Answer(400, {"error": "invalid_grant"})
        if form["redirect_uri"] != REDIRECT:
            self.wrong("another redirect_uri")
        return Answer(200, self.service.issue(split_scopes(asked["scope"]), True))

    def revoke(self):
        if self.headers.get("Authorization"):
            form = self._form("token")
            self._basic()
        else:
            form = self._form("token", "client_id")
        self.service.tokens.pop(form["token"], None)
        self.service.refresh.pop(form["token"], None)
        return Answer(200, {"active": False})

    # ---- Flows ----

    def _bearer(self, server="flows.globus.org"):
        kind, _, text = (self.headers.get("Authorization") or "").partition(" ")
        token = self.service.tokens.get(text)
        if kind != "Bearer" or not token or token["ends"] <= now():
            raise refuse(401, "AUTHENTICATION_ERROR", "Expired or invalid Bearer token")
        if token["server"] != server:
            raise refuse(403, "MISSING_SCOPE", "This action requires the following scope")
        return token

    def _json(self, allowed, required=()):
        if self.headers.get("Content-Type") != "application/json":
            self.wrong("not JSON")
        body = json.loads(self.raw)
        for key in set(body) - set(allowed):
            self.wrong(f"the key {key}")
        missing = [key for key in required if key not in body]
        if missing:
            raise refuse(422, "UNPROCESSABLE_ENTITY",
                         [{"loc": [key], "msg": "field required", "type": "value_error.missing"} for key in missing])
        return body

    def _check_documents(self, body):
        detail = []
        for text in check_definition(body["definition"], True) if "definition" in body else ():
            where, _, what = text.partition(": ")
            detail.append({"loc": ["definition", *where.split(".")], "msg": what, "type": "value_error"})
        try:
            check_schema(body.get("input_schema", {}))
        except InputError as error:
            detail.append({"loc": ["input_schema"], "msg": str(error), "type": "value_error"})
        for key in ("flow_viewers", "flow_starters", "flow_administrators", "run_managers", "run_monitors"):
            for i, who in enumerate(body.get(key, ())):
                if who != EVERYBODY.get(key) and not _PRINCIPAL.fullmatch(who):
                    detail.append({"loc": [key, i], "msg": "not a valid principal", "type": "value_error"})
            if len(body.get(key, ())) > 16:
                detail.append({"loc": [key], "msg": "too many items", "type": "value_error"})
        if not 1 <= len(body.get("title", "x")) <= 128:
            detail.append({"loc": ["title"], "msg": "1 to 128 characters", "type": "value_error"})
        if detail:
            raise refuse(422, "UNPROCESSABLE_ENTITY", detail)

    def _flow(self, flow_id):
        if flow_id not in self.service.flows:
            raise refuse(404, "NOT_FOUND", f"No Flow exists with id value {flow_id}")
        return self.service.flows[flow_id]

    def create(self):
        self._bearer()
        body = self._json(FLOW_KEYS, ("title", "definition", "input_schema"))
        self._check_documents(body)
        flow_id = str(uuid.uuid4())
        under = flow_id.replace("-", "_")
        self.service.flows[flow_id] = {
            **body, "id": flow_id, "globus_auth_scope": f"https://auth.globus.org/scopes/{flow_id}/flow_{under}_user",
            "principal_urn": f"urn:globus:auth:identity:{flow_id}", "flow_url": f"https://flows.globus.org/flows/{flow_id}"}
        return Answer(201, self.service.flows[flow_id])

    def update(self, flow_id):
        self._bearer()
        flow = self._flow(flow_id)
        body = self._json(FLOW_KEYS)
        self._check_documents(body)
        flow.update(body)
        return Answer(200, flow)

    def get(self, flow_id):
        self._bearer()
        return Answer(200, self._flow(flow_id))

    def validate(self):
        self._bearer()
        self._check_documents(self._json({"definition", "input_schema"}, ("definition",)))
        return Answer(200, {"scopes": {"User": [], "Flow": []}, "analysis": {"number_of_possibilities": 1}})

    def _input(self, flow_id):
        token = self._bearer(flow_id)
        flow = self._flow(flow_id)
        body = self._json({"body", "label", "tags", "run_managers", "run_monitors", "activity_notification_policy"},
                          ("body",))
        if not 1 <= len(body.get("label", "x")) <= 64:
            raise refuse(422, "UNPROCESSABLE_ENTITY", [{"loc": ["label"], "msg": "1 to 64 characters"}])
        missing = self.service.consents - token["consents"]
        if missing:
            scope = f"https://auth.globus.org/scopes/{sorted(missing)[0]}/data_access"
            raise Answer(403, {"code": "ConsentRequired", "authorization_parameters": {
                "required_scopes": [scope], "session_message": "Missing required data_access consent"}})
        try:
            check_input(flow["input_schema"], body["body"])
        except InputError as error:
            raise refuse(400, "FLOW_INPUT_ERROR", str(error)) from error
        return body

    def run(self, flow_id):
        body = self._input(flow_id)
        run_id = str(uuid.uuid4())
        self.service.runs[run_id] = {
            "run_id": run_id, "flow_id": flow_id, "status": "ACTIVE", "display_status": "ACTIVE",
            "label": body.get("label"), "start_time": now().isoformat(), "completion_time": None, "body": body["body"],
            "details": {"code": "FlowStarting", "description": "The flow is starting"}, "log": []}
        return Answer(201, self._shown(run_id))

    def validate_run(self, flow_id):
        self._input(flow_id)
        return Answer(200, {"message": "validation successful"})

    def _shown(self, run_id):
        if run_id not in self.service.runs:
            raise refuse(404, "NOT_FOUND", f"No Run exists with id value {run_id}")
        return {key: value for key, value in self.service.runs[run_id].items() if key not in ("log", "body")}

    def _query(self, *allowed):
        query = dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(self.path).query, strict_parsing=True))
        for key in set(query) - set(allowed):
            self.wrong(f"the parameter {key}")
        return query

    def list_runs(self):
        """Three a page, in no order that would help."""
        self._bearer()
        query = self._query("filter_flow_id", "filter_roles", "marker")
        ids = [run["run_id"] for run in self.service.runs.values() if run["flow_id"] == query.get("filter_flow_id")]
        at = int(query.get("marker", "m0")[1:])
        more = at + 3 < len(ids)
        return Answer(200, {"runs": [self._shown(i) for i in ids[at:at + 3]], "has_next_page": more,
                            "marker": f"m{at + 3}" if more else None, "limit": 3})

    def get_run(self, run_id):
        self._bearer()
        self._query("include_flow_description")
        return Answer(200, self._shown(run_id))

    def log(self, run_id):
        self._bearer()
        query = self._query("limit", "reverse_order", "marker")
        limit = int(query.get("limit", 10))
        if not 1 <= limit <= 100:
            raise refuse(422, "UNPROCESSABLE_ENTITY", [{"loc": ["limit"], "msg": "1 to 100"}])
        self._shown(run_id)
        entries = self.service.runs[run_id]["log"]
        if query.get("reverse_order") == "true":
            entries = entries[::-1]
        return Answer(200, {"entries": entries[:limit], "limit": limit, "has_next_page": len(entries) > limit})


_ROUTES = [
    ("POST", "/v2/oauth2/token", "token"),
    ("POST", "/v2/oauth2/token/revoke", "revoke"),
    ("POST", "/flows", "create"),
    ("POST", "/flows/validate", "validate"),
    ("PUT", f"/flows/({_UUID})", "update"),
    ("GET", f"/flows/({_UUID})", "get"),
    ("POST", f"/flows/({_UUID})/run", "run"),
    ("POST", f"/flows/({_UUID})/validate_run", "validate_run"),
    ("GET", "/runs", "list_runs"),
    ("GET", f"/runs/({_UUID})", "get_run"),
    ("GET", f"/runs/({_UUID})/log", "log"),
]
