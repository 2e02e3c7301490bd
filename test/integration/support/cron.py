# SPDX-License-Identifier: Apache-2.0
"""A real cron daemon, with crontabs of its own: in a mount namespace, so that neither the machine's crontabs nor its
system jobs are met, and none of it is left behind."""

import os
import shutil
import signal
import subprocess

from .common import as_user, wait_until

SPOOL = "/var/spool/cron/crontabs"

# What cron reads besides is hidden: the machine's own jobs must not run twice.
BEGIN = f"""
set -e
mount --bind "$1/spool" {SPOOL}
mount --bind "$1/empty" /etc/cron.d
mount --bind /dev/null /etc/crontab
mount -t tmpfs tmpfs /run
exec cron -f
"""


class Cron:
    def __init__(self, folder):
        self.dir = folder
        self.process = None

    def up(self):
        (self.dir / "empty").mkdir(parents=True)
        (self.dir / "spool").mkdir()
        shutil.copystat(SPOOL, self.dir / "spool")
        shutil.chown(self.dir / "spool", "root", "crontab")
        (self.dir / "spool").chmod(0o1730)
        # pylint: disable-next=consider-using-with
        self.process = subprocess.Popen(
            ["unshare", "--mount", "--propagation", "private", "sh", "-c", BEGIN, "sh", self.dir],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, cwd="/",
            start_new_session=True, text=True)
        wait_until(lambda: self.process.poll() is not None or self.comm() == "cron", "cron to run")
        assert self.process.poll() is None, self.process.stderr.read()

    def comm(self):
        try:
            with open(f"/proc/{self.process.pid}/comm", encoding="ascii") as file:
                return file.read().strip()
        except OSError:
            return None

    def down(self):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(30)
        self.process.stderr.close()

    def run(self, user, argv, env, check=True):
        """Runs a command where this cron's crontabs are seen."""
        enter = ["nsenter", f"--mount=/proc/{self.process.pid}/ns/mnt", "--wd=/"]
        done = subprocess.run([*enter, *as_user(user, [os.fspath(a) for a in argv])], env=env, check=False,
                              stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120)
        assert not check or done.returncode == 0, f"{argv}: {done.stdout}{done.stderr}"
        return done

    def table(self, user):
        """What cron reads."""
        path = self.dir / "spool" / user
        return path.read_text() if path.exists() else ""
