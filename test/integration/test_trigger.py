# SPDX-License-Identifier: Apache-2.0
"""contrib/trigger: a finished folder starts the flow once, whatever happens in between."""

import os
import pathlib
import shutil
import subprocess

import pytest

from support.common import SOURCE, program
from support.flows import LAB
from support.globus_person import Person
from service import Service  # pylint: disable=wrong-import-order

TRIGGER = SOURCE / "contrib/trigger"


class Instrument:
    def __init__(self, someone):
        self.person, self.globus = someone, someone.globus
        self.flow = someone.deployed()
        someone.login("--flow", self.flow)
        self.out = someone.root / "outgoing"
        self.out.mkdir()
        self.config = someone.root / ".config/flowcron/trigger.conf"
        self.config.parent.mkdir(parents=True)
        self.config.write_text((TRIGGER / "trigger.conf").read_text()
                               .replace("flow=00000000-0000-0000-0000-000000000000", f"flow={self.flow}")
                               .replace("collection=00000000-0000-0000-0000-000000000000", f"collection={LAB}"))

    def finish(self, name):
        (self.out / name / "data").mkdir(parents=True)
        (self.out / f"{name}.finished").touch()

    def call(self):
        env = {**self.person.env, "PATH": f"{pathlib.Path(program('flowcronctl')).parent}:{os.environ['PATH']}"}
        return subprocess.run([TRIGGER / "flowcron-trigger"], env=env, capture_output=True, text=True, check=False)

    def markers(self):
        return sorted(p.name for p in self.out.iterdir() if p.is_file())


@pytest.fixture
def instrument(tmp_path):
    with Service() as globus:
        yield Instrument(Person(tmp_path, globus))
    assert not globus.wrong, "\n".join(globus.wrong)


def test_a_finished_folder_starts_the_flow_once(instrument):
    instrument.finish("cells-07")
    instrument.finish("cells 08")
    (instrument.out / "cells-09").mkdir()
    for _ in range(2):
        done = instrument.call()
        assert done.returncode == 0, done.stderr
    runs = {run["label"]: run for run in instrument.globus.runs.values()}
    assert set(runs) == {"cells-07", "cells 08"} and len(instrument.globus.runs) == 2
    assert runs["cells-07"]["body"]["input"] == {"source": {"id": LAB, "path": "/~/outgoing/cells-07/"}, "delete": True}
    assert instrument.markers() == sorted(f"{label}.started-{run['run_id']}" for label, run in runs.items())


@pytest.mark.parametrize("started", [True, False])
def test_no_answer_is_no_answer(instrument, started):
    """The service failed behind the request: the run was started or not, and it is found out which."""
    instrument.finish("cells-07")
    instrument.globus.fault(f"/flows/{instrument.flow}/run", 502, times=1)
    instrument.call()
    assert instrument.markers() == ["cells-07.starting"] and not instrument.globus.runs
    if started:
        told = instrument.person.told("run", "--flow", instrument.flow, "--label", "cells-07", f"{LAB}:/x")
        instrument.person.told("run", "--flow", instrument.flow, "--label", "cells-08", f"{LAB}:/x")
    instrument.globus.fault("/runs", 503, times=5, Retry_After=0)
    instrument.call()
    assert instrument.markers() == ["cells-07.starting"], "without a look at the runs nothing is done"
    instrument.call()
    labels = [run["label"] for run in instrument.globus.runs.values()]
    assert labels.count("cells-07") == 1
    marker, = instrument.markers()
    if started:
        assert marker == f"cells-07.started-{told['run_id']}"


def test_what_can_not_be_started_says_why(instrument):
    instrument.finish("bad$name")
    (instrument.out / "nothing.finished").touch()
    instrument.call()
    assert instrument.markers() == ["bad$name.failed", "nothing.failed"]
    assert "letters" in (instrument.out / "bad$name.failed").read_text()
    instrument.finish("cells-07")
    instrument.globus.consents.add(LAB)
    instrument.call()
    assert f"flow login --data-access {LAB}" in (instrument.out / "cells-07.failed").read_text()
    instrument.globus.consents.clear()
    (instrument.out / "cells-07.failed").rename(instrument.out / "cells-07.finished")
    instrument.call()
    assert len(instrument.globus.runs) == 1


def test_the_units_are_good(tmp_path):
    verify = shutil.which("systemd-analyze")
    if not verify:
        pytest.skip("needs systemd-analyze")
    for unit in TRIGGER.glob("flowcron-trigger.*"):
        text = unit.read_text().replace("%h/.local/bin/flowcron-trigger", str(TRIGGER / "flowcron-trigger"))
        (tmp_path / unit.name).write_text(text)
    units = sorted(tmp_path.glob("flowcron-trigger.*"))
    assert len(units) == 3
    done = subprocess.run([verify, "verify", "--man=no", *units], capture_output=True, text=True, check=False,
                          env={**os.environ, "SYSTEMD_UNIT_PATH": f"{tmp_path}:"})
    complaints = [line for line in done.stderr.splitlines() if "flowcron" in line]
    assert not complaints, complaints
