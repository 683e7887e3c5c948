"""A rule is asked once about what it finds right, and each time about the rest."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from procorch.kinds.podspec import judged
from procorch.kinds.podspec.judged import once
from procorch.kinds.podspec.validation import validate_spec


class Rule:
    """No field may be called `bad`; counts how often it was asked."""

    def __init__(self) -> None:
        self.asked = 0
        self.judge = once(self._judge)

    def _judge(self, value: Any, path: str, *, strict: bool = False) -> Iterator[str]:
        self.asked += 1
        if "bad" in value:
            yield f"{path}.bad"
        if strict and "odd" in value:
            yield f"{path}.odd"


def test_what_is_right_is_judged_once() -> None:
    rule = Rule()

    found = [list(rule.judge({"good": [1, {"a": "b"}]}, "spec")) for _ in range(3)]

    assert found == [[], [], []]
    assert rule.asked == 1


def test_what_is_wrong_is_told_each_time() -> None:
    rule = Rule()

    assert [list(rule.judge({"bad": 1}, "spec")) for _ in range(2)] == [["spec.bad"], ["spec.bad"]]


def test_each_argument_counts() -> None:
    rule = Rule()
    assert not list(rule.judge({"odd": 1}, "spec"))

    assert list(rule.judge({"odd": 1}, "spec", strict=True)) == ["spec.odd"]
    assert list(rule.judge({"odd": 1, "bad": 1}, "spec")) == ["spec.bad"]
    assert not list(rule.judge({"odd": 1}, "other"))
    assert rule.asked == 4


@pytest.mark.parametrize(("one", "other"), [(1, True), (1, "1"), (1, 1.0), (None, "null"), ([], {}), ("", None)])
def test_values_that_python_or_people_confuse_are_two(one: Any, other: Any) -> None:
    rule = Rule()

    for value in (one, other, one):
        list(rule.judge({"x": value}, "spec"))

    assert rule.asked == 2


def test_who_stopped_reading_has_not_found_it_right() -> None:
    rule = Rule()
    next(rule.judge({"bad": 1}, "spec"))

    assert list(rule.judge({"bad": 1}, "spec")) == ["spec.bad"]


def test_what_is_no_json_is_judged_each_time() -> None:
    rule = Rule()

    for _ in range(2):
        list(rule.judge({"x": "\ud800"}, "spec"))
        list(rule.judge({1: 2}, "spec"))

    assert rule.asked == 4


def test_it_forgets_the_oldest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(judged, "MOST", 2)
    rule = Rule()
    for number in (1, 2, 3):
        list(rule.judge({"x": number}, "spec"))

    list(rule.judge({"x": 3}, "spec"))
    assert rule.asked == 3
    list(rule.judge({"x": 1}, "spec"))
    assert rule.asked == 4


def test_a_specification_that_was_changed_in_place_is_another() -> None:
    spec: dict[str, Any] = {
        "containers": [{"name": "a", "image": "b", "terminationMessagePolicy": "File", "imagePullPolicy": "Always"}],
        "restartPolicy": "Always", "dnsPolicy": "Default", "terminationGracePeriodSeconds": 30,
    }  # fmt: skip
    assert not list(validate_spec(spec, "spec", pod="web"))

    spec["containers"][0]["name"] = "A"
    assert [cause.field for cause in validate_spec(spec, "spec", pod="web")] == ["spec.containers[0].name"]
