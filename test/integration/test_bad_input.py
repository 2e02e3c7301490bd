# SPDX-License-Identifier: Apache-2.0
"""Wrong configurations, wrong orders, wrong bytes on the socket, wrong people at it: each is
answered as documented, and nothing else changes."""

import json
import os
import re
import shutil
import signal
import socket
import subprocess

import pytest

from support.common import as_user, program, wait_until
from support.units import make_uow, script

# name: (text, line, column (0: not told), words)
FAULTS = {
    "unknown key": ("base: {base}\nscheduler:\n  acount: x\n", 3, 3, ["acount"]),
    "unknown section": ("base: {base}\nschedular: {{}}\n", 2, 1, ["schedular"]),
    "wrong type": ("base: {base}\nuow: {{add_timestamp: maybe}}\n", 2, 22, ["add_timestamp"]),
    "list for a text": ("base: {base}\nscheduler: {{account: [a]}}\n", 2, 0, ["account"]),
    "text for a section": ("base: {base}\nscheduler: slurm\n", 2, 0, ["scheduler"]),
    "out of range": ("base: {base}\nscheduler: {{poll_interval: 10ms}}\n", 2, 0,
                     ["poll_interval"]),
    "below the least": ("base: {base}\nwatch: {{rescan_interval: 0}}\n", 2, 0,
                        ["rescan_interval"]),
    "negative": ("base: {base}\nscheduler: {{max_queued: -1}}\n", 2, 0, ["max_queued"]),
    "no unit": ("base: {base}\nretention: {{logs: 7 fortnights}}\n", 2, 0, ["logs"]),
    "a word it does not know": ("base: {base}\nwatch: {{mode: sometimes}}\n", 2, 0,
                                ["inotify", "poll"]),
    "the same key twice": ("base: {base}\nbase: {base}\n", 2, 1, ["base"]),
    "relative base": ("base: here\n", 1, 7, ["base"]),
    "no base": ("uow: {{script: x.sh}}\n", 0, 0, ["base"]),
    "empty": ("", 0, 0, ["no settings"]),
    "not YAML": ("base: [\n", 0, 0, []),
    "tab": ("base: {base}\nuow:\n\tscript: x\n", 3, 0, []),
    "script with a path": ("base: {base}\nuow: {{script: ../x.sh}}\n", 2, 0, ["script"]),
    "a list as document": ("- base: {base}\n", 1, 0, []),
}


def flowcrond(fc, *args, **env):
    return subprocess.run(as_user(fc.user, [program("flowcrond"), *args]), cwd="/", env=fc.env(**env),
                          stdin=subprocess.DEVNULL, capture_output=True, text=True,
                          errors="replace", timeout=60, check=False)


def check(fc):
    return flowcrond(fc, "--config", fc.config_file, "--check-config")


# ---- the configuration ----

@pytest.mark.parametrize("fault", FAULTS)
def test_faults_in_the_configuration(instance, fault):
    text, line, column, words = FAULTS[fault]
    fc = instance()
    good = fc.config_file.read_text()
    fc.config_file.write_text(text.format(base=fc.base))
    done = check(fc)
    assert done.returncode == 78, done
    assert str(fc.config_file) in done.stderr
    where = re.search(re.escape(str(fc.config_file)) + r":(\d+)(?::(\d+))?", done.stderr)
    if line:
        assert where and int(where.group(1)) == line, done.stderr
    if column:
        assert where.group(2) and int(where.group(2)) == column, done.stderr
    for word in words:
        assert word in done.stderr
    assert flowcrond(fc, "--config", fc.config_file).returncode == 78
    assert fc.once() == 78
    assert fc.ctl("status", parse=False).code == 1
    assert os.listdir(fc.base) == [], "nothing was made of it"
    fc.config_file.write_text(good)
    assert check(fc).returncode == 0


def test_no_configuration(instance):
    fc = instance()
    assert flowcrond(fc, "--config", fc.root / "nowhere.yaml").returncode == 78
    assert flowcrond(fc, "-i", "nowhere").returncode == 78
    assert flowcrond(fc, "--config", fc.root).returncode == 78
    fc.config_file.write_bytes(b"\xff\xfe\x00base\x00" * 100)
    assert check(fc).returncode == 78
    fc.config_file.write_text("base: " + "x" * 5_000_000)
    assert check(fc).returncode == 78


def test_base_that_is_not_there(instance):
    fc = instance()
    shutil.rmtree(fc.base)
    done = flowcrond(fc, "--config", fc.config_file)
    assert done.returncode in (1, 78) and str(fc.base) in done.stderr
    assert not fc.base.exists()
    fc.base.write_text("a file")
    done = flowcrond(fc, "--config", fc.config_file)
    assert done.returncode in (1, 78) and str(fc.base) in done.stderr
    fc.base.unlink()


def test_usage(instance):
    fc = instance()
    for args in (["--nonsense"], ["extra"], ["-i"], ["-i", "a/b"], ["-i", "x", "--config", "y"],
                 ["-i", ""]):
        done = flowcrond(fc, *args)
        assert done.returncode == 2, f"{args} {done}"
        assert done.stderr
    done = flowcrond(fc, "--version")
    assert done.returncode == 0 and re.match(r"flowcrond \d+\.\d+", done.stdout)
    assert "--once" in flowcrond(fc, "--help").stdout


def test_reload_with_a_fault_keeps_the_old_one(instance):
    fc = instance(config={"uow": {"script": "first.sh"}}).start()
    fc.config_file.write_text(fc.config_file.read_text() + "nonsense: 1\n")
    answer = fc.ctl("reload")
    assert answer.code == 1 and answer.data["error"] == "config"
    assert "nonsense" in answer.data["message"]
    assert re.search(r"\.yaml:\d+:1", answer.data["message"])
    attention = fc.ctl("status").data["attention"]
    assert any("nonsense" in a["what"] for a in attention)
    fc.signal(signal.SIGHUP)
    wait_until(lambda: fc.stderr_text().count("the one in force is kept") >= 2, fc.trouble)
    fc.upload("uow", {"scripts/first.sh": script("echo first")}, commands="echo second")
    fc.wait_finished("uow")
    assert fc.job_output("uow") == "first\n"
    # A start would not do.
    fc.stop()
    assert flowcrond(fc, "--config", fc.config_file).returncode == 78
    fc.configure()
    fc.start()
    assert fc.ctl("status").data["attention"] == []


def test_what_only_a_restart_changes(instance):
    fc = instance().start()
    other = fc.root / "other"
    other.mkdir()
    fc.configure({"base": str(other)})
    answer = fc.ctl("reload")
    assert answer.code == 3 and f"serves {fc.base}, not {other}" in answer.data["message"]
    for change in ({"paths": {"uploaded": "Elsewhere"}}, {"scheduler": {"type": "slurm"}}):
        fc.configure(change)
        answer = fc.ctl("reload")
        assert answer.code == 1 and "restart" in answer.data["message"]
    fc.configure({"watch": {"mode": "poll"}, "scheduler": {"slots": 1}})
    assert fc.ctl("reload").code == 0
    assert fc.ctl("status").data["watch"]["mode"] == "poll"
    assert fc.ctl("status").data["attention"] == []
    fc.upload("uow")
    fc.wait_finished("uow")
    assert os.listdir(other) == []


# ---- flowcronctl ----

def test_exit_codes(instance, root_dir):
    fc = instance().start()
    assert fc.ctl("version").code == 0
    assert fc.ctl("status").code == 0
    assert fc.ctl("list").data == []
    assert fc.ctl("show", "nobody").code == 4
    assert fc.ctl("history", "nobody").data["error"] == "not-found"
    for args in ((), ("nonsense",), ("show",), ("show", "a", "--nonsense"), ("status", "a", "b"),
                 ("list", "extra"), ("--config",), ("-i", "a/b", "status"), ("validate",),
                 ("submit",), ("retry",), ("history",), ("list", "--state", "nowhere")):
        answer = fc.ctl(*args, parse=False, config=args[:1] not in (("-i",), ("--config",)))
        assert answer.code == 2, f"{args} {answer}"
        assert answer.err
    assert fc.ctl("--help", parse=False).code == 0
    for order in ("retry", "purge", "submit", "watch", "list"):
        answer = fc.ctl(order, "--help", parse=False)
        assert answer.code == 0 and answer.out.startswith(f"usage: flowcronctl {order}")
    assert fc.ctl("status", config=False, parse=False).code == 1, "no instance default here"
    # --json before or after the order.
    assert fc.ctl("show", "nobody", "--json", parse=False).out.startswith("{")
    good = make_uow(root_dir, "good", sentinel=False).decode()
    bad = make_uow(root_dir, "bad", commands="cd $HOME", sentinel=False).decode()
    failing = make_uow(root_dir, "failing", commands="exit 1", sentinel=False).decode()
    assert fc.ctl("validate", good).code == 0
    assert fc.ctl("validate", bad).code == 1
    assert fc.ctl("validate", good, bad).code == 1
    assert fc.ctl("validate", "/nowhere").code in (1, 4)
    assert fc.ctl("submit", "--wait", good).code == 0
    assert fc.ctl("submit", "--wait", failing).code == 1
    assert fc.ctl("submit", "--wait", bad).code == 1
    assert fc.ctl("submit", "/nowhere").code == 1
    assert fc.show("good")["outcome"] == "succeeded"
    assert fc.show("failing")["outcome"] == "failed"
    assert not os.path.exists(os.path.join(good, "sentinels")), "what is given is left as it is"
    fc.stop()
    for order in ("watch", "reload"):
        assert fc.ctl(order).code == 3, order
    for args in (("status",), ("list",), ("show", "good"), ("history", "good")):
        answer = fc.ctl(*args)
        assert answer.code == 0, answer
        assert fc.ctl(*args, parse=False).err, "that it is from disk is said"
    assert fc.ctl("submit", good).code == 0
    assert fc.where("good")[0] == "uploaded" or len(fc.folders()["uploaded"]) == 1


def test_watch_tells_changes(instance):
    fc = instance().start()
    argv = [program("flowcronctl"), "--config", fc.config_file, "--json", "watch"]
    with open(fc.root / "watched", "w+", encoding="utf-8") as out:
        # pylint: disable-next=consider-using-with
        watch = subprocess.Popen(argv, cwd="/", env=fc.env(), stdout=out)
    try:
        def told():
            name = f"uow{len(fc.list())}"
            fc.upload(name)
            fc.wait_finished(name)
            return (fc.root / "watched").read_text()
        wait_until(told, "the first change to be told")
        fc.upload("last", commands="exit 3")
        fc.wait_finished("last", "failed")

        def changes():
            lines = (fc.root / "watched").read_text().splitlines(keepends=True)
            parts = [json.loads(line) for line in lines if line.endswith("\n")]
            return [p["event"]["event"] for p in parts if p["uow"]["name"] == "last"]
        wait_until(lambda: changes()[-1:] == ["finished"], changes)
        names = fc.event_names("last")
        assert changes() == names
        fc.stop()
        assert watch.wait(30) == 3
    finally:
        watch.kill()
        watch.wait()


# ---- the socket ----

def connect(fc, timeout=20):
    client = socket.socket(socket.AF_UNIX)
    client.settimeout(timeout)
    client.connect(str(next(fc.home.runtime.rglob(f"{fc.name}.sock"))))
    return client


def read_frame(client):
    data = b""
    while not data.endswith(b"\0"):
        more = client.recv(65536)
        if not more:
            return None
        data += more
    return json.loads(data[:-1])


def call(client, method, parameters=None, **more):
    message = {"method": method, **more}
    if parameters is not None:
        message["parameters"] = parameters
    client.sendall(json.dumps(message).encode() + b"\0")
    return read_frame(client)


NO_CALLS = {
    "not JSON": b"hello\0",
    "HTTP": b"GET / HTTP/1.1\r\nHost: x\r\n\r\n\0",
    "an array": b"[]\0",
    "no method": b"{}\0",
    "method is a number": b'{"method": 7}\0',
    "empty frame": b"\0",
    "many empty frames": b"\0" * 1000,
    "invalid UTF-8": b'{"method": "\xff\xfe"}\0',
    "deep": b"[" * 100_000 + b"\0",
    "deep objects": b'{"a":' * 50_000 + b"\0",
    "too long": b'{"method": "' + b"x" * 1_100_000,
    "too long for ever": b"x" * 3_000_000,
    "half a frame": b'{"method": "org.flowcron',
}


def test_garbage_on_the_socket(instance):
    fc = instance().start()
    clients = []
    for what, data in NO_CALLS.items():
        client = connect(fc)
        clients.append(client)
        try:
            client.sendall(data)
        except (BrokenPipeError, ConnectionResetError):
            continue
        if what == "half a frame":
            continue  # it may still come
        try:
            frame = read_frame(client)
        except ConnectionResetError:
            frame = None
        assert frame is None or "error" in frame, f"{what}: {frame}"
        # Meanwhile others are answered.
        assert fc.ctl("status").code == 0, what
    for client in clients:
        client.close()
    fc.upload("uow")
    fc.wait_finished("uow")


def test_wrong_calls(instance):
    fc = instance().start()
    fc.upload("uow")
    fc.wait_finished("uow")
    with connect(fc) as client:
        for method, parameters, error in (
                ("org.flowcron.Control.Explode", None, "MethodNotFound"),
                ("org.nowhere.Show", None, "InterfaceNotFound"),
                ("nonsense", None, None),
                ("org.flowcron.Control.Show", None, "InvalidParameter"),
                ("org.flowcron.Control.Show", {}, "InvalidParameter"),
                ("org.flowcron.Control.Show", {"uow": 7}, "InvalidParameter"),
                ("org.flowcron.Control.Show", {"uow": "uow", "extra": 1}, "InvalidParameter"),
                ("org.flowcron.Control.Show", {"uow": "nobody"}, "NotFound"),
                ("org.flowcron.Control.Restore", {"uow": "uow"}, "WrongState"),
                ("org.flowcron.Control.List", {"state": "nowhere"}, "InvalidParameter"),
                ("org.flowcron.Control.Watch", None, None)):
            reply = call(client, method, parameters)
            assert reply and "error" in reply, f"{method} {parameters}: {reply}"
            assert error is None or reply["error"].endswith(error), reply
        # The connection bears it all.
        assert call(client, "org.flowcron.Control.Show", {"uow": "uow"})["parameters"]["uow"][
            "outcome"] == "succeeded"
        info = call(client, "org.varlink.service.GetInfo")
        assert "org.flowcron.Control" in info["parameters"]["interfaces"]


def test_many_clients_and_slow_ones(instance):
    """Some hundred that ask and never read, or connect and never ask: the others are served."""
    fc = instance().start()
    for i in range(3):
        fc.upload(f"uow{i}")
    for i in range(3):
        fc.wait_finished(f"uow{i}")
    question = json.dumps({"method": "org.flowcron.Control.List", "parameters": {}}).encode() + b"\0"
    watch = json.dumps({"method": "org.flowcron.Control.Watch", "more": True}).encode() + b"\0"
    clients = []
    for i in range(150):
        try:
            client = connect(fc, timeout=0.1)
            clients.append(client)
            client.sendall(watch if i % 3 == 0 else question * 200 if i % 3 == 1 else b"")
        except OSError:
            pass  # as many as it takes
    assert fc.ctl("show", "uow1").data["outcome"] == "succeeded"
    fc.upload("later")
    fc.wait_finished("later")
    for client in clients:
        client.close()
    assert fc.ctl("status").code == 0


def test_a_client_that_leaves_in_the_middle(instance):
    fc = instance().start()
    fc.upload("uow", commands="exit 1")
    fc.wait_finished("uow", "failed")
    for _ in range(20):
        with connect(fc) as client:
            client.sendall(json.dumps({"method": "org.flowcron.Control.Retry",
                                       "parameters": {"uow": "uow"}}).encode() + b"\0")
        # Gone before the answer: the order counts all the same.
        wait_until(lambda: fc.show("uow")["state"] == "finished"
                   and fc.show("uow")["attempt"] > 1, fc.trouble)
        break
    assert fc.show("uow")["attempt"] == 2


def test_another_user_at_the_socket(instance, users):
    fc = instance(user=users[0]).start()
    fc.upload("mine", commands="exit 1")
    fc.wait_finished("mine", "failed")
    path = next(fc.home.runtime.rglob("test.sock"))
    assert path.stat().st_mode & 0o777 == 0o600
    # Even where the way to it is open, the peer is looked at.
    for folder in (fc.home.runtime, path.parent):
        folder.chmod(0o755)
    path.chmod(0o666)
    code = ("import json, socket, sys\n"
            "s = socket.socket(socket.AF_UNIX); s.settimeout(20); s.connect(sys.argv[1])\n"
            "try:\n"
            "    s.sendall(json.dumps({'method': 'org.flowcron.Control.Purge', 'parameters':"
            " {'uow': 'mine'}}).encode() + b'\\0')\n"
            "    print(s.recv(65536))\n"
            "except (BrokenPipeError, ConnectionResetError):\n"
            "    print(b'')\n")
    done = subprocess.run(as_user(users[1], ["/usr/bin/python3", "-c", code, str(path)]), check=True,
                          capture_output=True, text=True)
    assert done.stdout.strip() == "b''" or "PermissionDenied" in done.stdout, done.stdout
    assert fc.show("mine")["state"] == "finished"
    # root is let in.
    assert fc.ctl("show", "mine", user="root").code == 0


def test_socket_path_that_is_taken(instance):
    """A file in its place is not removed; one that a dead daemon left is."""
    fc = instance()
    (fc.home.runtime / "flowcron").mkdir(mode=0o700)
    place = fc.home.runtime / "flowcron/test.sock"
    place.write_text("precious")
    fc.start(wait=False)
    assert fc.wait_exit() == 1
    assert place.read_text() == "precious" and str(place.name) in fc.stderr_text()
    place.unlink()
    fc.start()
    fc.kill()
    assert place.exists()
    fc.start()
    assert fc.ctl("status").data["daemon"]["running"] is True
    fc.stop()
    assert not place.exists()


def test_socket_in_another_place(instance, root_dir):
    fc = instance().start("--socket", str(root_dir / "own.sock"))
    assert fc.ctl("status", FLOWCRON_SOCKET=root_dir / "own.sock").data["daemon"]["running"] is True
    assert fc.ctl("reload").code == 3
    fc.stop()
    fc.start(FLOWCRON_SOCKET=root_dir / "env.sock")
    assert fc.ctl("reload", FLOWCRON_SOCKET=root_dir / "env.sock").code == 0
    fc.stop()
    fc.start(XDG_RUNTIME_DIR=root_dir / ("long" * 40))
    assert fc.ctl("reload", XDG_RUNTIME_DIR=root_dir / ("long" * 40)).code == 0


