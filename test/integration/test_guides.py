# SPDX-License-Identifier: Apache-2.0
"""Every command of the guides in docs/ runs, on an instance that has what they talk about."""

import os
import re
import shutil
import subprocess

import pytest

from support.common import SOURCE, program, wait_until
from support.home import Home
from support.installer import Person
from support.instance import assert_no_report
from support.jobs import wait_job
from support.units import make_uow

BASE = "/projects/cryoem"


def guide(name):
    return (SOURCE / f"docs/{name}.md").read_text()


def blocks(text):
    """The lines of its sh blocks."""
    return [line for block in re.findall(r"^```sh\n(.*?)^```", text, re.M | re.S)
            for line in block.splitlines() if line]


def cells(text):
    """The commands in its tables."""
    return [code for row in re.findall(r"^\|.*\|$", text, re.M)
            for code in re.findall(r"`(flowcronctl [^`]+)`", row)]


def run(line, env, cwd, codes=(0,)):
    done = subprocess.run(["bash", "-c", line], env=env, cwd=cwd, stdin=subprocess.DEVNULL,
                          capture_output=True, text=True, timeout=120, check=False)
    assert_no_report(done.stderr, line)
    assert done.returncode in codes, f"{line}: {done.returncode}\n{done.stdout}{done.stderr}"
    return done


def with_programs(env):
    return {**env, "PATH": f"{os.path.dirname(program('flowcronctl'))}:{env['PATH']}"}


@pytest.fixture
def support_case(instance, standin):
    """The Units of Work that docs/support.md is about, in the states that it says."""
    standin.set(mode="norun")
    fc = instance("default", backend=standin, config={"retention": {"soft_delete_after": "1s"}}).start()
    fc.upload("cells-05")
    standin.end(wait_job(fc, "cells-05"))
    fc.wait_state("cells-05", "soft-deleted")
    fc.configure({"retention": {"soft_delete_after": 0}})
    fc.reload()
    fc.upload("cells-06", commands="cd $HOME")
    fc.upload("cells-07")
    standin.end(wait_job(fc, "cells-07"), "FAILED")
    fc.upload("cells-08", sentinel=False)
    fc.upload("cells-09")
    wait_job(fc, "cells-09")
    for name, outcome in (("cells-06", "rejected"), ("cells-07", "failed")):
        assert fc.wait_state(name, "finished")["outcome"] == outcome
    wait_until(lambda: fc.show("cells-08"), fc.trouble)
    place = fc.home.dir / ".config/flowcron"
    place.mkdir(parents=True)
    (place / "default.yaml").symlink_to(fc.config_file)
    make_uow(fc.home.dir, "cells-06", sentinel=False)
    return fc


def test_support(support_case):
    fc = support_case
    env = with_programs(fc.env())
    lines = blocks(guide("support"))
    assert len(lines) > 8
    # doctor ends with 1 where there is something to do, as here.
    for line in lines:
        run(line.replace(f"{BASE}/flowcron", str(fc.base)), env, fc.home.dir,
            (0, 1) if line.startswith("flowcronctl doctor") else (0,))
    assert "cells-07" in run("flowcronctl show cells-07", env, fc.home.dir).stdout
    looks = [c for c in cells(guide("support")) if not re.search(r" (retry|cancel|restore|doctor) ?", c)]
    orders = [c for c in cells(guide("support")) if re.search(r" (cancel|restore) ", c)]
    assert len(looks) > 6 and len(orders) == 2
    for line in dict.fromkeys(looks + orders):
        run(line, env, fc.home.dir)
    assert fc.wait_state("cells-09", "finished")["outcome"] == "cancelled"
    fc.wait_state("cells-05", "finished")
    retries = [c for c in dict.fromkeys(cells(guide("support"))) if " retry " in c]
    assert retries == ["flowcronctl retry --yes cells-07", "flowcronctl retry --yes --failed"]
    run(retries[0], env, fc.home.dir)
    assert fc.wait_state("cells-07", "queued")["attempt"] == 2
    run(retries[1], env, fc.home.dir)


def test_project_manager(root_dir, standin):
    """From nothing: set up, looked at, changed, a second instance, and that one taken away again."""
    home = Home(root_dir)
    standin.prepare(home)
    person = Person(root_dir, home)
    project = root_dir / "project"
    project.mkdir()
    shutil.copytree(SOURCE / "contrib/examples", root_dir / "contrib/examples")
    env = with_programs(person.env())
    lines = [line.replace(BASE, str(project)) for line in blocks(guide("project-manager"))]
    assert sum("setup" in line for line in lines) == 5
    daemon = None
    try:
        for line in lines:
            if line == "flowcronctl setup":
                continue  # asks at a terminal: test_setup.py talks to it
            if "submit" in line and not daemon:
                # In place of the service, or of cron's tick.
                # pylint: disable-next=consider-using-with
                daemon = subprocess.Popen([program("flowcrond")], env=env, cwd="/",
                                          stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                          stderr=subprocess.DEVNULL)
            # doctor finds that cron is not as good as a service.
            run(line, env, root_dir, (0, 1) if line.startswith("flowcronctl doctor") else (0,))
    finally:
        if daemon:
            daemon.terminate()
            daemon.wait(60)
    assert (project / "flowcron/AnalysedFiles/minimal/flowcron/report.txt").exists()
    assert (project / "tomo/UploadedFiles").is_dir()
    assert [i["instance"] for i in person.instances()] == ["default"]


def test_researcher_needs_no_command():
    assert blocks(guide("researcher")) == [] and cells(guide("researcher")) == []


@pytest.mark.parametrize("path", sorted((SOURCE / "docs").glob("*.md")), ids=lambda p: p.stem)
def test_links_lead_somewhere(path):
    """Files that are named are there, and so are the headings and paths in the tree."""
    text = path.read_text()
    for target in re.findall(r"\]\(([^)#\s:]*)(?:#[^)]*)?\)", text):
        assert not target or (path.parent / target).exists(), f"{path.name}: {target}"
    for target, heading in re.findall(r"\]\(([\w./-]*\.md)#([^)]*)\)", text):
        headings = re.findall(r"^#+ (.*)$", (path.parent / target).read_text(), re.M)
        slugs = {re.sub(r"[^\w -]", "", h.lower()).replace(" ", "-") for h in headings}
        assert heading in slugs, f"{path.name}: {target}#{heading}"


def test_developer_names_what_is_there():
    for name in re.findall(r"`((?:lib|daemon|cli|schema|test|docs)/[\w./-]+\w)`", guide("developer")):
        if "NAME" not in name:
            assert (SOURCE / name).exists(), name
    test = re.search(r"-R unit-(\w+)", guide("developer")).group(1)
    assert (SOURCE / f"test/unit/test-{test}.c").exists()
