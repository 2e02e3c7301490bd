# SPDX-License-Identifier: Apache-2.0
"""Makes Units of Work the way an upload does: files in any order, `sentinels/` last."""

import itertools
import os

from .common import do_as

SCRIPT = "#!/bin/bash\n#SBATCH --time=5\n"


def script(*lines, shebang=SCRIPT):
    """A Slurm script with these commands."""
    return shebang + "\n".join(lines) + "\n"


def as_bytes(value):
    return value if isinstance(value, bytes) else os.fsencode(str(value))


hidden_names = (b".making-%d-%d" % (os.getpid(), i) for i in itertools.count())


def make_uow(parent, name, files=None, *, commands="true", sentinel=True, user=None, umask=None):
    """Makes the UoW parent/name and returns its path as bytes.

    name      str, or bytes for names that are no UTF-8
    files     more files: path in the UoW → content (str or bytes), or None for a folder; a path
              that is here already (scripts/submission_script.sh) replaces it
    commands  the body of scripts/submission_script.sh; None for no script at all
    sentinel  whether the upload is complete
    user      who uploads, with which umask, as with a mapped collection; needs root
    """
    content = {"data": None, "scripts": None}
    if commands is not None:
        lines = [commands] if isinstance(commands, str) else commands
        content["scripts/submission_script.sh"] = script(*lines)
    content.update(files or {})
    uow = os.path.join(as_bytes(parent), as_bytes(name))
    # Hidden until it is whole, so that a test decides when the daemon first sees it.
    hidden = os.path.join(as_bytes(parent), next(hidden_names))

    def make():
        for path, text in content.items():
            write_entry(os.path.join(hidden, as_bytes(path)), text)
        os.rename(hidden, uow)
        if sentinel:
            complete(uow)

    if user or umask is not None:
        do_as(user, make, umask)
    else:
        make()
    return uow


def write_entry(path, text):
    if text is None:
        os.makedirs(path, exist_ok=True)
        return
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb") as out:
        out.write(as_bytes(text))


def complete(uow):
    """The last act of an upload."""
    os.mkdir(os.path.join(as_bytes(uow), b"sentinels"))
