# SPDX-License-Identifier: Apache-2.0
"""A base folder with a past: finished Units of Work in the log, their folders in AnalysedFiles."""

import json
import os
import subprocess
import time

from .common import program


def make(instance, n):
    """Returns what bench-replay measured on the way."""
    done = subprocess.run([program("bench-replay"), instance.base / ".flowcron", str(n)],
                          check=True, stdout=subprocess.PIPE)
    for i in range(n):
        os.mkdir(f"{instance.analysed}/tomogram_{i}")
    os.sync()
    return json.loads(done.stdout)


def json_loads(instance, pattern):
    """Seconds that Python's json.loads needs for the same lines, and how many they are."""
    lines = []
    for path in sorted((instance.base / ".flowcron/events").glob(pattern)):
        lines += path.read_bytes().splitlines()
    began = time.perf_counter()
    for line in lines:
        json.loads(line)
    return time.perf_counter() - began, len(lines)
