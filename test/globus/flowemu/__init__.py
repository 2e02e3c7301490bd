# SPDX-License-Identifier: Apache-2.0
"""An emulator of Globus Flows for tests; see ../README.md."""

from .definition import DefinitionError, check_definition
from .engine import Emulator, Run
from .expressions import Expression, ExpressionError
from .faults import Answer, Fail, Pause, Retry, Slow, Stuck, Unable
from .files import Collection
from .inputs import InputError

__all__ = ["Answer", "Collection", "DefinitionError", "Emulator", "Expression", "ExpressionError",
           "Fail", "InputError", "Pause", "Retry", "Run", "Slow", "Stuck", "Unable",
           "check_definition"]
