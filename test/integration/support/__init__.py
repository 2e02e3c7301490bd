# SPDX-License-Identifier: Apache-2.0
"""What the integration tests stand on. Tests meet it as fixtures: see ../conftest.py."""
