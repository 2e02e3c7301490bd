# SPDX-License-Identifier: Apache-2.0
"""Every kept state folder is read as its expected.json says: by a reader, by a daemon that starts, and by one that starts again. Nothing is ever submitted."""

import pytest

from fixture import HERE, cases, expected, placed


def test_there_are_some():
    assert len(cases()) > 20


@pytest.mark.timeout(120)
@pytest.mark.parametrize("case", cases(), ids=lambda case: str(case.relative_to(HERE)))
def test_kept_state(case):
    wanted = expected(case)
    with placed(case / "flowcron") as place:
        before = place.events()
        read = place.read()
        assert read["exit"] == wanted["reader"]["exit"], read
        assert read["uows"] == wanted["reader"]["uows"]
        for word in wanted["reader"]["words"]:
            assert word in read["words"]
        assert place.events() == before, "a reader only reads"

        started = place.start()
        assert started["exit"] == wanted["daemon"]["exit"], started
        for word in wanted["daemon"]["words"]:
            assert word in started["words"], started["words"]
        for word in wanted["daemon"]["never"]:
            assert word not in started["words"], started["words"]
        after = place.events()
        # A daemon writes on in a segment of its own; one that refuses touches nothing.
        assert {name: after.get(name) for name in before} == before
        if wanted["daemon"]["exit"]:
            assert after == before
        rest = place.come_to_rest(wanted["daemon"]["uows"])
        assert rest == wanted["daemon"]["uows"]

        assert place.start()["exit"] == started["exit"]
        assert place.read()["uows"] == rest, "another start finds the same"
        assert place.standin.submissions() == []
