# SPDX-License-Identifier: Apache-2.0
"""The power is cut at each crash point: what was not synced is gone, all of it or some."""

import itertools

import pytest

from campaign import campaign, references
from power import VARIANTS, PowerCut
from preload import library

# On these ways everything lies on one file system; the first is where most is to be lost.
TRIED = {"main": 3, "later": 1, "log": 1}


def passes(count, tried):
    """Which of so many passes are tried, from the first to the last but one."""
    return sorted({1 + i * (count - 1) // tried for i in range(tried)})


def cuts(reference, tried):
    """Each time all is lost, and another variant."""
    turn, seeds = itertools.cycle(list(VARIANTS)[1:]), itertools.count(1)
    return [PowerCut(point, n, variant, next(seeds))
            for point, count in sorted(reference.passed.items()) for n in passes(count, tried)
            for variant in ("nothing survives", next(turn))]


@pytest.mark.timeout(600)
def test_what_was_not_synced_is_gone():
    library("powerlog")
    known = references()
    cases = [(known[name], cut) for name, tried in TRIED.items()
             for cut in cuts(known[name], tried)]
    outcomes = campaign(cases)
    faults = [outcome.fault for outcome in outcomes if outcome.fault]
    assert not faults, f"{len(faults)} of {len(cases)}\n" + "\n\n".join(faults[:3])
    # How often a point is passed depends on how long things take; once it is.
    assert all(outcome.deaths for (_, cut), outcome in zip(cases, outcomes) if cut.n == 1)
    lost = sum(cut.lost for _, cut in cases)
    print(f"{len(cases)} power cuts, {lost} changes lost")
    # A trace that is empty, or a choice of nothing, would prove nothing.
    assert lost > len(cases)
