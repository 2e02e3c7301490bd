# SPDX-License-Identifier: Apache-2.0
"""Clients of the control socket in numbers, slow ones, and such that vanish: whoever asks is
answered, work goes on, and of the others nothing stays."""

import json
import os
import resource
import socket

import pytest

from support.common import wait_until

CROWD = 1000


def connect(fc, timeout=20):
    client = socket.socket(socket.AF_UNIX)
    client.settimeout(timeout)
    client.connect(str(next(fc.home.runtime.rglob(f"{fc.name}.sock"))))
    return client


def frame(method, **more):
    return json.dumps({"method": f"org.flowcron.Control.{method}", **more}).encode() + b"\0"


QUESTION = frame("List", parameters={}) * 50
# What a client says, and then no more, nor does it read: the longer list comes around.
MANNERS = {"silent": b"", "half a question": QUESTION[:20], "never reads": QUESTION,
           "watches and never reads": frame("Watch", more=True)}


@pytest.fixture
def many_files():
    """A thousand connections need as many descriptors of ours."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard < 2 * CROWD:
        pytest.skip(f"no more than {hard} descriptors to be had")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, 2 * CROWD), hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def descriptors(fc):
    return len(os.listdir(f"/proc/{fc.process.pid}/fd"))


def crowd(fc, manners):
    """CROWD connections at once, as far as they are let in; each behaves like that."""
    path, clients = str(next(fc.home.runtime.rglob(f"{fc.name}.sock"))), []
    for _ in range(CROWD):
        client = socket.socket(socket.AF_UNIX)
        clients.append(client)
        client.connect(path)  # waits where the queue of the socket is full
        client.setblocking(False)
        try:
            client.send(manners)
        except (BlockingIOError, BrokenPipeError, ConnectionResetError):
            pass  # made room for another one already
    return clients


@pytest.mark.usefixtures("many_files")
def test_a_thousand_connections(instance):
    fc = instance().start()
    fc.upload("first")
    fc.wait_finished("first")
    before, pid = descriptors(fc), fc.process.pid
    for i, (how, manners) in enumerate(MANNERS.items()):
        clients = crowd(fc, manners)
        # While they are all there: a person asks, orders, and work is done.
        assert fc.ctl("status").code == 0, how
        assert fc.show("first")["outcome"] == "succeeded", how
        fc.upload(f"uow{i}")
        fc.wait_finished(f"uow{i}")
        assert fc.ctl("purge", "--yes", f"uow{i}").code == 0, how
        for client in clients:
            client.close()
        wait_until(lambda: descriptors(fc) <= before, lambda: f"{how}: {descriptors(fc)}")
    assert fc.process.pid == pid and fc.ctl("status").data["attention"] == []


def test_clients_that_vanish(instance):
    """After a part of the question, after all of it, or in the middle of the answer."""
    fc = instance().start()
    for i in range(3):
        fc.upload(f"uow{i}", commands="exit 1")
    for i in range(3):
        fc.wait_finished(f"uow{i}", "failed")
    before = descriptors(fc)
    retry = frame("Retry", parameters={"uow": "uow0"})
    for end in range(1, len(retry) + 1, 7):
        connect(fc).sendall(retry[:end])
    for data in (QUESTION, frame("Watch", more=True)):
        with connect(fc) as client:
            client.sendall(data)
            assert client.recv(10)
    assert fc.show("uow0")["attempt"] == 1, "half an order is none"
    connect(fc).sendall(retry)
    wait_until(lambda: fc.show("uow0")["attempt"] == 2, fc.trouble)
    fc.wait_finished("uow0", "failed")
    wait_until(lambda: descriptors(fc) <= before, lambda: descriptors(fc))


def test_a_slow_client(instance):
    """A question that comes a byte at a time, and an answer that is read so, are what they are."""
    fc = instance().start()
    fc.upload("uow")
    fc.wait_finished("uow")
    with connect(fc) as client:
        for byte in frame("Show", parameters={"uow": "uow"}):
            client.sendall(bytes([byte]))
        answer = b""
        while not answer.endswith(b"\0"):
            assert fc.running()
            answer += client.recv(1)
    assert json.loads(answer[:-1])["parameters"]["uow"]["outcome"] == "succeeded"
