# SPDX-License-Identifier: Apache-2.0
"""The event log in hand: its files as bytes, and what may befall them."""

import json
import re
import zlib


def sealed(obj):
    """A line with its checksum, as flowcron-eventlog(5) has it."""
    text = json.dumps(obj, separators=(",", ":"), ensure_ascii=False).encode()[:-1]
    return text + b',"sum":"%08x"}\n' % zlib.crc32(text)


class Log:
    """files: name in events/ → bytes (or a str: where a link leads)."""

    def __init__(self, state):
        folder = state / "events"
        self.files = {str(path.relative_to(folder)): path.read_bytes()
                      for path in sorted(folder.rglob("*")) if path.is_file()}

    def segments(self):
        return sorted((name for name in self.files if name.startswith("log-")), key=lambda n: n.split("-")[2:])

    def checkpoints(self):
        return sorted((name for name in self.files if name.startswith("checkpoint-")), reverse=True)

    def events(self):
        for name in self.segments():
            for line in self.files[name].splitlines()[1:]:
                yield name, json.loads(line)

    def ids(self):
        return {event["name"]: event["id"] for _, event in self.events() if event["event"] == "uploaded"}

    def last(self):
        return max(event["seq"] for _, event in self.events())

    def find(self, name, kind, nth=0):
        """Segment and line (with newline) of the nth event of this kind of that Unit of Work."""
        uow = self.ids()[name]
        found = [(segment, line) for segment in self.segments() for line in self.files[segment].splitlines(True)
                 if b'"id":"%s"' % uow.encode() in line and b'"event":"%s"' % kind.encode() in line]
        return found[nth]

    def replace(self, name, kind, edit):
        segment, line = self.find(name, kind)
        self.files[segment] = self.files[segment].replace(line, edit(line))

    def reseal(self, name, kind, **members):
        self.replace(name, kind, lambda line: sealed({**{k: v for k, v in json.loads(line).items() if k != "sum"},
                                                      **members}))

    def cut_after(self, name, kind, nth=0):
        """As if the daemon had died just then."""
        segment, line = self.find(name, kind, nth)
        for later in self.segments()[self.segments().index(segment) + 1:]:
            del self.files[later]
        whole = self.files[segment]
        self.files[segment] = whole[:whole.index(line) + len(line)]

    def append(self, *events):
        name = self.segments()[-1]
        for event in events:
            self.files[name] += sealed({"seq": self.last() + 1, "time": "2026-12-01T00:00:00.000000Z", **event})

    def newer(self, name):
        header, rest = self.files[name].split(b"\n", 1)
        header = {k: v for k, v in json.loads(header).items() if k != "sum"}
        self.files[name] = sealed({**header, "format": 2, "version": "9.1"}) + rest

    def segment_with(self, number):
        """The segment whose first event is the newest up to this one."""
        return [name for name in self.segments() if int(re.match(r"log-(\d+)", name)[1]) <= number][-1]

    def write(self, folder):
        for name, content in self.files.items():
            path = folder / "events" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            if isinstance(content, str):
                path.symlink_to(content)
            else:
                path.write_bytes(content)
