"""How a page becomes lines."""

from __future__ import annotations

import pytest

from cli.descriptions.page import Grid, Noted, Text, lines, moment, pairs


@pytest.mark.parametrize(
    ("page", "text"),
    [
        pytest.param({"A": "1", "Longer": "2"}, "A:       1\nLonger:  2", id="values stand in one column"),
        pytest.param({"A": None, "B": ""}, "B:", id="None is left out, an empty text is not"),
        pytest.param({"A": ["1", "2"], "B": []}, "A:  1\n    2\nB:  <none>", id="several values below each other"),
        pytest.param({"A": {"B": {"C": "1"}}}, "A:\n  B:\n    C:  1", id="pages in pages"),
        pytest.param({"A": Text(["x", " y"])}, "A:\n  x\n   y", id="lines as they are"),
        pytest.param({"A": Noted("on", {"B": "1"})}, "A:  on\n  B:  1", id="a value with more below"),
        pytest.param({"A": Grid(("X", "Y"), [])}, "A:  <none>", id="a table without rows"),
        pytest.param({"A": Grid(("X", "Yy"), [("long", "1")])}, "A:\n  X     Yy\n  -     --\n  long  1", id="a table"),
    ],
)
def test_a_page_becomes_lines(page, text):
    assert "\n".join(lines(page)) == text


def test_pairs_are_sorted_in_one_line_each_and_not_endless():
    assert pairs({"b": "x\ny", "a": ""}) == ["a=", "b=x y"]
    assert pairs(None) == []
    assert len(pairs({"a": "x" * 500})[0]) == 142


def test_times_are_told_as_kubectl_tells_them():
    assert moment("2026-11-23T20:50:29Z") == "Mon, 23 Nov 2026 20:50:29 +0000"
    assert moment(None) == "<unset>"
