# SPDX-License-Identifier: Apache-2.0
"""Collections: local folders, and what Globus does to the files in them."""

import fnmatch
import os
import pathlib
import posixpath
import shutil
import stat as st
from datetime import datetime, timezone

EVERYBODY = frozenset({"User", "Flow"})


class FileError(Exception):
    """What the collection answers instead: a code of the Transfer API, and words."""

    def __init__(self, code, message):
        super().__init__(message)
        self.code = code


class Collection:
    """A folder that is the root of a collection.

    uuid     its id in definitions
    home     what `/~/` stands for, as a path within it
    allow    which identities may use it: "User" (who started the run), "Flow" (RunAs: Flow)
    """

    def __init__(self, uuid, root, *, home="/", allow=EVERYBODY, name="collection"):
        self.uuid = uuid
        self.root = pathlib.Path(root)
        self.home = home
        self.allow = frozenset(allow)
        self.name = name
        self.permissions = []  # what manage_permission made

    def absolute(self, path):
        """As the collection shows it: from /, without `..`; a trailing slash is dropped."""
        if path in ("/~", "~"):
            path = "/~/"
        if path.startswith("/~/"):
            path = posixpath.join(self.home, path[3:])
        if not path.startswith("/") or "\0" in path or "\n" in path or "\r" in path:
            raise FileError("ClientError.BadRequest", f"{path!r} is no path of a collection")
        return posixpath.normpath(path).replace("//", "/")

    def local(self, path):
        return os.path.join(os.fsencode(self.root), os.fsencode(self.absolute(path).lstrip("/")))

    def document(self, path, name=None):
        """What stat and ls say about a file; a link is shown as what it leads to."""
        local = self.local(path)
        try:
            own = os.lstat(local)
        except (FileNotFoundError, NotADirectoryError) as error:
            raise FileError("NotFound", f"{path} was not found on {self.name}") from error
        except PermissionError as error:
            raise FileError("EndpointPermissionDenied", f"{path}: permission denied") from error
        is_link = st.S_ISLNK(own.st_mode)
        try:
            info = os.stat(local) if is_link else own
        except OSError:
            info = own  # a broken link
        kinds = ((st.S_ISDIR, "dir"), (st.S_ISREG, "file"), (st.S_ISLNK, "invalid_symlink"))
        kind = next((word for test, word in kinds if test(info.st_mode)), "other")
        changed = datetime.fromtimestamp(info.st_mtime, timezone.utc)
        return {"DATA_TYPE": "file", "name": name or posixpath.basename(self.absolute(path)),
                "type": kind, "size": info.st_size,
                "permissions": f"{st.S_IMODE(info.st_mode):04o}", "user": str(info.st_uid),
                "group": str(info.st_gid), "last_modified": changed.isoformat(sep=" "),
                "link_target": os.fsdecode(os.readlink(local)) if is_link else None}

    def listing(self, path, limit, offset=0, hidden=True):
        """(what is shown, how many there are), sorted by name."""
        if self.document(path)["type"] != "dir":
            raise FileError("ExternalError.DirListingFailed.NotADirectory",
                            f"{path} is no folder")
        names = sorted(os.fsdecode(name) for name in os.listdir(self.local(path)))
        names = [name for name in names if hidden or not name.startswith(".")]
        shown = []
        for name in names[offset:offset + limit]:
            try:
                shown.append(self.document(posixpath.join(path, name), name))
            except FileError:
                pass  # it went meanwhile
        return shown, len(names)

    def mkdir(self, path):
        try:
            os.mkdir(self.local(path))
        except FileExistsError as error:
            raise FileError("ExternalError.MkdirFailed.Exists", f"{path} exists") from error
        except FileNotFoundError as error:
            raise FileError("NotFound", f"the folder of {path} was not found") from error
        except OSError as error:
            raise FileError("ExternalError.MkdirFailed", f"{path}: {error.strerror}") from error


# ---- transfers ----

def _ignored(rules, name, kind):
    """By the first rule that fits; included when none does."""
    for rule in rules:
        if rule.get("type", kind) == kind and fnmatch.fnmatchcase(name, rule["name"]):
            return rule["method"] == "exclude"
    return False


class Copy:
    """A transfer task: a list of small steps, so that it can be caught in its middle.

    Links are followed, and a broken one fails the task, as it does with Globus.
    """

    def __init__(self, source, destination, options):
        self.source = source
        self.destination = destination
        self.options = options
        self.steps = []
        self.folders = []  # their times come last: what is put into them changes them
        self.transferred = self.skipped = self.bytes = 0

    def plan(self, item):
        kind = self.source.document(item["source_path"])["type"]
        recursive = item.get("recursive")
        if recursive is True and kind != "dir":
            raise FileError("NOT_A_DIRECTORY", f"{item['source_path']} is no folder")
        if recursive is False and kind == "dir":
            raise FileError("IS_A_DIRECTORY", f"{item['source_path']} is a folder")
        source = self.source.local(item["source_path"])
        destination = self.destination.local(item["destination_path"])
        if not os.path.isdir(os.path.dirname(destination)):
            raise FileError("PATH_NOT_FOUND", f"{item['destination_path']}: no such folder")
        if kind == "dir":
            self._plan_folder(source, destination, ())
        else:
            if item["destination_path"].endswith("/") or os.path.isdir(destination):
                raise FileError("IS_A_DIRECTORY", "the destination of a file is a file")
            self.steps.append((self._copy, source, destination))

    def _plan_folder(self, source, destination, above):
        real = os.path.realpath(source)
        if real in above:
            raise FileError("SYMLINK_LOOP", f"{os.fsdecode(source)} leads back into itself")
        self.steps.append((self._make, source, destination))
        for name in sorted(os.listdir(source)):
            path, kind = os.path.join(source, name), "file"
            try:
                kind = "dir" if st.S_ISDIR(os.stat(path).st_mode) else "file"
            except OSError:
                pass  # a broken link: the copy says so
            if _ignored(self.options.get("filter_rules", []), os.fsdecode(name), kind):
                continue
            if kind == "dir":
                self._plan_folder(path, os.path.join(destination, name), above + (real,))
            else:
                self.steps.append((self._copy, path, os.path.join(destination, name)))

    def do(self, fraction=1.0):
        """The first part of what is left to be done."""
        count = max(1, int(len(self.steps) * fraction)) if self.steps else 0
        now, self.steps = self.steps[:count], self.steps[count:]
        for func, source, destination in now:
            try:
                func(source, destination)
            except FileNotFoundError as error:
                raise FileError("FILE_NOT_FOUND", os.fsdecode(source)) from error
            except OSError as error:
                raise FileError("IO_ERROR", f"{os.fsdecode(source)}: {error.strerror}") from error
        if not self.steps and self.options.get("preserve_timestamp"):
            for source, destination in reversed(self.folders):
                if os.path.isdir(source):
                    shutil.copystat(source, destination)

    def _make(self, source, destination):
        if not os.path.isdir(source):
            raise FileNotFoundError(source)
        if not os.path.isdir(destination):
            os.mkdir(destination)
            self.folders.append((source, destination))

    def _copy(self, source, destination):
        if not os.path.isfile(source):
            raise FileNotFoundError(source)  # or nothing that can be transferred
        if self._is_same(source, destination):
            self.skipped += 1
            return
        shutil.copyfile(source, destination)
        if self.options.get("preserve_timestamp"):
            info = os.stat(source)
            os.utime(destination, ns=(info.st_atime_ns, info.st_mtime_ns))
        self.transferred += 1
        self.bytes += os.stat(source).st_size

    def _is_same(self, source, destination):
        level = self.options.get("sync_level")
        if level is None or not os.path.lexists(destination):
            return False
        there, here = os.stat(destination), os.stat(source)
        if level >= 1 and there.st_size != here.st_size:
            return False
        if level == 2 and int(here.st_mtime) > int(there.st_mtime):
            return False
        if level == 3:
            return _content(source) == _content(destination)
        return True


def _content(path):
    with open(path, "rb") as file:
        return file.read()


class Removal:
    """A delete task."""

    def __init__(self, collection, options):
        self.collection = collection
        self.options = options
        self.steps = []
        self.removed = 0

    def plan(self, item):
        local = self.collection.local(item["path"])
        if not os.path.lexists(local):
            if not self.options.get("ignore_missing"):
                raise FileError("FILE_NOT_FOUND", f"{item['path']} was not found")
        elif os.path.isdir(local) and not os.path.islink(local):
            if not self.options.get("recursive"):
                raise FileError("IS_A_DIRECTORY", f"{item['path']} is a folder")
            for folder, names, files in os.walk(local, topdown=False):
                self.steps += [(self._unlink, os.path.join(folder, name)) for name in files]
                self.steps += [(self._unlink if os.path.islink(os.path.join(folder, name))
                                else self._rmdir, os.path.join(folder, name)) for name in names]
            self.steps.append((self._rmdir, local))
        else:
            self.steps.append((self._unlink, local))

    def do(self, fraction=1.0):
        count = max(1, int(len(self.steps) * fraction)) if self.steps else 0
        now, self.steps = self.steps[:count], self.steps[count:]
        for func, path in now:
            try:
                func(path)
                self.removed += 1
            except FileNotFoundError:
                pass  # somebody else was quicker
            except OSError as error:
                raise FileError("IO_ERROR", f"{os.fsdecode(path)}: {error.strerror}") from error

    @staticmethod
    def _unlink(path):
        os.unlink(path)

    @staticmethod
    def _rmdir(path):
        os.rmdir(path)
