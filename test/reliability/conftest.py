# SPDX-License-Identifier: Apache-2.0
"""Tests of the one promise: whatever dies, nothing is lost, run twice or filed wrongly.

They need a build with -DFLOWCRON_CRASH_POINTS=ON, in the folder that FLOWCRON_TEST_BUILD names."""

import os
import pathlib
import sys

# Hundreds of worlds share the machine.
os.environ.setdefault("FLOWCRON_TEST_DEADLINE", "180")

HERE = pathlib.Path(__file__).resolve().parent
for folder in (HERE, HERE.parent / "integration"):
    sys.path.insert(0, str(folder))
