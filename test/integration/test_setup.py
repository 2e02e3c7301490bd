# SPDX-License-Identifier: Apache-2.0
"""flowcronctl setup: from nothing to an instance that runs, changed, taken back; by flags, and by a person who mistypes."""

import grp
import os
import stat
import subprocess

import pytest
import yaml

from support.common import program
from support.home import Home
from support.installer import Person, dumps
from support.units import make_uow

OTHERS = "MAILTO=me\n# mine, do not touch\n*/7 * * * * ./mine.sh '50\\%'\n@daily x"


@pytest.fixture
def person(root_dir, standin):
    """On a site with Slurm (the stand-in), where cron alone is to be had."""
    home = Home(root_dir)
    standin.prepare(home)
    return Person(root_dir, home)


def base_of(root_dir):
    folder = root_dir / "project"
    folder.mkdir(exist_ok=True)
    return folder / "flowcron"


def settings(person, name="default"):
    return yaml.safe_load(person.config(name).read_text())


# ---- with --yes ----

def test_yes_from_nothing(person, root_dir):
    """One command, and the line that it leaves in the crontab runs a Unit of Work with the environment of cron."""
    base = base_of(root_dir)
    done = person.setup("--base", base)
    assert done.code == 0, done
    assert done.data["service"]["kind"] == "cron", dumps(done.data)
    tried = {t["kind"]: t["why"] for t in done.data["service"]["tried"]}
    assert "lingering" in tried["systemd"] and "disabled" in tried["scrontab"]
    for name in ("UploadedFiles", "CodeToRun/slurm", "AnalysedFiles", "FailedJobs", "SoftDelete/FailedJobs", "Status"):
        mode = (base / name).stat().st_mode
        assert mode & stat.S_ISGID and mode & 0o770 == 0o770, name
    ((schedule, command),) = person.crontab.commands()
    assert schedule == "*/5 * * * *" and str(program("flowcrond")) in command
    make_uow(base / "UploadedFiles", "first", commands="echo out > data/out")
    for _ in range(50):
        tick = person.cron_tick(command)
        assert tick.returncode == 0 and tick.stdout + tick.stderr == ""
        if (base / "AnalysedFiles/first").exists():
            break
    assert (base / "AnalysedFiles/first/data/out").read_text() == "out\n"
    assert person.show("first")["outcome"] == "succeeded"


def test_arrivals_are_group_writable(person, root_dir):
    """However strict the uploader's umask, as far as the file system has ACLs."""
    done = person.setup("--base", base_of(root_dir))
    facts = done.data["storage"]
    if not facts["default_acls"]:
        assert any("no default ACLs" in w for w in done.data["warnings"])
        pytest.skip("no ACLs on this file system")
    uploaded = base_of(root_dir) / "UploadedFiles"
    make_uow(uploaded, "strict", umask=0o077)
    for path in (uploaded / "strict", uploaded / "strict/scripts/submission_script.sh"):
        assert path.stat().st_mode & 0o060 == 0o060, path
    assert facts["arrivals_group_writable"] and facts["keeps_group"]
    assert facts["group"] == grp.getgrgid(uploaded.stat().st_gid).gr_name


def test_again_keeps_what_is_not_given(person, root_dir):
    person.setup("--base", base_of(root_dir), "--soft-delete-days", "14", "--account", "proj", "--timestamp",
                 "--interval", "10m")
    text = person.config().read_text().replace("max_queued: 0", "max_queued: 7")
    person.config().write_text(text + "# a note of mine\n")
    before = person.config().read_text()
    done = person.setup()
    assert done.code == 0, done
    assert person.config().read_text() == before  # nothing changed: nothing is written
    assert [c[0] for c in person.crontab.commands()] == ["*/10 * * * *"]
    done = person.setup("--no-timestamp", "--purge-days", "30")
    assert done.code == 0, done
    former = person.config().with_name("default.yaml.old")
    assert former.read_text() == before  # with the note
    now = settings(person)
    assert now["retention"] == {**now["retention"], "soft_delete_after": "14d", "purge_after": "30d"}
    assert now["scheduler"]["max_queued"] == 7 and now["scheduler"]["account"] == "proj"
    assert now["uow"]["add_timestamp"] is False
    assert now["base"] == str(base_of(root_dir))


def test_timestamp_is_warned_about(person, root_dir):
    done = person.setup("--base", base_of(root_dir), "--timestamp")
    assert any("does not find it again" in w for w in done.data["warnings"])
    assert settings(person)["uow"]["add_timestamp"] is True


def test_another_base_folder(person, root_dir):
    """What is in the old one is not touched, and it is said that nobody serves it any more."""
    person.setup("--base", base_of(root_dir))
    done = person.setup("--base", root_dir / "new")
    assert done.code == 0 and settings(person)["base"] == str(root_dir / "new")
    assert any(f"What is in {base_of(root_dir)} stays there" in w for w in done.data["warnings"])
    assert (base_of(root_dir) / "UploadedFiles").is_dir()


def test_home_is_warned_about(person):
    done = person.setup()
    assert done.code == 0 and done.data["base"] == str(person.home.dir / "flowcron")
    assert any("home folder" in w for w in done.data["warnings"])


@pytest.mark.parametrize("flags, code, words", [
    (["--account", "nobodys"], 1, ['no account "nobodys"', "proj", "more"]),
    (["--qos", "fast"], 1, ['no QoS "fast"', "normal"]),
    (["--partition", "gpu"], 1, ['no partition "gpu"', "debug"]),
    (["--soft-delete-days", "two weeks"], 2, ["number of days"]),
    (["--soft-delete-days", "-1"], 2, ["number of days"]),
    (["--interval", "often"], 2, ["auto", "5m"]),
    (["--service", "launchd"], 2, ["systemd", "scrontab", "cron"]),
    (["--scheduler", "pbs"], 2, ["slurm", "local"]),
    (["--base", "/proc/nothing-here"], 1, ["/proc"]),
    (["--base", "/dev/null"], 1, ["/dev/null"]),
    (["--timestamp", "--no-timestamp"], 2, ["exclude"]),
    (["--soft-delete-day", "3"], 2, ["--soft-delete-days"]),
    (["extra"], 2, ["extra"]),
])
def test_wrong_answers_by_flag(person, standin, root_dir, flags, code, words):
    """Refused with what there is instead, and nothing is changed."""
    standin.set(accounts="proj,more")
    done = person.setup("--base", base_of(root_dir), *flags)
    assert done.code == code, done
    assert all(word in done.data["message"] for word in words), done
    assert not person.config().exists() and not person.crontab.text
    assert not base_of(root_dir).exists() and os.listdir(base_of(root_dir).parent) == []


def test_site_is_silent(person, standin, root_dir):
    """Nothing is called wrong that can't be known, and it is said what was not checked."""
    standin.fault("sacctmgr", "down ms=1")
    done = person.setup("--base", base_of(root_dir), "--account", "whatever")
    assert done.code == 0, done
    assert any("could not" in w or "can't be" in w or "learnt" in w for w in done.data["warnings"])
    assert settings(person)["scheduler"]["account"] == "whatever"


def test_without_accounting(person, standin, root_dir):
    """A pass less often than the controller remembers a job would not learn how it ended."""
    standin.set(accounting=0)
    done = person.setup("--base", base_of(root_dir), "--interval", "10m")
    assert done.code == 1 and "MinJobAge" in done.data["message"], done
    done = person.setup("--base", base_of(root_dir))
    assert done.code == 0, done
    assert [c[0] for c in person.crontab.commands()] == ["* * * * *"]  # five minutes are too long
    # What forgets within a minute can't be followed from cron at all.
    standin.set(min_job_age_ms=60000)
    done = person.setup()
    assert done.code == 1 and "MinJobAge" in done.data["message"], done
    standin.set(min_job_age_ms=3600000)
    assert person.setup("--interval", "30m").code == 0


def test_without_slurm(root_dir):
    """Said, rather than taken for a workstation; with the flag it is one."""
    person = Person(root_dir, Home(root_dir))
    person.home.extra["PATH"] = f"{person.fakes}:{bare_path(root_dir)}"
    done = person.setup("--base", base_of(root_dir))
    assert done.code == 1 and "local" in done.data["message"], done
    done = person.setup("--base", base_of(root_dir), "--scheduler", "local")
    assert done.code == 0, done
    assert settings(person)["scheduler"]["type"] == "local"
    assert "Slurm" in {t["kind"]: t["why"] for t in done.data["service"]["tried"]}["scrontab"]


def bare_path(root_dir):
    """The PATH without Slurm's commands."""
    folder = root_dir / "bare"
    folder.mkdir(exist_ok=True)
    for name in ("sh", "bash", "cat", "env"):
        if not (folder / name).exists():
            (folder / name).symlink_to(f"/bin/{name}")
    return folder


# ---- without a terminal ----

def test_no_terminal(person, root_dir):
    done = person.ctl("setup", "--base", base_of(root_dir))
    assert done.code == 2 and "--yes" in done.err
    assert person.ctl("setup", parse=True).data["error"] == "usage"
    assert person.ctl("setup", "--remove").code == 2
    assert not base_of(root_dir).exists() and not person.config().exists()


# ---- a person at a terminal ----

def test_a_person_who_mistypes(person, standin, root_dir):
    """Each wrong answer is explained and asked again; choices are shown; nothing is written before the end."""
    standin.set(accounts="proj,more", qos="normal,long", partitions="debug,gpu")
    base = base_of(root_dir)
    code, seen = person.talk(answers=[
        ("Name of this instance", "not a name"),
        ("Name of this instance", "cryo"),
        ("Base folder", "/proc/x"),
        ("Base folder", str(base)),
        ("Account to charge", "mine"),
        ("Account to charge", "more"),
        ("QoS", "fast"),
        ("QoS", "long"),
        ("Partition", ""),
        ("Reservation", ""),
        ("How often", "now and then"),
        ("How often", "2m"),
        ("Days until a result", "soon"),
        ("Days until a result", "14"),
        ("Days until it is removed", ""),
        ("timestamp", "maybe"),
        ("timestamp", "n"),
        ("Kept running by", "magic"),
        ("Kept running by", ""),
        ("Set it up so", "y"),
    ])
    assert code == 0, seen
    for words in ("a name has letters", "There is: proj, more", "There is: normal, long", "There is: debug, gpu",
                  'no account "mine" for you', '"auto", or a number', "a number of days", "answer yes or no",
                  '"magic" is none of'):
        assert words in seen, words
    assert seen.count("That will not do") == 8
    now = settings(person, "cryo")
    assert now["scheduler"] == {**now["scheduler"], "account": "more", "qos": "long", "partition": ""}
    assert now["watch"]["rescan_interval"] == "2m" and now["retention"]["soft_delete_after"] == "14d"
    assert [c[0] for c in person.crontab.commands()] == ["*/2 * * * *"]
    # Run again it shows today's values; enter takes them.
    code, seen = person.talk("-i", "cryo", answers=[(q, "") for q in (
        rf"Base folder \[{base}\]", r"Account to charge \[more\]", r"QoS \[long\]", r"Partition", "Reservation",
        r"How often to look for uploads \[2m\]", r"Days until a result goes to the recycling bin \[14\]",
        r"Days until it is removed from there for good \[0\]", r"timestamp .*\[no\]", "Kept running by",
        "Set it up so")])
    assert code == 0, seen
    assert settings(person, "cryo") == now


@pytest.mark.parametrize("last", ["n", None])
def test_a_person_who_thinks_better_of_it(person, root_dir, last):
    """Before the last question nothing was written; no, or the end of input, leaves it so."""
    flags = ["-i", "default", "--base", base_of(root_dir), "--account=", "--qos=", "--partition=", "--reservation=",
             "--interval=auto", "--soft-delete-days=0", "--purge-days=0", "--no-timestamp", "--service=auto"]
    code, seen = person.talk(*flags, answers=[("Set it up so", last)])
    assert code == 1 and "nothing was changed" in seen
    assert not person.config().exists() and not base_of(root_dir).exists() and not person.crontab.text


# ---- services ----

def test_nothing_of_others_changes(person, root_dir):
    """What is in the crontab stays to the byte, on the way in and on the way out."""
    person.crontab.text = OTHERS + "\n"
    assert person.setup("--base", base_of(root_dir)).code == 0
    assert person.crontab.text.startswith(OTHERS + "\n# BEGIN flowcron default")
    assert person.setup("--interval", "1h").code == 0
    assert person.crontab.text.count("BEGIN flowcron") == 1 and "0 * * * * " in person.crontab.text
    assert person.setup("--remove").code == 0
    assert person.crontab.text == OTHERS + "\n"


def test_a_lingering_service_goes_first(person, root_dir):
    """Lingering is asked for; the unit is marked, and names the programs and the configuration; all of it goes again,
    lingering with the last instance, and only because setup switched it on."""
    person.setup("--base", base_of(root_dir))
    assert person.crontab.commands()
    state = person.systemd()
    done = person.setup()
    assert done.code == 0 and done.data["service"]["kind"] == "systemd", done
    assert (state / "linger").exists() and (state / "enabled").exists() and (state / "active").exists()
    assert person.crontab.text == ""
    unit = person.home.dir / ".config/systemd/user/flowcron.service"
    text = unit.read_text()
    assert text.startswith("# Made by flowcronctl setup") and "@" not in text.replace("flowcron@", "")
    assert f'ExecStart="{program("flowcrond")}" --config "{person.config()}"' in text
    assert f'ExecReload="{program("flowcronctl")}" --config "{person.config()}" reload' in text
    # Running: a change that a reload can take is reloaded, another base folder is not.
    person.setup("--soft-delete-days", "3")
    assert (state / "log").read_text().splitlines()[-1] == "systemctl --user reload flowcron.service"
    person.setup("-i", "two", "--base", root_dir / "two")
    assert (person.home.dir / ".config/systemd/user/flowcron@two.service").exists()
    assert person.setup("-i", "two", "--remove").code == 0 and (state / "linger").exists()
    assert person.setup("--remove").code == 0
    assert not unit.exists() and not (state / "linger").exists() and not (state / "enabled").exists()


def test_units_of_others_are_left_alone(person, root_dir):
    """A unit of that name which setup did not make is not overwritten; the next way is taken."""
    person.systemd()
    unit = person.home.dir / ".config/systemd/user/flowcron.service"
    unit.parent.mkdir(parents=True)
    unit.write_text("[Service]\nExecStart=/opt/mine\n")
    done = person.setup("--base", base_of(root_dir))
    assert done.code == 0 and done.data["service"]["kind"] == "cron"
    assert "not by setup" in done.data["service"]["tried"][0]["why"]
    person.setup("--remove")
    assert unit.read_text() == "[Service]\nExecStart=/opt/mine\n"


def test_no_lingering_no_service(person, root_dir):
    state = person.systemd()
    (state / "no-linger").touch()
    done = person.setup("--base", base_of(root_dir))
    assert done.data["service"]["kind"] == "cron" and "Access denied" in done.data["service"]["tried"][0]["why"]
    assert "enable flowcron" not in (state / "log").read_text()


def test_a_service_that_does_not_start(person, root_dir):
    """That is no reason to take another way, but a fault to be seen."""
    state = person.systemd()
    (state / "no-start").touch()
    done = person.setup("--base", base_of(root_dir))
    assert done.code == 1 and "journalctl" in done.data["message"] and "Job failed" in done.data["message"]
    assert not person.crontab.text
    done = person.setup("--no-start")
    assert done.code == 0 and not (state / "active").exists() and (state / "enabled").exists()
    (state / "no-start").unlink()
    assert person.setup().code == 0 and (state / "active").exists()


def test_scrontab_goes_before_cron(person, standin, root_dir):
    """Its lines are what its manual asks for: options, then the one entry that they are for."""
    standin.set(accounts="proj", qos="normal,long")
    person.setup("--base", base_of(root_dir), "--qos", "long", "--account", "proj")
    assert person.crontab.commands()
    table = person.scrontab()
    done = person.setup()
    assert done.data["service"]["kind"] == "scrontab", dumps(done.data)
    ((schedule, command),) = table.commands()
    assert schedule == "*/5 * * * *" and command.endswith(">/dev/null 2>&1") and "--once" in command
    lines = table.text.splitlines()
    options = [line for line in lines if line.startswith("#SCRON ")]
    assert "#SCRON --account=proj" in options and "#SCRON --qos=long" in options
    assert "#SCRON --job-name=flowcron-default" in options
    first = lines.index(options[0])
    assert lines[first:first + len(options)] == options and lines[first + len(options)].startswith("*/5 ")
    assert person.crontab.text == ""  # what was installed before in its place is gone
    # As scrontab shows it after the entry was cancelled: mended by another setup, removed by a removal.
    table.text = "".join(f"#DISABLED: {line}\n" for line in lines)
    assert person.setup().code == 0 and len(table.commands()) == 1
    assert person.setup("--remove").code == 0 and table.text == ""


def test_an_interval_that_cron_can_not_have(person, root_dir):
    done = person.setup("--base", base_of(root_dir), "--interval", "7m")
    assert done.code == 1 and "divide an hour" in done.data["message"], done
    assert "setup run again goes on" in done.data["message"]
    assert person.setup("--interval", "15m").code == 0
    assert [c[0] for c in person.crontab.commands()] == ["*/15 * * * *"]


def test_none_and_not_to_be_had(person, root_dir):
    assert person.setup("--base", base_of(root_dir)).code == 0
    assert person.setup("--service", "none").code == 0
    assert person.crontab.text == ""
    done = person.setup("--service", "systemd")
    assert done.code == 1 and "systemd" in done.data["message"] and "bus" in done.data["message"]
    person.refuse("crontab", "You (me) are not allowed to use this program (crontab)")
    done = person.setup()
    assert done.code == 1 and "--service none" in done.data["message"], done
    assert "not allowed" in done.data["message"]


def test_died_half_way(person, root_dir):
    """Whatever was not done is done by the next run."""
    person.crontab.break_it()
    done = person.setup("--base", base_of(root_dir), "--soft-delete-days", "3")
    assert done.code == 1 and "cannot write" in done.data["message"], done
    person.crontab.break_it(False)
    (base_of(root_dir) / "Status").rmdir()
    done = person.setup()
    assert done.code == 0, done
    assert settings(person)["retention"]["soft_delete_after"] == "3d"
    assert (base_of(root_dir) / "Status").is_dir() and len(person.crontab.commands()) == 1


def test_a_broken_configuration_is_not_overwritten(person, root_dir):
    person.setup("--base", base_of(root_dir))
    broken = person.config().read_text() + "nonsense: 1\n"
    person.config().write_text(broken)
    done = person.setup()
    assert done.code == 1 and "nonsense" in done.data["message"] and "default.yaml:" in done.data["message"]
    assert person.config().read_text() == broken
    assert person.setup("--remove").code == 0  # which needs no more than its name
    assert not person.config().exists()


def test_configuration_elsewhere(person, root_dir):
    """Cron does not know $XDG_CONFIG_HOME; so the line names the file."""
    elsewhere = root_dir / "etc 50%"
    done = person.setup("--base", base_of(root_dir), XDG_CONFIG_HOME=str(elsewhere))
    assert done.code == 0, done
    assert (elsewhere / "flowcron/default.yaml").exists()
    ((_, command),) = person.crontab.commands()
    assert "--config" in command and r"\%" in command
    make_uow(base_of(root_dir) / "UploadedFiles", "u")
    tick = person.cron_tick(command.replace(r"\%", "%"))
    assert tick.returncode == 0
    assert not (base_of(root_dir) / "UploadedFiles/u").exists()


def test_remove_keeps_the_data(person, root_dir):
    base = base_of(root_dir)
    person.setup("--base", base)
    make_uow(base / "UploadedFiles", "kept", commands=None)  # rejected, so it needs no job
    ((_, command),) = person.crontab.commands()
    person.cron_tick(command)
    assert (base / "FailedJobs/kept").exists()
    done = person.setup("--remove")
    assert done.code == 0 and any("stays" in d for d in done.data["done"]), done
    assert not person.config().exists() and person.instances() == []
    assert list(person.config().parent.iterdir()) == []
    assert (base / "FailedJobs/kept/data").exists()
    done = person.setup("--remove")
    assert done.code == 0 and "Nothing" in done.data["done"][0]
    # Set up again it goes on where it was.
    assert person.setup("--base", base).code == 0
    assert person.show("kept")["state"] == "finished"


def test_remove_asks(person, root_dir):
    person.setup("--base", base_of(root_dir))
    code, _ = person.talk("--remove", answers=[("Remove the service", "n")])
    assert code == 1 and person.config().exists() and person.crontab.commands()
    code, _ = person.talk("--remove", answers=[("Remove the service", "y")])
    assert code == 0 and not person.config().exists() and not person.crontab.text


# ---- several instances ----

def test_several_instances(person, root_dir):
    assert person.ctl("list-instances").out.startswith("There are no instances")
    bases = {name: root_dir / f"project-{name}" for name in ("default", "cryo", "tomo")}
    for name, base in bases.items():
        done = person.setup("-i", name, "--base", base)
        assert done.code == 0, done
    assert {i["instance"]: i["base"] for i in person.instances()} == {n: str(b) for n, b in bases.items()}
    assert person.ctl("list-instances", "--names").out.split() == ["cryo", "default", "tomo"]
    commands = [command for _, command in person.crontab.commands()]
    assert len(commands) == 3
    for name, base in bases.items():
        make_uow(base / "UploadedFiles", f"of-{name}", commands=None)
    for command in commands:
        assert person.cron_tick(command).returncode == 0
    for name, base in bases.items():
        assert (base / f"FailedJobs/of-{name}").exists()
        assert person.show(f"of-{name}", "-i", name) and not person.show(f"of-{name}", "-i", other(name))
    # One base folder is for one instance, also when it lies in another's.
    for base in (bases["cryo"], bases["cryo"] / "AnalysedFiles/x"):
        done = person.setup("-i", "fourth", "--base", base)
        assert done.code == 1 and "instance cryo" in done.data["message"], done
    assert person.setup("-i", "cryo", "--remove").code == 0
    assert [i["instance"] for i in person.instances()] == ["default", "tomo"]
    assert len(person.crontab.commands()) == 2


def other(name):
    return "tomo" if name != "tomo" else "cryo"


def test_list_instances_tells_their_state(person, root_dir):
    person.setup("--base", base_of(root_dir), "--service", "none")
    person.config("broken").write_text("base: relative\n")
    found = {i["instance"]: i for i in person.instances()}
    assert found["default"]["state"] == "stopped"
    assert found["broken"]["state"] == "faulty" and "broken.yaml:1" in found["broken"]["error"]
    with subprocess.Popen([program("flowcrond")], env=person.env(), stdin=subprocess.DEVNULL,
                          stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as daemon:
        try:
            for _ in range(600):
                if person.instances()[1]["state"] == "runs":
                    break
            else:
                raise AssertionError(person.instances())
        finally:
            daemon.terminate()
            assert daemon.wait(60) == 0
