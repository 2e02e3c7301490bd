# SPDX-License-Identifier: Apache-2.0
"""A real `systemctl --user`: test/tools/user-systemd as an object."""

import subprocess


class UserSystemd:
    """Made once a session by the fixture `user_systemd`."""

    def __init__(self, tool, folder, user):
        self.argv0 = tool
        self.dir = folder
        self.user = user

    def tool(self, command, *args, check=True, env=None, timeout=180):
        more = [f"--setenv={name}={value}" for name, value in (env or {}).items()]
        argv = [self.argv0, command, *more, self.dir, *args]
        done = subprocess.run([str(a) for a in argv], stdin=subprocess.DEVNULL, text=True,
                              capture_output=True, check=False, timeout=timeout)
        assert not check or done.returncode == 0, f"{argv}: {done.stdout}{done.stderr}"
        return done

    def up(self):
        self.tool("up", self.user)

    def down(self):
        self.tool("down")

    def run(self, *argv, check=True, **env):
        """Runs a command as the user, in a login session; returns the finished process."""
        return self.tool("run", *argv, check=check, env=env)

    def systemctl(self, *args, check=True):
        return self.run("systemctl", "--user", *args, check=check).stdout

    def root(self, *argv, check=True):
        """Runs a command as root in there."""
        return self.tool("root", *argv, check=check)

    def login(self, command):
        """A login session of the user, by PAM, that is over when the command is."""
        return self.root("su", "-l", self.user, "-c", command).stdout
