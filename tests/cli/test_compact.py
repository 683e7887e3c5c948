"""`procorch compact`: the past goes when it is told to."""

from __future__ import annotations

import re


def test_all_but_the_present_goes_and_then_there_is_nothing_to_do(procorch, pod):
    procorch.server.create(pod("a"), pod("b"))
    newest = procorch.server.api.log.revision
    first, second = procorch("compact"), procorch("compact")

    assert first == f"the past begins at revision {newest} (before: 0), now is {newest}\n"
    assert second == f"nothing to do: the past begins at revision {newest}\n"


def test_up_to_a_revision_or_a_time(procorch, pod):
    procorch.server.create(pod("a"), pod("b"))

    assert procorch("compact", "--keep", "1h").startswith("nothing to do")
    assert re.match(r"the past begins at revision 3 ", procorch("compact", "--revision", "3"))
    assert procorch.server.api.log.oldest == 3


def test_what_makes_no_sense_is_refused(procorch):
    both = procorch.run("compact", "--revision", "3", "--keep", "1h")
    future = procorch.run("compact", "--revision", "99999")
    wrong = procorch.run("compact", "--keep", "soon")

    assert (both.exit_code, future.exit_code, wrong.exit_code) == (2, 1, 2)
    assert "in the future" in future.stderr
    assert "write 90s, 30m" in wrong.stderr
