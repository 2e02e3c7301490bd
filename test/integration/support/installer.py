# SPDX-License-Identifier: Apache-2.0
"""A person who sets FlowCron up, from a prompt or by typing at a terminal; and what stands in for a site's
cron and scrontab."""

import json
import os
import pty
import re
import select
import subprocess
import time

from .common import DEADLINE, as_user, owned_folder, program
from .instance import Answer, assert_no_report

# A crontab(1), and the parts of scrontab(1) that its manual tells of: `-l` prints, a file replaces. Lines are
# comments, blank, variables or entries; options are for the single entry that follows them.
TABLE = r"""#!/bin/bash
table=@TABLE@
if [[ $1 == -l ]]; then
    [[ -s $table ]] || { echo "no crontab for ${USER:-me}" >&@FD@; exit 1; }
    exec cat "$table"
fi
[[ -e $table.broken ]] && { echo "@NAME@: cannot write" >&2; exit 1; }
text=$(cat "$1" && echo .) || exit 1
[[ @NAME@ == scrontab ]] && options='' && while IFS= read -r line; do
    case $line in
    '#SCRON --'[a-z]*) options=yes ;;
    '#SCRON'*) echo "invalid option: $line" >&2; exit 1 ;;
    '#'* | '' | [A-Z]*=*) ;;
    *)
        [[ $line =~ ^[0-9*/,-]+\ [0-9*/,-]+\ [0-9*/,-]+\ [0-9*/,-]+\ [0-9*/,-]+\ [^\ ] ]] ||
            { echo "invalid entry: $line" >&2; exit 1; }
        options=''
        ;;
    esac
done <<<"${text%.}"
[[ -n $options ]] && { echo "options without an entry" >&2; exit 1; }
printf %s "${text%.}" >"$table"
"""

# A user manager and logind that do as they are told; what they were told is in `log`.
SYSTEMD = r"""#!/bin/bash
cd "@DIR@" || exit 1
echo "${0##*/} $*" >>log
case "$*" in
*UnitPath*) echo "@HOME@/.config/systemd/user.control /run/x/systemd/transient @HOME@/.config/systemd/user /etc/systemd/user" ;;
*show-user*) [[ -e linger ]] && echo yes || echo no ;;
*enable-linger) [[ ! -e no-linger ]] || { echo "Access denied" >&2; exit 1; }; touch linger ;;
*disable-linger) rm linger ;;
*is-active*) [[ -e active ]] ;;
*is-enabled*) [[ -e enabled ]] ;;
*"disable --now"*) rm -f active enabled ;;
*enable*) touch enabled ;;
*start*) [[ -e no-start ]] && { echo "Job failed" >&2; exit 1; }; touch active ;;
*" cat "*) exit 1 ;;
esac
"""

REFUSED = "#!/bin/sh\necho '{what}' >&2\nexit 1\n"


class Table:
    """A crontab or scrontab of its own, as a program in the person's PATH."""

    def __init__(self, folder, name):
        self.file = folder / f"{name}.table"
        self.owner = folder.stat()
        (folder / name).unlink(missing_ok=True)
        # crontab says on standard error that there is none, scrontab on standard output.
        text = TABLE.replace("@TABLE@", str(self.file)).replace("@NAME@", name)
        (folder / name).write_text(text.replace("@FD@", "1" if name == "scrontab" else "2"))
        (folder / name).chmod(0o755)

    @property
    def text(self):
        return self.file.read_text() if self.file.exists() else ""

    @text.setter
    def text(self, text):
        self.file.write_text(text)
        os.chown(self.file, self.owner.st_uid, self.owner.st_gid)

    def break_it(self, broken=True):
        mark = self.file.with_name(self.file.name + ".broken")
        mark.touch() if broken else mark.unlink()

    def commands(self):
        """(the five fields, the command) of each entry."""
        found = []
        for line in self.text.splitlines():
            if line and not line.startswith("#"):
                fields = line.split(None, 5)
                found.append((" ".join(fields[:5]), fields[5]))
        return found


class Person:
    """Has a Home, and a site where systemd's user services are not to be had, nor scrontab; but a crontab."""

    def __init__(self, root, home):
        self.home = home
        program("flowcrond")  # it is looked for beside flowcronctl
        self.fakes = owned_folder(root / "fakes", home.user)
        for name in ("systemctl", "loginctl"):
            self.refuse(name, "Failed to connect to bus: No medium found")
        self.refuse("scrontab", "scrontab: fatal: scrontab is disabled on this cluster")
        self.crontab = Table(self.fakes, "crontab")
        path = home.extra.get("PATH", os.environ["PATH"])
        home.extra["PATH"] = f"{self.fakes}:{path}"

    def refuse(self, name, what):
        (self.fakes / name).unlink(missing_ok=True)
        (self.fakes / name).write_text(REFUSED.format(what=what))
        (self.fakes / name).chmod(0o755)

    def systemd(self):
        """From here on user services are to be had. Returns the folder of their state."""
        folder = owned_folder(self.fakes / "systemd", self.home.user)
        text = SYSTEMD.replace("@DIR@", str(folder)).replace("@HOME@", str(self.home.dir))
        for name in ("systemctl", "loginctl"):
            (self.fakes / name).write_text(text)
        return folder

    def scrontab(self):
        return Table(self.fakes, "scrontab")

    def argv(self, *args):
        return as_user(self.home.user, [str(program("flowcronctl")), *map(str, args)])

    def env(self, **more):
        return {**self.home.env(), "TERM": "xterm", "LC_ALL": "C.UTF-8", **more}

    def ctl(self, *args, parse=False, cwd="/", **env):
        argv = self.argv(*(["--json"] if parse else []), *args)
        done = subprocess.run(argv, cwd=cwd, env=self.env(**env), stdin=subprocess.DEVNULL, capture_output=True,
                              timeout=120, check=False)
        answer = Answer(done, parse)
        assert_no_report(answer.err, argv)
        return answer

    def setup(self, *args, parse=True, **how):
        """`setup --yes …`; with parse its report is in .data."""
        return self.ctl("setup", "--yes", *args, parse=parse, **how)

    def talk(self, *args, answers, cwd="/"):
        """`setup …` at a terminal. `answers` is a list of (what is asked, what is typed); None: Ctrl-D. Returns the
        exit code and all that the terminal showed."""
        argv = self.argv("setup", *args)
        pid, fd = pty.fork()
        if pid == 0:
            os.chdir(cwd)
            os.execvpe(argv[0], argv, self.env())
        seen, mark, end = "", 0, time.monotonic() + DEADLINE
        todo = list(answers)
        while time.monotonic() < end:
            if todo and re.search(todo[0][0] + r"[^\n]*(: |\] )$", seen[mark:]):
                mark = len(seen)
                typed = todo.pop(0)[1]
                os.write(fd, b"\x04" if typed is None else typed.encode() + b"\n")
            if select.select([fd], [], [], 0.1)[0]:
                try:
                    data = os.read(fd, 65536)
                except OSError:
                    break
                seen += data.decode(errors="replace").replace("\r\n", "\n")
        os.close(fd)
        code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        assert not todo, f"never asked: {todo[0][0]}\n{seen}"
        assert_no_report(seen, argv)
        return code, seen

    def config(self, name="default"):
        return self.home.dir / f".config/flowcron/{name}.yaml"

    def instances(self):
        answer = self.ctl("list-instances", parse=True)
        assert answer.code == 0, answer
        return answer.data

    def cron_tick(self, command):
        """Runs a line's command with the environment that cron gives."""
        env = {"HOME": str(self.home.dir), "LOGNAME": self.home.user, "SHELL": "/bin/sh",
               "PATH": "/usr/bin:/bin"}
        argv = as_user(self.home.user, ["/bin/sh", "-c", command])
        return subprocess.run(argv, cwd=self.home.dir, env=env, stdin=subprocess.DEVNULL,
                              capture_output=True, text=True, timeout=120, check=False)

    def show(self, name, *args):
        answer = self.ctl(*args, "show", name, parse=True)
        return answer.data if answer.code == 0 else None


def dumps(data):
    return json.dumps(data, indent=1)
