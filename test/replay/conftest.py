# SPDX-License-Identifier: Apache-2.0
"""State folders that are kept, and what is made of them."""

import pathlib
import sys

HERE = pathlib.Path(__file__).resolve().parent
for folder in (HERE, HERE.parent / "integration"):
    sys.path.insert(0, str(folder))
