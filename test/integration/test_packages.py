# SPDX-License-Identifier: Apache-2.0
"""contrib/packaging: what is packed installs, runs the main job for an ordinary user, and goes away again."""

import fcntl
import os
import pathlib
import re
import shutil
import subprocess
import tarfile

import pytest

from support.common import BUILD, SOURCE, as_user, current_user, is_root, owned_folder, wait_until
from support.home import Home

# One builds, and the others would only wait for it; and a build takes as long as the machine is busy.
pytestmark = [pytest.mark.xdist_group("packages"), pytest.mark.timeout(900)]

VERSION = re.search(r"^project\(flowcron VERSION ([0-9.]+)",
                    (SOURCE / "CMakeLists.txt").read_text(), re.MULTILINE)[1]
# What each kind of package must have, wherever its prefix is.
PROGRAMS = {"bin/flowcrond", "bin/flowcronctl"}
FILES = PROGRAMS | {
    "lib/systemd/catalog/flowcron.catalog",
    "share/man/man1/flowcronctl.1", "share/man/man5/flowcron.yaml.5",
    "share/man/man5/flowcron-eventlog.5", "share/man/man7/flowcron-uow.7",
    "share/man/man8/flowcrond.8", "share/doc/flowcron/LICENSE",
    "share/flowcron/schema/config.schema.json",
    "share/bash-completion/completions/flowcronctl", "share/zsh/site-functions/_flowcronctl"}
SYSTEM_UNITS = {"lib/systemd/user/flowcron.service", "lib/systemd/user/flowcron@.service"}
HOME_UNITS = {"share/systemd/user/flowcron.service", "share/systemd/user/flowcron@.service"}

USER = "fcuser1" if is_root() else current_user()
needs_root = pytest.mark.skipif(not is_root(), reason="needs root, to install packages")


def run(*argv, check=True, **how):
    done = subprocess.run([str(a) for a in argv], stdin=subprocess.DEVNULL, capture_output=True,
                          text=True, check=False, **how)
    assert not check or done.returncode == 0, f"{argv}: {done.stdout[-3000:]}{done.stderr[-3000:]}"
    return done


def pack(kind):
    """The package of this kind. The build is kept from one run to the next; one at a time."""
    output = BUILD.with_name(BUILD.name + "-packages")
    output.mkdir(exist_ok=True)
    env = dict(os.environ)
    if shutil.which("ccache"):
        env["CMAKE_C_COMPILER_LAUNCHER"] = "ccache"
    if shutil.which("ninja"):
        env["CMAKE_GENERATOR"] = "Ninja"
    with open(output / "lock", "wb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        done = run(SOURCE / "contrib/packaging/package", "--output", output, kind, env=env)
    ending = {"tarball": ".tar.gz"}.get(kind, f".{kind}")
    found = [pathlib.Path(line) for line in done.stdout.splitlines() if line.endswith(ending)]
    assert len(found) == 1, done.stdout
    return found[0]


def main_job(programs, root):
    """An ordinary user's first Unit of Work, run by the scheduler `local`."""
    home = Home(root, USER)
    base = owned_folder(root / "base", USER, 0o2775)
    config = root / "packed.yaml"
    config.write_text(f"base: {base}\nscheduler: {{type: local, poll_interval: 1s}}\n"
                      "watch: {rescan_interval: 1s}\n")
    uow = root / "minimal"
    shutil.copytree(SOURCE / "contrib/examples/minimal", uow)
    env = {**home.env(), "PATH": f"{programs}:/usr/bin:/bin"}

    def argv(program, *args):
        return as_user(USER, [f"{programs}/{program}", "--config", str(config), *map(str, args)])
    log = open(root / "flowcrond.log", "wb")
    with log, subprocess.Popen(argv("flowcrond"), env=env, cwd="/", stderr=log) as daemon:
        try:
            wait_until(lambda: list(home.runtime.glob("flowcron/packed.sock")), "flowcrond to listen")
            done = run(*argv("flowcronctl", "submit", "--wait", uow), env=env)
            assert "succeeded" in done.stdout
            told = run(*argv("flowcronctl", "version"), env=env).stdout
            assert told == f"flowcronctl {VERSION}\nflowcrond {VERSION}\n"
        finally:
            daemon.terminate()
    assert daemon.returncode == 0, (root / "flowcrond.log").read_text()
    assert (base / "AnalysedFiles/minimal/flowcron/report.txt").exists()


def program_of(unit):
    return re.search(r'^ExecStart="(.*)" --instance', unit.read_text(), re.MULTILINE)[1]


# ---- .deb ----

@pytest.fixture(scope="module")
def deb():
    if not shutil.which("dpkg-shlibdeps"):
        pytest.skip("no dpkg-dev")
    return pack("deb")


def test_deb_holds_all(deb, tmp_path):
    run("dpkg-deb", "-x", deb, tmp_path)
    found = {str(p.relative_to(tmp_path / "usr")) for p in tmp_path.rglob("*") if p.is_file()}
    assert found >= FILES | SYSTEM_UNITS, (FILES | SYSTEM_UNITS) - found
    assert {p.name for p in tmp_path.iterdir()} == {"usr"}
    for unit in SYSTEM_UNITS:
        assert program_of(tmp_path / "usr" / unit) == "/usr/bin/flowcrond"
    depends = run("dpkg-deb", "-f", deb, "Depends").stdout
    for library in ("libc6", "libcjson1", "libsystemd0", "libyaml-0-2", "libuuid1", "libcurl"):
        assert library in depends, depends
    assert run("dpkg-deb", "-f", deb, "Version").stdout.strip() == VERSION


@needs_root
def test_deb_installed_run_and_removed(deb, root_dir, users):
    # pylint: disable=unused-argument
    if run("dpkg-query", "-W", "flowcron", check=False).returncode == 0:
        pytest.skip("flowcron is installed on this machine")
    # Without the manual pages, as the index of all that this machine has would be made anew.
    run("dpkg", "--path-exclude=/usr/share/man/*", "-i", deb)
    try:
        files = [pathlib.Path(f) for f in run("dpkg", "-L", "flowcron").stdout.splitlines()]
        files = [f for f in files if f.is_file()]
        main_job("/usr/bin", root_dir)
    finally:
        run("dpkg", "--purge", "flowcron")
    assert {f"/usr/{name}" for name in PROGRAMS | SYSTEM_UNITS} <= {str(f) for f in files}
    assert not [f for f in files if f.exists()]


# ---- .rpm ----

@pytest.fixture(scope="module")
def rpm():
    if not shutil.which("rpmbuild"):
        pytest.skip("no rpmbuild")
    return pack("rpm")


def test_rpm_holds_all(rpm):
    found = set(run("rpm", "-qpl", rpm).stdout.splitlines())
    wanted = {f"/usr/{name}" for name in FILES | SYSTEM_UNITS}
    assert found >= wanted, wanted - found
    # Folders of the system stay the system's.
    assert not found & {"/usr", "/usr/bin", "/usr/lib/systemd", "/usr/lib/systemd/user", "/usr/share/man/man1"}
    assert all(re.match("/usr/(bin|lib|share)/", name) for name in found)
    needs = run("rpm", "-qpR", rpm).stdout
    for library in ("libcjson.so.1", "libsystemd.so.0", "libyaml-0.so.2", "libuuid.so.1", "libcurl.so.4"):
        assert library in needs, needs
    assert run("rpm", "-qp", "--qf", "%{VERSION} %{LICENSE}", rpm).stdout == f"{VERSION} Apache-2.0"


@needs_root
def test_rpm_installed_and_removed(rpm, root_dir):
    """In a root of its own; this machine's packages are not rpm's, so what it depends on is not asked for."""
    top = root_dir / "top"
    top.mkdir()
    run("rpm", "--root", top, "--initdb")
    run("rpm", "--root", top, "-i", "--nodeps", rpm)
    assert run(top / "usr/bin/flowcrond", "--version").stdout == f"flowcrond {VERSION}\n"
    assert program_of(top / "usr/lib/systemd/user/flowcron.service") == "/usr/bin/flowcrond"
    run("rpm", "--root", top, "-e", "flowcron")
    assert not [p for p in (top / "usr").rglob("*flowcron*")]


# ---- the tarball ----

@pytest.fixture(scope="module")
def tarball():
    return pack("tarball")


def unpack(tarball, folder):
    """As share/doc/flowcron/INSTALL has it."""
    run("tar", "-C", folder, "--strip-components=1", "-xzf", tarball)


def newest(versions):
    return max(versions, key=lambda v: [int(n) for n in v.split(".")])


def test_tarball_holds_all(tarball):
    with tarfile.open(tarball) as tar:
        members = tar.getmembers()
    top = tarball.name[:-len(".tar.gz")]
    found = {m.name[len(top) + 1:] for m in members if m.isfile()}
    assert found >= FILES | HOME_UNITS, (FILES | HOME_UNITS) - found
    assert all(m.name == top or m.name.startswith(f"{top}/") for m in members)
    assert all(m.uid == 0 and not m.mode & 0o022 and (m.isfile() or m.isdir()) for m in members)
    for library in ("libcjson.so.1", "libyaml-0.so.2", "libuuid.so.1"):
        assert f"lib/flowcron/{library}" in found and f"share/doc/flowcron/libraries/{library}.txt" in found


def test_tarball_needs_no_more_than_it_says(tarball, tmp_path):
    """glibc 2.28, systemd 239, and a libcurl of any distribution; the linker's own word, not the script's."""
    unpack(tarball, tmp_path)
    install = (tmp_path / "share/doc/flowcron/INSTALL").read_text()
    assert "glibc 2.28" in install and "@" not in install.replace("flowcron@", "")
    for path in [*(tmp_path / "bin").iterdir(), *(tmp_path / "lib/flowcron").iterdir()]:
        table = run("objdump", "-p", path).stdout
        glibc = re.findall(r" GLIBC_([0-9.]+)$", table, re.MULTILINE)
        assert glibc and [int(n) for n in newest(glibc).split(".")][:2] <= [2, 28], table
        systemd = re.findall(r" LIBSYSTEMD_(\d+)$", table, re.MULTILINE)
        assert all(int(v) <= 239 for v in systemd), table
        assert "CURL_" not in table
    told = run("ldd", tmp_path / "bin/flowcrond").stdout
    for library in ("libcjson.so.1", "libyaml-0.so.2", "libuuid.so.1"):
        assert f"{library} => {tmp_path}/bin/../lib/flowcron/{library}" in told, told


def test_tarball_runs_anywhere(tarball, root_dir, request):
    """Also in a folder that nobody thought of."""
    if is_root():
        request.getfixturevalue("users")
    place = owned_folder(root_dir / "somewhere else", None)
    unpack(tarball, place)
    main_job(place / "bin", root_dir)


def test_tarball_in_a_home(tarball, tmp_path):
    """Its units name the programs of whatever home it was unpacked in."""
    local = tmp_path / ".local"
    local.mkdir()
    unpack(tarball, local)
    unit = local / "share/systemd/user/flowcron.service"
    assert program_of(unit) == "%h/.local/bin/flowcrond"
    if not shutil.which("systemd-analyze"):
        return
    env = dict(os.environ, HOME=str(tmp_path), XDG_RUNTIME_DIR=str(tmp_path))
    done = run("systemd-analyze", "--user", "--man=no", "verify", unit, env=env)
    assert "flowcron" not in done.stderr, done.stderr
    (local / "bin/flowcrond").unlink()
    done = run("systemd-analyze", "--user", "--man=no", "verify", unit, env=env, check=False)
    assert f"{local}/bin/flowcrond" in done.stderr  # it was looked for there


def test_tarball_that_needs_too_much_is_refused(tmp_path):
    """The check of the packaging script can say no."""
    script = (SOURCE / "contrib/packaging/package").read_text()
    check = re.search(r"^versions_above\(\) \{.*?^\}", script, re.DOTALL | re.MULTILINE)[0]
    source = tmp_path / "new.c"
    source.write_text("#include <sys/stat.h>\nint main(void) { struct stat st; return fstat(0, &st); }\n")
    run("cc", "-o", tmp_path / "new", source)
    told = run("bash", "-c", f'{check}\nversions_above "$1" GLIBC_ "$2"', "-", tmp_path / "new", "2.2.4").stdout
    assert "__libc_start_main" in told
    told = run("bash", "-c", f'{check}\nversions_above "$1" GLIBC_ "$2"', "-", tmp_path / "new", "99").stdout
    assert told == ""


# ---- recipes ----

def lowest_versions():
    """The table of README.md, which repeats cmake/dependencies.cmake."""
    text = (SOURCE / "cmake/dependencies.cmake").read_text()
    return dict(re.findall(r"IMPORTED_TARGET (\S+?)>=([0-9.]+)\)", text))


def test_spack_recipe():
    text = (SOURCE / "contrib/packaging/spack/package.py").read_text()
    compile(text, "package.py", "exec")
    names = {"systemd": "libsystemd", "cjson": "libcjson", "libyaml": "yaml-0.1",
             "util-linux-uuid": "uuid", "curl": "libcurl"}
    asked = dict(re.findall(r'depends_on\("([a-z-]+)@([0-9.]+):"\)', text))
    lowest = lowest_versions()
    assert {names[name]: version for name, version in asked.items()} == \
        {name: version for name, version in lowest.items() if name != "cmocka"}
    assert f'version("{VERSION}")' in text


def test_easybuild_file():
    path = next((SOURCE / "contrib/packaging/easybuild").glob("*.eb"))
    values = {}
    exec(compile(path.read_text(), path.name, "exec"), values)  # pylint: disable=exec-used
    assert values["version"] == VERSION and path.name == \
        f"{values['name']}-{VERSION}-{values['toolchain']['name']}-{values['toolchain']['version']}.eb"
    names = {"cJSON": "libcjson", "libyaml": "yaml-0.1", "util-linux": "uuid", "cURL": "libcurl"}
    lowest = lowest_versions()
    for name, version in values["dependencies"]:
        assert [int(n) for n in version.split(".")] >= [int(n) for n in lowest[names[name]].split(".")]
    assert {names[name] for name, _ in values["dependencies"]} | {"libsystemd", "cmocka"} == set(lowest)
    assert set(values["sanity_check_paths"]["files"]) <= FILES | SYSTEM_UNITS
