# SPDX-License-Identifier: Apache-2.0
"""What is in a Unit of Work may be meant ill: nothing outside of it is read, changed or removed,
nothing hangs, and whoever brought it is told why it was not taken."""

import os
import shutil
import socket
import stat
import threading

import pytest

from support.common import is_root, owned_folder, wait_until
from support.jobs import SCRIPT
from support.outside import HEAD
from support.record import check_record
from support.units import as_bytes, script


def replace(path, make):
    """Puts something else in the place of a file or folder."""
    if os.path.isdir(path) and not os.path.islink(path):
        shutil.rmtree(path)
    elif os.path.lexists(path):
        os.unlink(path)
    make(path)


def link(target):
    return lambda path: os.symlink(as_bytes(target), path)


def upload_with(fc, name, place, make, **how):
    """A UoW with something special at `place`, made before the upload is complete."""
    uow = fc.upload(name, sentinel=False, **how)
    replace(os.path.join(uow, as_bytes(place)), make)
    fc.complete(name)
    return uow


# ---- the rules, each with its reason ----

def text(body, head=HEAD):
    return {SCRIPT: head + body}


def no_script(**files):
    return {"scripts": None, **{f"scripts/{k.replace('_sh', '.sh')}": v for k, v in files.items()}}


# name: (files, commands?, words of the reason)
REJECTED = {
    "no data": ({}, ["data/"]),
    "no scripts": ({}, ["scripts/"]),
    "data is a file": ({}, ["data is no folder"]),
    "no script at all": (no_script(), ["scripts/ is empty"]),
    "two scripts": (no_script(a_sh=HEAD, b_sh=HEAD), ["2 files", "a.sh", "b.sh"]),
    "none fits": (no_script(a_sh="#!/bin/sh\n", b_sh="#!/bin/bash\n", c_py="import os\n",
                            empty=""),
                  ["a.sh (begins with", "b.sh (has no #SBATCH", "c_py (does not begin", "(is empty)"]),
    "uses HOME": (text("true\ncd $HOME/x\n"), ["line 4", "$HOME", "cd $HOME/x"]),
    "uses braces": (text("cp a ${HOME:-/tmp}\n"), ["line 3", "HOME"]),
    "uses tilde": (text("cp a ~/b\n"), ["line 3", "~"]),
    "uses tilde in a path": (text("export PATH=/bin:~/bin\n"), ["line 3"]),
    "uses USER": (text("true\n\necho \"hello $USER\"\n"), ["line 5", "$USER"]),
    "uses HOME in a here-document": (text("cat <<EOF\n$HOME\nEOF\n"), ["line 4"]),
    "uses HOME before setting": (text("cd $HOME\nHOME=$1\n"), ["line 3"]),
    "waits": (text("", HEAD + "#SBATCH --wait\n"), ["line 3", "--wait"]),
    "waits shortly": (text("", HEAD + "#SBATCH -W\n"), ["line 3"]),
    "tests only": (text("", HEAD + "#SBATCH --test-only\n"), ["--test-only"]),
    "holds": (text("", HEAD + "#SBATCH -H\n"), ["line 3"]),
    "wraps": (text("", HEAD + "#SBATCH --wrap=true\n"), ["--wrap"]),
    "goes elsewhere": (text("", HEAD + "#SBATCH -M other\n"), ["line 3"]),
}

ACCEPTED = {
    "comment": text("# cd $HOME\ntrue # ~/x $USER\n"),
    "single quotes": text("echo '$HOME and ~/x'\n"),
    "quoted here-document": text("cat <<'EOF'\n$HOME ~/x\nEOF\n"),
    "escaped": text("echo \\$HOME \"\\$USER\"\n"),
    "other names": text("echo $CUDA_HOME $HOMEDIR ${HOME_X} $USERS\n"),
    "tilde in quotes": text('echo "~/"\n'),
    "tilde within a word": text("echo abba | sed s~/a~b~\n"),
    "set before": text('HOME=$1\ncd "$HOME"\nUSER=me; echo $USER\n'),
    "one of many": {**no_script(run_sh=HEAD, a_py="#!/usr/bin/python3\n", b_sh="#!/bin/sh\n"),
                    "scripts/c": "#!/bin/bash\n", "scripts/lib/d.sh": HEAD},
    "shebang with options": text("true\n", "#!/bin/bash -l\n#SBATCH -t 5\n"),
    "fixed name wins": {**text("true\n"), "scripts/other.sh": HEAD},
}


def make_rejected(fc, name, parent=None):
    files, _ = REJECTED[name]
    uow = fc.upload(name, files, commands=None if files else "true", sentinel=False)
    if name == "no data":
        os.rmdir(uow + b"/data")
    elif name == "no scripts":
        shutil.rmtree(uow + b"/scripts")
    elif name == "data is a file":
        replace(uow + b"/data", lambda path: open(path, "wb").close())
    if parent:
        os.rename(uow, os.path.join(as_bytes(parent), as_bytes(name)))
    else:
        fc.complete(name)


def one_line(reason):
    return " ".join(reason.split())


def test_each_rule_has_its_reason(instance, standin, root_dir):
    fc = instance(backend=standin).start()
    local = root_dir / "local"
    local.mkdir()
    for name in REJECTED:
        make_rejected(fc, name, parent=local)
        make_rejected(fc, name)
    for name, (_, words) in REJECTED.items():
        uow = fc.wait_finished(name, "rejected")
        assert uow["cause"] == "rule", name
        for word in words:
            assert word in uow["reason"], f"{name}: {uow['reason']}"
        assert fc.where(name) == ["failed"]
        record = check_record(fc, name)
        assert record["attempts"] == []
        report = one_line(fc.report(name).replace("\n  | ", "\n"))
        assert words[0] in report, f"{name}: {report}"
    assert standin.submissions() == []

    # The same judgement in the same words, before anything is uploaded.
    answer = fc.ctl("validate", *(local / name for name in REJECTED))
    assert answer.code == 1
    assert len(answer.data) == len(REJECTED)
    for name, verdict in zip(REJECTED, answer.data):
        assert not verdict["valid"]
        reason = fc.show(name)["reason"]
        assert any(one_line(fault).rstrip(".") in one_line(reason) for fault in verdict["faults"]), \
            f"{name}: {verdict['faults']} {reason}"


def test_what_is_no_use_of_a_forbidden_variable(instance):
    fc = instance().start()
    for name, files in ACCEPTED.items():
        fc.upload(name, files, commands=None, sentinel=False)
    answer = fc.ctl("validate", *(fc.uploaded / name for name in ACCEPTED))
    assert answer.code == 0, answer
    assert all(verdict["valid"] for verdict in answer.data)
    for name in ACCEPTED:
        fc.complete(name)
    for name in ACCEPTED:
        fc.wait_finished(name)


def test_rules_are_configurable(instance):
    config = {"uow": {"script": "second.sh", "forbidden_variables": ["SCRATCH"]}}
    fc = instance(config=config).start()
    fc.upload("second", {"scripts/second.sh": script("echo $HOME second"),
                         "scripts/first.sh": HEAD}, commands="echo first")
    fc.upload("scratch", {"scripts/second.sh": script("cd $SCRATCH")})
    fc.wait_finished("second")
    assert fc.job_output("second").endswith(" second\n")
    assert "$SCRATCH" in fc.wait_finished("scratch", "rejected")["reason"]


def test_dos_line_endings_are_converted(instance):
    fc = instance().start()
    dos = script('. "$1/scripts/helper.sh"', 'printf "%s\\n" "done"').replace("\n", "\r\n")
    files = {SCRIPT: b"\xef\xbb\xbf" + dos.encode(),
             "scripts/helper.sh": "echo helped\r\n", "scripts/table.txt": "a\r\n",
             "data/x.sh": "echo\r\n", "scripts/good.sh": "echo good\n"}
    uow = fc.upload("dos", files, commands=None)
    os.chmod(uow + b"/scripts/helper.sh", 0o640)
    fc.wait_finished("dos")
    assert fc.job_output("dos") == "helped\ndone\n"
    converted = check_record(fc, "dos")["attempts"][0]["script"]["converted"]
    assert sorted(converted) == ["scripts/helper.sh", SCRIPT]
    for path in ("scripts/table.txt", "data/x.sh"):
        assert "\r\n" in fc.read("dos", path)
    assert "line endings" in one_line(fc.report("dos"))

    fc.configure({"uow": {"convert_line_endings": False}})
    fc.reload()
    fc.upload("kept", files, commands=None)
    assert "DOS line endings" in fc.wait_finished("kept", "rejected")["reason"]
    assert "\r\n" in fc.read("kept", SCRIPT)


# ---- links on the way in ----

def test_links_in_the_place_of_folders(instance, outside):
    fc = instance().start()
    for place in ("data", "scripts"):
        for target in (outside, "../elsewhere", "."):
            name = f"{place} to {str(target).rsplit('/', maxsplit=1)[-1]}"
            upload_with(fc, name, place, link(target))
            uow = fc.wait_finished(name, "rejected")
            assert f"{place} is a link" in uow["reason"]
            assert place in fc.report(name)


def test_links_in_the_place_of_the_script(instance, outside):
    fc = instance().start()
    bad = {"absolute": outside / "run.sh", "relative": "../../../outside/run.sh",
           "nowhere": "nowhere", "loop": "submission_script.sh", "folder": "../data",
           "above": "../../run.sh"}
    for name, target in bad.items():
        upload_with(fc, name, SCRIPT, link(target))
    upload_with(fc, "inside", SCRIPT, link("../data/real.sh"),
                files={"data/real.sh": script("echo from data")}, commands=None)
    for name in bad:
        uow = fc.wait_finished(name, "rejected")
        assert "submission_script.sh" in uow["reason"], uow["reason"]
        assert "ran outside" not in fc.report(name)
    fc.wait_finished("inside")
    assert fc.job_output("inside") == "from data\n"


ODD = {
    "flowcron to outside": ("flowcron", lambda o: link(o)),
    "flowcron to a file": ("flowcron", lambda o: link(o / "secret")),
    "flowcron is a file": ("flowcron", lambda o: lambda path: open(path, "wb").close()),
    "flowcron is a fifo": ("flowcron", lambda o: os.mkfifo),
    "record is a link": ("flowcron/record.json", lambda o: link(o / "record.json")),
    "record is a fifo": ("flowcron/record.json", lambda o: os.mkfifo),
    "record is a folder": ("flowcron/record.json", lambda o: os.mkdir),
    "report is a link": ("flowcron/report.txt", lambda o: link(o / "secret")),
    "earlier is a link": ("flowcron/earlier", lambda o: link(o)),
    "earlier is a file": ("flowcron/earlier", lambda o: lambda path: open(path, "wb").close()),
    "data holds a fifo": ("data/fifo", lambda o: os.mkfifo),
    "data holds a link": ("data/link", lambda o: link(o)),
    "scripts hold a fifo": ("scripts/run.sh", lambda o: os.mkfifo),
    "scripts hold a link": ("scripts/run.sh", lambda o: link(o / "run.sh")),
}


@pytest.mark.parametrize("backend", ["standin", "local"])
def test_odd_things_in_our_places(instance, standin, outside, backend):
    """flowcron/, its files, and what lies beside the script: it runs, and is filed."""
    fc = instance(backend=standin if backend == "standin" else None).start()
    for name, (place, make) in ODD.items():
        files = {"flowcron": None} if "/" in place and place.startswith("flowcron") else {}
        upload_with(fc, name, place, make(outside), files=files)
    for name, (place, _) in ODD.items():
        fc.wait_finished(name)
        result = fc.result(name)
        for path in (b"flowcron", b"flowcron/record.json", b"flowcron/report.txt"):
            assert not os.path.islink(os.path.join(result, path)), name
        filing = check_record(fc, name).get("filing", {})
        removed = [e["path"] for e in filing.get("removed_links", {}).get("list", [])]
        if not place.startswith("flowcron"):
            continue
        kept = [os.path.relpath(os.path.join(top, entry).decode(), result.decode())
                for top, folders, names in os.walk(result + b"/flowcron")
                for entry in folders + names]
        assert any("earlier" in path for path in kept + removed), f"{name}: {kept} {removed}"


@pytest.mark.skipif(not is_root(), reason="only root makes device nodes")
def test_device_nodes(instance):
    fc = instance().start()
    fc.upload("devices", sentinel=False)
    top = fc.uploaded / "devices"
    os.mknod(top / "data/null", 0o600 | stat.S_IFCHR, os.makedev(1, 3))
    os.mknod(top / "scripts/a.sh", 0o600 | stat.S_IFCHR, os.makedev(1, 5))
    fc.complete("devices")
    fc.wait_finished("devices")
    assert os.lstat(fc.result("devices") + b"/data/null").st_mode == 0o600 | stat.S_IFCHR


# ---- what a job leaves behind ----

LINKS = ["mkdir -p data/in/deep && echo inside > data/in/file",
         'ln -s /nowhere data/broken', 'ln -s data/in/nothing data/broken2',
         'ln -s "$OUT" data/out', 'ln -s "$OUT/secret" data/out-file',
         'ln -s ../../../../.. data/above', 'ln -s in/file data/rel',
         'ln -s "$1/data/in" data/abs', 'ln -s "$1" data/in/root', 'ln -s loop2 data/loop1',
         'ln -s loop1 data/loop2', 'ln -s . data/self', 'ln -s ../data/in/../in/file data/round',
         'ln -s out/secret data/through', 'ln -s abs/file data/through-abs',
         'ln -s "$(pwd -P)/data/in/file" data/real']


def links_of(path):
    found = {}
    for top, folders, files in os.walk(path):
        for name in folders + files:
            full = os.path.join(top, name)
            if os.path.islink(full):
                found[os.path.relpath(full, path).decode()] = os.readlink(full).decode()
    return found


@pytest.mark.parametrize("mode", ["safe", "delete", "keep"])
def test_links_in_results(instance, outside, mode):
    fc = instance(config={"results": {"symlinks": mode}})
    fc.home.export(OUT=outside)
    fc.start()
    for name, code in (("links", 0), ("links of a failure", 1)):
        fc.upload(name, commands=[*LINKS, f"exit {code}"])
        fc.wait_finished(name, "failed" if code else "succeeded")
        left = links_of(fc.result(name))
        filing = check_record(fc, name).get("filing", {})
        removed = {e["path"]: e for e in filing.get("removed_links", {}).get("list", [])}
        bad = {"data/broken", "data/broken2", "data/out", "data/out-file", "data/above",
               "data/loop1", "data/loop2", "data/through"}
        good = {"data/rel": "in/file", "data/abs": "in", "data/in/root": "../..", "data/self": ".",
                "data/round": "../data/in/../in/file", "data/through-abs": "abs/file",
                "data/real": "in/file"}
        if mode == "delete":
            assert left == {} and set(removed) == bad | set(good)
        elif mode == "keep":
            assert bad | set(good) == set(left) and removed == {}
        else:
            assert left == good
            assert set(removed) == bad
            assert removed["data/out"]["target"] == str(outside)
            rewritten = {e["path"]: e["now"] for e in filing["rewritten_links"]["list"]}
            assert rewritten == {p: good[p] for p in ("data/abs", "data/in/root", "data/real")}
        assert fc.read(name, "data/in/file") == "inside\n"


def test_special_files_in_results(instance, outside):
    fc = instance()
    fc.home.export(OUT=outside)
    fc.start()
    fc.upload("special", commands=[
        "umask 077", "mkfifo data/fifo", 'ln "$OUT/secret" data/hard', "echo > data/suid",
        "chmod 4755 data/suid", "echo > data/sgid", "chmod 2755 data/sgid", "mkdir data/none",
        "chmod 0 data/none", "mkdir data/sticky", "chmod 1777 data/sticky", "echo > data/plain",
        "echo > data/readonly", "chmod 400 data/readonly"])
    uow = fc.wait_finished("special")
    top = fc.result("special").decode()
    left = {e["path"]: e["why"] for e in check_record(fc, uow["id"] and "special")["filing"]
            ["left_alone"]["list"]}
    assert left["data/hard"] == "hard-links"
    assert left["data/suid"] == left["data/sgid"] == "set-id"
    assert left["data/fifo"] == "special"
    assert stat.S_IMODE(os.lstat(f"{top}/data/suid").st_mode) == 0o4755
    assert stat.S_IMODE(os.lstat(f"{top}/data/hard").st_mode) == 0o600
    assert os.lstat(f"{top}/data/plain").st_mode & 0o070 == 0o060
    assert os.lstat(f"{top}/data/readonly").st_mode & 0o060 == 0o060
    assert os.lstat(f"{top}/data/none").st_mode & 0o2070 == 0o2070
    os.unlink(f"{top}/data/hard")  # else it would count as a change outside


@pytest.mark.parametrize("backend", ["standin", "local"])
def test_a_job_that_plays_with_its_output(instance, standin, outside, backend):
    """slurm-ID.err as a link out, a fifo, a folder: quoted is only what is the job's own."""
    fc = instance(backend=standin if backend == "standin" else None)
    fc.home.export(OUT=outside)
    fc.start()
    tricks = {"link": 'ln -s "$OUT/secret" "$f"', "fifo": 'mkfifo "$f"', "folder": 'mkdir "$f"',
              "gone": ":", "hard": 'ln "$OUT/secret" "$f"',
              "huge": 'head -c 20000000 /dev/zero > "$f"; echo the last line >> "$f"'}
    for name, trick in tricks.items():
        fc.upload(name, commands=["for f in slurm-*.err; do", 'rm -f "$f"', trick, "done",
                                  "echo told on the other side", "exit 1"])
    for name in tricks:
        fc.wait_finished(name, "failed")
        report = fc.report(name)
        if name != "hard":  # a name of its own in the UoW, which its maker could have read anyway
            assert "SECRET" not in report, name
        if name == "huge":
            assert "the last line" in report
        check_record(fc, name)
    for path in fc.failed.glob("hard/slurm-*.err"):
        path.unlink()


@pytest.mark.parametrize("backend", ["standin", "local"])
def test_a_job_that_removes_our_marks(instance, standin, outside, backend):
    fc = instance(backend=standin if backend == "standin" else None)
    fc.home.export(OUT=outside)
    fc.start()
    tricks = {"sentinels gone": "rm -r sentinels", "flowcron gone": "rm -r flowcron",
              "both gone": "rm -r flowcron sentinels", "all gone": "rm -rf ./* ",
              "sentinels linked": 'rm -r sentinels; ln -s "$OUT" sentinels',
              "flowcron linked": 'rm -r flowcron; ln -s "$OUT" flowcron',
              "sentinels filled": "echo mine > sentinels/mine",
              "sentinels linked within": "rm -r sentinels; ln -s data sentinels",
              "links in sentinels": 'ln -s ../data/kept sentinels/in; ln -s "$OUT" sentinels/out',
              "sentinels file": "rm -r sentinels; echo mine > sentinels",
              "claim linked": 'rm -f sentinels/flowcron; ln -s "$OUT/secret" sentinels/flowcron',
              "claim forged": "echo '{\"id\":\"00000000-0000-0000-0000-000000000000\"}' > "
                              "sentinels/flowcron"}
    for name, trick in tricks.items():
        fc.upload(name, {"data/kept": "kept"}, commands=trick)
    for name in tricks:
        fc.wait_finished(name)
        result = fc.result(name)
        assert fc.where(name) == ["analysed"], name
        assert not os.path.lexists(result + b"/sentinels"), name
        for path in links_of(result):
            target = os.path.realpath(os.path.join(result, path.encode()))
            assert os.path.exists(target) and target.startswith(result + b"/"), (name, path)
        check_record(fc, name)
        if name != "all gone":
            assert fc.read(name, "data/kept") == "kept"
    # What others put there is theirs, and kept.
    for name in ("sentinels filled", "sentinels file"):
        kept = [path for path in fc.analysed.glob(f"{name}/flowcron/**/*")
                if path.is_file() and path.read_text() == "mine\n"]
        assert kept, name


def test_folders_without_permissions(instance, users):
    """Not as root, to whom nothing is closed."""
    fc = instance(user=users[0]).start()
    fc.upload("closed", {"data/x": "x"}, commands=["mkdir -p data/closed/in", "echo > data/closed/in/f",
                                    "chmod 0 data/closed/in data/closed", "chmod 0 data/x"])
    fc.wait_finished("closed")
    closed = fc.analysed / "closed/data/closed"
    assert closed.stat().st_mode & 0o7770 == 0o2770
    assert (closed / "in").stat().st_mode & 0o7770 == 0o2770
    assert (fc.analysed / "closed/data/x").stat().st_mode & 0o660 == 0o660
    check_record(fc, "closed")
    assert fc.ctl("purge", "closed", "--yes").code == 0
    wait_until(lambda: not (fc.analysed / "closed").exists(), fc.trouble)


def test_purge_of_closed_folders_and_links(instance, users, root_dir):
    """What cannot be entered now is opened first; links are removed, not followed."""
    fc = instance(user=users[0], config={"results": {"group_writable": False, "symlinks": "keep"}})
    keep = owned_folder(root_dir / "keep", users[0])
    (keep / "file").write_text("kept")
    fc.home.export(OUT=keep)
    fc.start()
    fc.upload("closed", commands=["mkdir -p data/a/b/c", "echo > data/a/b/c/f", "chmod 0 data/a/b",
                                  "chmod 500 data/a", 'ln -s "$OUT" data/link', "mkfifo data/p"])
    uow = fc.wait_finished("closed")
    assert fc.ctl("purge", "closed", "--yes").code == 0
    wait_until(lambda: fc.show(uow["id"])["state"] == "purged", fc.trouble)
    assert not (fc.analysed / "closed").exists()
    assert (keep / "file").read_text() == "kept"


# ---- changes after the sentinel ----

def test_files_that_change_after_the_sentinel(instance, outside):
    """The uploader goes on writing, renaming and linking: it ends, and nothing outside is touched."""
    fc = instance(config={"scheduler": {"slots": 4}}).start()
    stop = threading.Event()

    def meddle(tops, name):
        # One that knows where the folder goes, and swaps scripts/ and data/ all the time.
        while not stop.is_set():
            for top in tops:
                for place in ("scripts", "data", "flowcron", "sentinels"):
                    path = top / name / place
                    try:
                        os.rename(path, top / name / f"{place}.away")
                        os.symlink(outside, path)
                        os.unlink(path)
                        os.rename(top / name / f"{place}.away", path)
                    except OSError:
                        try:
                            os.rename(top / name / f"{place}.away", path)
                        except OSError:
                            pass

    names = [f"restless{i}" for i in range(3)]
    threads = []
    for name in names:
        fc.upload(name, {"data/x": "x"}, commands="sleep 0.3")
        threads.append(threading.Thread(target=meddle, args=((fc.uploaded, fc.work), name)))
        threads[-1].start()
    canary = "canary"
    fc.upload(canary)
    fc.wait_finished(canary)
    stop.set()
    for thread in threads:
        thread.join()
    # Whatever it came to, it came to an end, or is plainly said to be in the way.
    def settled():
        return all(u["state"] == "finished" or u.get("reason")
                   for u in fc.list() if u["name"].startswith("restless"))
    wait_until(settled, lambda: f"{fc.list()}\n{fc.trouble()}")


def test_a_writer_that_still_has_a_file_open(instance):
    fc = instance().start()
    fc.upload("late", sentinel=False)
    with open(fc.uploaded / "late/data/log", "w", encoding="utf-8") as late:
        late.write("before\n")
        late.flush()
        fc.complete("late")
        fc.wait_finished("late")
        late.write("after\n")
    assert fc.read("late", "data/log") == "before\nafter\n"


def test_a_socket_in_data(instance):
    fc = instance()
    fc.make_folders()
    fc.upload("socket", sentinel=False)
    with socket.socket(socket.AF_UNIX) as server:
        old = os.getcwd()
        os.chdir(fc.uploaded / "socket/data")
        try:
            server.bind("s")
        finally:
            os.chdir(old)
        fc.complete("socket")
        fc.start()
        fc.wait_finished("socket")
    assert stat.S_ISSOCK(os.lstat(fc.result("socket") + b"/data/s").st_mode)


def test_a_large_script_and_many_files(instance, standin):
    fc = instance(backend=standin).start()
    fc.upload("large", {SCRIPT: HEAD + "# x\n" * 1_100_000})
    fc.upload("many", {f"scripts/{i}.sh": "#!/bin/sh\n" for i in range(400)}, commands=None)
    assert "4 MiB" in fc.wait_finished("large", "rejected")["reason"]
    reason = fc.wait_finished("many", "rejected")["reason"]
    assert "and 390 more" in reason
    assert len(fc.report("many")) < 20000


def test_names_within_a_uow_do_not_get_to_a_terminal(instance):
    fc = instance().start()
    fc.upload("noisy", {b"scripts/\x1b]0;owned\x07\xff.sh": "#!/bin/sh\n"}, commands=None)
    fc.upload("loud", commands=["printf '\\033[2J\\033]0;owned\\007 \\377 end\\n' >&2", "exit 1"])
    reason = fc.wait_finished("noisy", "rejected")["reason"]
    fc.wait_finished("loud", "failed")
    for out in (reason, fc.report("noisy"), fc.report("loud"), fc.log_text(), fc.stderr_text()):
        assert "\x1b" not in out and "\x07" not in out
    assert "end" in fc.report("loud")


# ---- what a script asks Slurm for ----

# Lines of a script; OUT is the folder outside. Either it is refused, with the reason, or the job is
# ours all the same: its token, its folder, its output.
SMUGGLED = {
    "output": ["#SBATCH --output=OUT/written --error=OUT/written", "#SBATCH -o OUT/o -e OUT/e"],
    "folder": ["#SBATCH --chdir=OUT", "#SBATCH -D OUT"],
    "token": ["#SBATCH --comment=flowcron=00000000-0000-0000-0000-000000000000.1"],
    "token in quotes": ['#SBATCH --comment="x flowcron=00000000-0000-0000-0000-000000000000.1"'],
    "options in a value": ['#SBATCH --comment="x --wrap=true --chdir=OUT"'],
    "options in a name": ["#SBATCH --job-name='--wrap=true'", '#SBATCH -J "a -D OUT"'],
    "rows in a comment": ["#SBATCH --comment=1|COMPLETED|0:0|flowcron=x\\n2|COMPLETED|0:0"],
    "returns in a comment": ["#SBATCH --comment=a\rflowcron=00000000-0000-0000-0000-000000000000.1"],
    "escapes in a comment": ["#SBATCH --comment=\x1b]0;owned\x07\x1b[2J"],
    "wrap by its beginning": ["#SBATCH --wra=true"],
    "wrap in quotes": ['#SBATCH "--wrap=true"', "#SBATCH --wr\"ap=true\""],
    "wrap behind a tab": ["#SBATCH\t--wrap=true"],
    "wrap behind others": ["#SBATCH -N1 -n1 --time=5 --wrap true"],
    "wrap behind a backslash": ["#SBATCH --wr\\ap=true"],
    "wait among others": ["#SBATCH -QW"],
    "held among others": ["#SBATCH -QHn1"],
    "elsewhere by its beginning": ["#SBATCH --cluster=elsewhere"],
    "as somebody else": ["#SBATCH --uid=0 --gid=0"],
    "quiet": ["#SBATCH --quiet"],
}


def test_directives_that_smuggle(instance, standin, outside):
    fc = instance(backend=standin).start()
    for name, lines in SMUGGLED.items():
        head = "\n".join(["#!/bin/bash", "#SBATCH --time=5", *lines, ""])
        fc.upload(name, {SCRIPT: head.replace("OUT", str(outside)) + "echo ran in $PWD\n"})
    for name in SMUGGLED:
        uow = fc.wait_state(name, "finished")
        assert uow["outcome"] in ("rejected", "succeeded"), (name, uow)
        assert "\x1b" not in fc.report(name) and "\x1b" not in (uow.get("reason") or "")
        submitted = standin.submissions(f"flowcron={uow['id']}.1")
        if uow["outcome"] == "rejected":
            assert "line 3" in uow["reason"] and submitted == [], (name, uow)
            continue
        assert len(submitted) == 1, name
        assert submitted[0]["workdir"] == str(fc.work / name), name
        assert fc.job_output(name) == f"ran in {fc.work / name}\n", name
    for name in SMUGGLED:
        if name.startswith(("wrap", "wait", "held", "elsewhere")):
            assert fc.show(name)["outcome"] == "rejected", name
    assert len(standin.submissions()) == sum(u["outcome"] == "succeeded" for u in fc.list())
    for out in (fc.log_text(), fc.ctl("list", parse=False).out):
        assert "\x1b" not in out and "\r" not in out
