# SPDX-License-Identifier: Apache-2.0
"""Watches without pause where UoWs are, as a flow does: see test/tools/sampler.c."""

import json
import subprocess

from .common import BUILD, TOOLS
from .units import as_bytes

PLACES = ("uploaded", "work", "analysed", "failed")


def sampler_program(folder):
    """The sampler of the build, or one made here."""
    built = BUILD / "sampler"
    source = TOOLS / "sampler.c"
    if built.exists() and built.stat().st_mtime >= source.stat().st_mtime:
        return built
    program = folder / "sampler"
    if not program.exists():
        subprocess.run(["cc", "-std=c11", "-O2", "-o", program, source], check=True)
    return program


class Seen:
    """What was seen of one UoW: passes, trail (the folders it was in, in order) and how often it
    was nowhere, and in a result folder with sentinels or without a report."""

    def __init__(self, name, values):
        self.name = name
        self.passes = values["passes"]
        self.trail = values["trail"]
        self.nowhere = values["nowhere"]
        self.sentinels = values["sentinels"]
        self.no_report = values["no_report"]

    def check(self, end=None):
        """Asserts that a flow would have been content; `end`: the folder it must end in."""
        text = f"{self.name!r}: {vars(self)}"
        assert self.passes > 0, f"never seen; {text}"
        assert self.nowhere == self.sentinels == self.no_report == 0, text
        order = [PLACES.index(place) for place in self.trail if place in PLACES]
        assert order == sorted(order), f"moved backward; {text}"
        assert end is None or self.trail[-1] == end, text


class Sampler:
    """with Sampler(instance, name, …) as s: …; then s[name].check("analysed")."""

    def __init__(self, instance, *names):
        self.names = names
        folders = (instance.uploaded, instance.work, instance.analysed, instance.failed)
        argv = [sampler_program(instance.root), *folders, *map(as_bytes, names)]
        # pylint: disable-next=consider-using-with
        self.process = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert self.process.stdout.readline() == b"ready\n", "the sampler did not start"
        self.seen = None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()

    def stop(self):
        if self.seen is None:
            self.process.terminate()
            out = self.process.communicate()[0]
            self.seen = {as_bytes(n): Seen(n, v) for n, v in zip(self.names, json.loads(out))}
        return self.seen

    def __getitem__(self, name):
        return self.stop()[as_bytes(name)]
