# SPDX-License-Identifier: Apache-2.0
"""What test/bench/run measures, one module a figure."""
