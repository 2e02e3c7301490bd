# SPDX-License-Identifier: Apache-2.0
"""A private home: flowcrond takes the environment of a fresh login shell, so what a test wants its
jobs and its Slurm commands to see goes into ~/.bash_profile here, as a user's would."""

import os
import shlex

from .common import current_user, owned_folder


class Home:
    """HOME, XDG_RUNTIME_DIR and a login profile for one user, below `root`."""

    def __init__(self, root, user=None):
        self.user = user or current_user()
        self.dir = owned_folder(root / f"home-{self.user}", self.user)
        self.runtime = owned_folder(root / f"run-{self.user}", self.user, 0o700)
        self.profile = self.dir / ".bash_profile"
        self.profile.write_text("")
        self.extra = {}

    def add_profile(self, text):
        with open(self.profile, "a", encoding="utf-8") as out:
            out.write(text.rstrip("\n") + "\n")

    def export(self, **variables):
        """Variables for the login shell and for the programs started from here."""
        for name, value in variables.items():
            self.add_profile(f"export {name}={shlex.quote(str(value))}")
            self.extra[name] = str(value)

    def prepend_path(self, folder):
        self.add_profile(f"export PATH={shlex.quote(str(folder))}:$PATH")
        self.extra["PATH"] = f"{folder}:{self.extra.get('PATH', os.environ['PATH'])}"

    def env(self):
        """The environment at this user's prompt. Nothing of the surroundings but PATH, the
        language and what steers sanitizers and coverage."""
        keep = ("PATH", "LANG", "LC_ALL", "TZ", "ASAN_OPTIONS", "UBSAN_OPTIONS", "LSAN_OPTIONS")
        env = {name: os.environ[name] for name in keep if name in os.environ}
        env.update(HOME=str(self.dir), USER=self.user, LOGNAME=self.user, SHELL="/bin/bash",
                   XDG_RUNTIME_DIR=str(self.runtime))
        env.update(self.extra)
        return env
