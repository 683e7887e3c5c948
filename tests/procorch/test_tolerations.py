"""Which toleration allows which taint."""

from __future__ import annotations

import pytest

from procorch.objects import Object
from procorch.tolerations import tolerates, untolerated

TAINT = {"key": "k", "value": "5", "effect": "NoSchedule"}


@pytest.mark.parametrize(
    ("toleration", "wanted"),
    [
        pytest.param({"key": "k", "value": "5"}, True, id="equal by default, any effect"),
        pytest.param({"key": "k", "operator": "Equal", "value": "6"}, False, id="another value"),
        pytest.param({"key": "k", "operator": "Exists"}, True, id="any value"),
        pytest.param({"operator": "Exists"}, True, id="any taint"),
        pytest.param({"key": "other", "operator": "Exists"}, False, id="another key"),
        pytest.param({"key": "k", "operator": "Exists", "effect": "NoExecute"}, False, id="another effect"),
        pytest.param({"value": "5"}, False, id="equal needs a key"),
        pytest.param({"key": "k", "operator": "Lt", "value": "6"}, True, id="the taint's number is less"),
        pytest.param({"key": "k", "operator": "Gt", "value": "6"}, False, id="the taint's number is not greater"),
        pytest.param({"key": "k", "operator": "Lt", "value": "x"}, False, id="no number"),
    ],
)
def test_a_toleration_allows(toleration: Object, wanted: bool) -> None:
    assert tolerates(toleration, TAINT) is wanted


def test_the_first_taint_that_nothing_allows_is_named() -> None:
    other = {"key": "other", "effect": "NoSchedule"}
    preferred = {"key": "soft", "effect": "PreferNoSchedule"}
    allowed = [{"key": "k", "operator": "Exists"}]

    assert untolerated([preferred, TAINT, other], allowed, ("NoSchedule", "NoExecute")) is other
    assert untolerated([preferred, TAINT], allowed, ("NoSchedule",)) is None
