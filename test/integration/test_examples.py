# SPDX-License-Identifier: Apache-2.0
"""The Units of Work that contrib/examples offers: those that need no other software run, and those
that do say what is missing and where to edit."""

import os
import re
import shutil
import subprocess

import pytest

from support.common import SOURCE, program

EXAMPLES = SOURCE / "contrib/examples"
NAMES = sorted(p.parent.name for p in EXAMPLES.glob("*/scripts"))


@pytest.fixture
def example(tmp_path):
    def copy(name):
        top = tmp_path / name
        shutil.copytree(EXAMPLES / name, top)
        return top
    return copy


def run(top, path=None, **environment):
    """Runs the script as Slurm would: in the folder, whose path is $1."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith("SLURM_")}
    kept.update(environment, **({"PATH": path} if path else {}))
    return subprocess.run(["/bin/bash", "scripts/submission_script.sh", str(top)], cwd=top, env=kept,
                          capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.parametrize("name", NAMES)
def test_is_valid_and_explained(name):
    done = subprocess.run([program("flowcronctl"), "validate", EXAMPLES / name],
                          env=dict(os.environ, XDG_CONFIG_HOME="/nonexistent"),
                          capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "converted" not in done.stdout
    text = (EXAMPLES / name / "README.md").read_text()
    assert "submission_script.sh" in text
    assert f"`{name}`" in (EXAMPLES / "README.md").read_text()
    assert (EXAMPLES / name / "data").is_dir()


@pytest.mark.skipif(not shutil.which("shellcheck"), reason="no shellcheck")
@pytest.mark.parametrize("name", NAMES)
def test_shellcheck_has_no_word_to_say(name):
    done = subprocess.run(["shellcheck", *(EXAMPLES / name / "scripts").glob("*.sh")],
                          capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("name", NAMES)
def test_a_line_to_edit_exists(name):
    """Each README names lines; they must be there."""
    readme = (EXAMPLES / name / "README.md").read_text()
    script = (EXAMPLES / name / "scripts/submission_script.sh").read_text()
    named = re.findall(r"^ *- `([^`]+)`", readme, re.MULTILINE)
    assert named
    for line in named:
        if line.startswith("scripts/") or line.startswith("data/"):
            assert (EXAMPLES / name / line).exists(), line
        else:
            assert line in script, f"{name}: there is no line {line}"


def test_minimal_counts(example):
    top = example("minimal")
    done = run(top)
    assert done.returncode == 0, done.stderr
    assert (top / "results/log.count").read_text().strip() == "9"
    for file in (top / "data").iterdir():
        file.unlink()
    done = run(top)
    assert done.returncode == 1 and "data/" in done.stderr


def test_array_does_every_line(example):
    top = example("array")
    for task in ("1", "2", "3"):
        done = run(top, SLURM_ARRAY_TASK_ID=task, SLURM_ARRAY_TASK_MAX="3")
        assert done.returncode == 0, done.stderr
    assert [(top / f"results/{n}.tsv").read_text() for n in (1, 2, 3)] == [
        "north.txt\tice\t2\n", "south.txt\tice\t1\n", "south.txt\twhale\t2\n"]


def test_array_says_when_the_list_has_grown(example):
    top = example("array")
    with open(top / "data/tasks.txt", "a", encoding="utf-8") as tasks:
        tasks.write("north.txt water\n")
    done = run(top, SLURM_ARRAY_TASK_ID="1", SLURM_ARRAY_TASK_MAX="3")
    assert done.returncode == 1
    assert "#SBATCH --array=1-4" in done.stderr


def test_further_script_reads_what_is_there(example, tmp_path):
    earlier = tmp_path / "earlier run"
    (earlier / "MotionCorr/data").mkdir(parents=True)
    (earlier / "MotionCorr/data/m1.mrc").write_text("12345")
    (earlier / "MotionCorr/corrected_micrographs.star").write_text(
        "data_micrographs\n\nloop_\n_rlnMicrographName #1\n_rlnOpticsGroup #2\n"
        "MotionCorr/data/m1.mrc 1\nMotionCorr/data/m2.mrc 1\n")
    top = example("further-script")
    done = run(top)
    assert done.returncode == 1 and "earlier=" in done.stderr
    script = top / "scripts/submission_script.sh"
    script.write_text(re.sub("(?m)^earlier=.*", f"earlier='{earlier}'", script.read_text()))
    done = run(top)
    assert done.returncode == 0, done.stderr
    assert (top / "results/micrographs.tsv").read_text() == (
        "MotionCorr/data/m1.mrc\t5\nMotionCorr/data/m2.mrc\tmissing\n")
    (earlier / "sentinels").mkdir()
    assert run(top).returncode == 1


@pytest.mark.parametrize("name", ["gpu", "mpi", "motion-correction", "ctf-estimation", "tilt-series",
                                  "classification-3d"])
def test_missing_software_is_named(example, tmp_path, name):
    """Neither a module command nor the programs: the message names the line to edit."""
    bare = tmp_path / "bin"
    bare.mkdir()
    done = run(example(name), path=str(bare), BASH_ENV="")
    assert done.returncode == 1
    assert "module load" in done.stderr, done.stderr


def fake(folder, name, text):
    path = folder / name
    path.write_text("#!/bin/bash\n" + text)
    path.chmod(0o755)


def with_module(tmp_path):
    """A module command that does nothing, and a folder for stand-ins of programs."""
    folder = tmp_path / "bin"
    folder.mkdir()
    return folder, {"BASH_FUNC_module%%": "() { :; }", "path": f"{folder}:{os.environ['PATH']}"}


def test_tilt_series_that_made_no_tomogram_fails(example, tmp_path):
    folder, how = with_module(tmp_path)
    fake(folder, "AreTomo2", "exit 0\n")
    top = example("tilt-series")
    (top / "data/TS_01.mrc").write_text("x")
    done = run(top, SLURM_ARRAY_TASK_ID="1", SLURM_ARRAY_TASK_MAX="1", **how)
    assert done.returncode == 1 and "no tomogram" in done.stderr
    fake(folder, "AreTomo2", 'while [[ $1 != -OutMrc ]]; do shift; done\necho volume >"$2"\n')
    done = run(top, SLURM_ARRAY_TASK_ID="1", SLURM_ARRAY_TASK_MAX="1", **how)
    assert done.returncode == 0, done.stderr
    assert (top / "Tomograms/TS_01/TS_01.mrc").exists()
    (top / "data/TS_02.mrc").write_text("x")
    done = run(top, SLURM_ARRAY_TASK_ID="1", SLURM_ARRAY_TASK_MAX="1", **how)
    assert done.returncode == 1 and "#SBATCH --array=1-2" in done.stderr


def test_motion_correction_counts_what_was_left_out(example, tmp_path):
    folder, how = with_module(tmp_path)
    fake(folder, "srun", 'while [[ $1 == -* ]]; do shift; done\nexec "$@"\n')
    fake(folder, "relion_import", "exit 0\n")
    fake(folder, "relion_run_motioncorr_mpi",
         "mkdir -p MotionCorr\necho 'MotionCorr/a.mrc 1' >MotionCorr/corrected_micrographs.star\n")
    top = example("motion-correction")
    (top / "data/movies/a.tiff").write_text("x")
    assert run(top, **how).returncode == 0
    (top / "data/movies/b.tiff").write_text("x")
    done = run(top, **how)
    assert done.returncode == 1 and "1 of 2" in done.stderr


def test_classification_goes_on_where_it_stopped(example, tmp_path):
    folder, how = with_module(tmp_path)
    fake(folder, "srun", 'while [[ $1 == -* ]]; do shift; done\nexec "$@"\n')
    fake(folder, "relion_refine_mpi", 'printf "%s " "$@" >>calls\necho >>calls\nexit 1\n')
    top = example("classification-3d")
    (top / "data/reference.mrc").write_text("x")
    (top / "data/particles.star").write_text("000001@data/particles.mrcs\n")
    done = run(top, **how)
    assert done.returncode == 1 and "data/particles.mrcs" in done.stderr
    (top / "data/particles.mrcs").write_text("x")
    run(top, **how)
    for end, text in (("it003", "x"), ("it009", "x"), ("it010", "")):
        for kind in ("optimiser", "model", "data"):
            (top / f"Class3D/run_{end}_{kind}.star").write_text(text)
    run(top, **how)
    first, second = (top / "calls").read_text().splitlines()
    assert "--i data/particles.star" in first and "--continue" not in first
    assert "--continue Class3D/run_it009_optimiser.star" in second
