from typing import Any

import pytest

from cli.apply import merge
from procorch.kinds import KINDS, schema

POD = schema.of_kind(KINDS["Pod"])


def _pod(*containers: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"spec": {"containers": list(containers), **more}}


@pytest.mark.parametrize(
    ("live", "last", "wanted", "result"),
    [
        pytest.param({"a": 1, "b": 2}, {"a": 1}, {"a": 3}, {"a": 3, "b": 2}, id="what others set stays"),
        pytest.param({"a": 1, "b": 2}, {"a": 1, "b": 2}, {"a": 1}, {"a": 1}, id="what left the file leaves"),
        pytest.param({"l": [1, 2]}, {"l": [1]}, {"l": [3]}, {"l": [3]}, id="a plain list is replaced"),
        pytest.param(
            _pod({"name": "a", "image": "x", "imagePullPolicy": "Always"}),
            _pod({"name": "a", "image": "x"}),
            _pod({"name": "a", "image": "y"}),
            _pod({"name": "a", "image": "y", "imagePullPolicy": "Always"}),
            id="containers are matched by name and keep their defaults",
        ),
        pytest.param(
            _pod({"name": "a"}, {"name": "side"}, {"name": "old"}),
            _pod({"name": "a"}, {"name": "old"}),
            _pod({"name": "a"}, {"name": "new"}),
            _pod({"name": "a"}, {"name": "new"}, {"name": "side"}),
            id="a row that left the file goes, a row of others stays",
        ),
    ],
)
def test_a_merge_of_three(live: Any, last: Any, wanted: Any, result: Any) -> None:
    before = repr((live, last, wanted))

    assert merge(live, last, wanted, POD) == result
    assert repr((live, last, wanted)) == before, "the arguments are not changed"
