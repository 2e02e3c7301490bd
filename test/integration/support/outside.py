# SPDX-License-Identifier: Apache-2.0
"""What lies outside of all Units of Work, and whether it is as it was."""

import hashlib
import os
import stat

from .units import as_bytes

HEAD = "#!/bin/bash\n#SBATCH --time=5\n"


def make_outside(folder):
    """A folder of somebody else's, with what FlowCron looks for in a Unit of Work."""
    for name in ("deep", "data", "scripts", "sentinels", "flowcron"):
        (folder / name).mkdir(parents=True)
    (folder / "secret").write_text("SECRET\n")
    (folder / "secret").chmod(0o600)
    for script in ("run.sh", "scripts/submission_script.sh", "scripts/helper.sh"):
        (folder / script).write_text(HEAD.replace("\n", "\r\n") + "echo ran outside\r\n")
        (folder / script).chmod(0o640)
    (folder / "record.json").write_text("{}")
    (folder / "flowcron/record.json").write_text("{}")
    (folder / "deep/file").write_text("deep\n")
    (folder / "deep").chmod(0o700)
    (folder / "broken").symlink_to("nowhere")
    (folder / "data/away").symlink_to("/")
    return folder


def fingerprint(folder):
    """Everything about a tree that FlowCron could have changed: which files there are, their kind,
    mode, owner, number of names, time of the last change, content or target."""
    found = {}
    for top, folders, files in os.walk(as_bytes(folder)):
        for name in [b"."] + folders + files:
            path = os.path.join(top, name)
            st = os.lstat(path)
            content = None
            if stat.S_ISREG(st.st_mode):
                with open(path, "rb") as file:
                    content = hashlib.sha256(file.read()).hexdigest()
            elif stat.S_ISLNK(st.st_mode):
                content = os.readlink(path)
            found[path] = (st.st_ino, st.st_mode, st.st_uid, st.st_gid, st.st_nlink,
                           st.st_mtime_ns, content)
    return found
