# SPDX-License-Identifier: Apache-2.0
"""Death at each named point of each way, and the same result as if nothing had died."""

import functools

import pytest

from campaign import campaign, points_in_source, references
from ways import WAYS


@functools.lru_cache(None)
def outcomes():
    """(way, kind) → outcomes. All at once, as what each does is mostly to wait."""
    cases, seen = [], set()
    for name, reference in references().items():
        cases += [(name, "once", reference, case) for case in reference.first_deaths()]
        # Chains begin at the points that no way before this one has.
        cases += [(name, "again", reference, case)
                  for case in reference.chains(set(reference.passed) - seen)]
        seen |= set(reference.passed)
    found = {}
    for (name, kind, *_), outcome in zip(cases, campaign(case[2:] for case in cases)):
        found.setdefault((name, kind), []).append(outcome)
    return found


def check(results):
    faults = [outcome.fault for outcome in results if outcome.fault]
    assert not faults, f"{len(faults)} of {len(results)}\n" + "\n\n".join(faults[:3])
    assert results and all(outcome.deaths for outcome in results), "some have not died at all"


@pytest.mark.timeout(600)
@pytest.mark.parametrize("name", WAYS)
def test_the_next_start_is_clean(name):
    """Death at the first pass of each point."""
    check(outcomes()[name, "once"])


@pytest.mark.parametrize("name", WAYS)
def test_dying_again_and_again(name):
    """Death at a point, then at the first that is passed afterwards, the second, the third …"""
    check(outcomes()[name, "again"])


def test_every_point_is_tried():
    """A new point that no way leads to, so that nothing ever dies at it, is found here."""
    for kind in ("once", "again"):
        deaths = [len(outcome.deaths) for name in WAYS for outcome in outcomes()[name, kind]]
        print(f"{kind}: {len(deaths)} worlds, {sum(deaths)} deaths")
    tried = {point for results in outcomes().values() for outcome in results
             for point in outcome.deaths}
    assert points_in_source() - tried == set()
