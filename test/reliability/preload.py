# SPDX-License-Identifier: Apache-2.0
"""Libraries for LD_PRELOAD, made from test/tools/NAME.c."""

import functools
import subprocess

from support.common import BUILD, TOOLS


@functools.lru_cache(None)
def library(name):
    path = BUILD / f"{name}.so"
    subprocess.run(["cc", "-std=gnu11", "-O2", "-Wall", "-Wextra", "-Werror", "-D_GNU_SOURCE",
                    "-U_FORTIFY_SOURCE", "-shared", "-fPIC", "-o", path, TOOLS / f"{name}.c",
                    "-ldl"], check=True)
    return str(path)
