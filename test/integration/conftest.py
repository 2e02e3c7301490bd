# SPDX-License-Identifier: Apache-2.0
"""Fixtures of the integration tests.

    instance   makes FlowCron instances: fc = instance(backend=standin, config={…}).start()
    zoo        an instance with a UoW in each state
    standin    a fresh stand-in for Slurm, for this test alone
    faulty     an instance on the stand-in whose system calls fail when the test wants it
    slurm      real Slurm with accounting, one a session; needs root
    users      fcuser1, fcuser2 (group fcgroup), fcuser3; needs root
    root_dir   a private folder with a short path that other users can enter
    mounts     mounts file systems that only this test sees; needs root
    outside    a folder of somebody else's, which must come out of it all as it is
    sampler    watches where UoWs are: with sampler(fc, "NAME") as s: …
    user_systemd   a real `systemctl --user`; needs root
    installed_home FlowCron installed in that user's home
    service        its flowcron.service, started; one a file of tests

A test that uses `slurm` or `user_systemd` carries that marker (slurm, systemd) by itself, so
`-m "not slurm and not systemd"` leaves out what needs root and time.
"""

import contextlib
import fcntl
import os
import pathlib
import shutil
import sys
import tempfile
import zlib

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).parent))

# pylint: disable=wrong-import-position
from support.cluster import Slurm
from support.common import BUILD, TOOLS, is_root, make_test_users, remove_copies
from support.faults import Faults
from support.home import Home
from support.instance import Instance
from support.leftovers import end_leftovers
from support.mounts import Mounts, own_namespace
from support.outside import fingerprint, make_outside
from support.sampler import Sampler
from support.service import Service, install_home, wipe
from support.standin import Standin
from support.usersystemd import UserSystemd
from support.zoo import make_zoo

TEST_SECONDS = 300


def pytest_configure(config):
    config.addinivalue_line("markers", "slurm: needs real Slurm")
    config.addinivalue_line("markers", "systemd: needs a real systemctl --user")


def pytest_collection_modifyitems(items):
    for item in items:
        for fixture, marker in (("slurm", "slurm"), ("user_systemd", "systemd")):
            if fixture in item.fixturenames:
                item.add_marker(getattr(pytest.mark, marker))
        # Only ends a test that hangs.
        if not item.get_closest_marker("timeout"):
            item.add_marker(pytest.mark.timeout(TEST_SECONDS))


def pytest_unconfigure():
    remove_copies()


def make_root_dir():
    # pytest's own tmp_path is closed to other users and too long for a socket's name.
    folder = pathlib.Path(tempfile.mkdtemp(prefix="fct-"))
    folder.chmod(0o755)
    return folder


@contextlib.contextmanager
def server_dir(kind):
    """A folder for a server, the same in each run of this build: what a killed run has left there
    is found, and ended, by the next. One run at a time."""
    name = f"fct-{kind}-{zlib.crc32(os.fsencode(BUILD)):08x}"
    folder = pathlib.Path(tempfile.gettempdir()) / name
    with open(f"{folder}.lock", "wb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield folder
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def root_dir():
    folder = make_root_dir()
    yield folder
    end_leftovers(folder)
    if os.environ.get("FLOWCRON_TEST_KEEP"):
        print(f"kept: {folder}")
    else:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def instance(root_dir):
    """instance(name="test", backend=None, config=None, user=None, home=None) → Instance.

    backend  what runs the jobs: the `standin` or the `slurm` fixture; None: scheduler `local`
    config   goes over the fast defaults of support/instance.py
    user     who runs the daemon; needs root and the fixture `users`
    home     a Home that several instances share
    """
    made = []

    def make(name="test", *, backend=None, config=None, user=None, home=None, **how):
        home = home or Home(root_dir, user)
        if backend:
            backend.prepare(home)
        fc = Instance(root_dir, name, user=user, home=home, **how)
        fc.defaults = backend.config() if backend else {}
        fc.configure(config)
        made.append(fc)
        return fc

    yield make
    errors = []
    for fc in reversed(made):
        try:
            fc.close()
        except AssertionError as error:
            errors.append(str(error))
    assert not errors, "\n".join(errors)


@pytest.fixture
def outside(root_dir):
    folder = make_outside(root_dir / "outside")
    before = fingerprint(folder)
    yield folder
    assert fingerprint(folder) == before


@pytest.fixture
def standin(root_dir):
    fake = Standin(root_dir / "standin")
    yield fake
    fake.close()


@pytest.fixture
def zoo(instance, standin):
    """An instance with a UoW in each state, see support/zoo.py."""
    return make_zoo(instance, standin)


@pytest.fixture
def faulty(instance, standin, root_dir):
    """faulty(config) → an instance on the stand-in that runs, and the faults of its daemon."""
    def make(config=None, **knobs):
        standin.set(mode="norun", **{"autocomplete_ms": 0, **knobs})
        fc = instance(backend=standin, config=config)
        found = Faults(root_dir)
        fc.start(**found.env(fc))
        return fc, found
    return make


@pytest.fixture(scope="session")
def users():
    if not is_root():
        pytest.skip("needs root, to act as other users")
    make_test_users()
    return ("fcuser1", "fcuser2", "fcuser3")


@pytest.fixture(scope="session")
def slurm_cluster():
    """FLOWCRON_TEST_SLURM names the folder of a cluster that is up already and stays up."""
    if not is_root():
        pytest.skip("needs root, to start Slurm's daemons")
    given = os.environ.get("FLOWCRON_TEST_SLURM")
    if given:
        yield Slurm(pathlib.Path(given))
        return
    with server_dir("slurm") as folder:
        cluster = Slurm(folder)
        try:
            cluster.up()
            yield cluster
        finally:
            cluster.down()


@pytest.fixture
def slurm(slurm_cluster):
    """Everything up, the partition open and the queue empty, before the test and after it."""
    slurm_cluster.clear()
    yield slurm_cluster
    slurm_cluster.clear()


@pytest.fixture
def mounts():
    if not is_root():
        pytest.skip("needs root, to mount file systems")
    if own_namespace():
        pytest.skip(f"no file system can be mounted here: {own_namespace()}")
    made = Mounts()
    yield made
    made.close()


@pytest.fixture
def sampler():
    """sampler(instance, NAME, …) is a Sampler, to be used with `with`."""
    made = []

    def make(fc, *names):
        made.append(Sampler(fc, *names))
        return made[-1]

    yield make
    for one in made:
        one.stop()


@pytest.fixture(scope="session")
def user_systemd(users):
    """systemd as process 1 of a namespace, with a user manager for fcuser1. That user's home is the machine's: one
    run at a time has it, of whichever build."""
    with server_dir("systemd") as folder, open(f"/run/lock/flowcron-home-{users[0]}", "wb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        systemd = UserSystemd(TOOLS / "user-systemd", folder, users[0])
        try:
            systemd.up()
            yield systemd
        finally:
            systemd.down()


@pytest.fixture(scope="session")
def installed_home(user_systemd):
    folder = install_home(user_systemd)
    yield folder
    wipe(folder)
    user_systemd.systemctl("daemon-reload")


@pytest.fixture(scope="module")
def service_root():
    folder = make_root_dir()
    yield folder
    end_leftovers(folder)
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="module")
def service(service_root, user_systemd, installed_home):
    one = Service(service_root, user_systemd, installed_home)
    try:
        yield one.start()
    finally:
        one.close()
