# SPDX-License-Identifier: Apache-2.0
"""Somebody who uses `flowcronctl flow` with the stand-in for Globus Auth and Flows."""

import json
import os
import subprocess

import jsonschema

from .common import SOURCE, program
from .flows import Site
from service import CONFIDENTIAL, NATIVE, SECRET  # pylint: disable=wrong-import-order

SCHEMAS = {name: json.loads((SOURCE / f"schema/{name}.schema.json").read_text()) for name in ("flow", "refusal")}


def check_told(order, told):
    if isinstance(told, dict) and "error" in told:
        jsonschema.validate(told, SCHEMAS["refusal"])
    else:
        jsonschema.validate(told, {**SCHEMAS["flow"], "$ref": f"#/$defs/{order}"})


class Person:
    """Somebody at a terminal, with a home folder, an instance, and the stand-in."""

    def __init__(self, root, globus):
        self.root, self.globus, self.site = root, globus, Site(root)
        (self.site.base / ".flowcron").mkdir()
        self.env = {"HOME": str(root), "PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8", **globus.env()}
        self.env.update({key: os.environ[key] for key in ("ASAN_OPTIONS", "UBSAN_OPTIONS") if key in os.environ})
        self.login_file = root / ".local/state/flowcron/globus.json"

    def flow(self, *args, code=0, typed=None, instance=True, **env):
        argv = [program("flowcronctl"), *(["--config", self.site.config] if instance else []), "flow", *args]
        done = subprocess.run(argv, cwd=self.root, env={**self.env, **env}, input=typed, capture_output=True,
                              text=True, check=False)
        assert done.returncode == code, f"{args}: {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done

    def told(self, *args, **how):
        """What an order prints, held against its schema."""
        told = json.loads(self.flow(*args, "--json", **how).stdout)
        many = isinstance(told, list) and args[0] == "validate"
        for one in told if many else [told]:
            check_told(args[0], one)
        return told

    def login(self, *args, spoil=False, code=0):
        """As a person does: the address that is printed goes into a browser, the code comes back."""
        argv = [program("flowcronctl"), "flow", "login", *args]
        with subprocess.Popen(argv, cwd=self.root, env=self.env, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, text=True) as process:
            url = ""
            while not url.startswith("http"):
                url = process.stderr.readline()
                assert url, "it ended without an address"
            shown = self.globus.browser(url.strip())
            out, err = process.communicate("nonsense\n" if spoil else shown + "\n", timeout=60)
        assert process.returncode == code, err
        return out, err

    def service_env(self):
        return {"FLOWCRON_GLOBUS_CLIENT_ID": CONFIDENTIAL, "FLOWCRON_GLOBUS_CLIENT_SECRET": SECRET}

    def deployed(self, *args):
        """Logged in and deployed; the flow's id."""
        self.login("--client-id", NATIVE)
        self.site.generate(*args)
        told = self.told("deploy", *[a for a in args if a == "--fetch"])
        return told["id"]
