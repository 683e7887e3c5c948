"""Parameters of a query, and errors as answers."""

from __future__ import annotations

import orjson
import pytest

from procorch.api.request import is_true, refusal, whole_number
from procorch.objects import Invalid, TooManyRequests


@pytest.mark.parametrize(
    ("query", "yes"),
    [({}, False), ({"w": "true"}, True), ({"w": "1"}, True), ({"w": ""}, True), ({"w": "False"}, False)],
)
def test_booleans_are_read_as_kubernetes_reads_them(query, yes):
    assert is_true(query, "w") == yes


def test_whole_numbers():
    assert whole_number({"limit": "500"}, "limit") == 500
    assert whole_number({"limit": ""}, "limit") is None
    for bad in ("-1", "1.5", "ten", "9" * 30, "٣"):
        with pytest.raises(Invalid):
            whole_number({"limit": bad}, "limit")


def test_a_refusal_says_when_to_come_again():
    response = refusal(TooManyRequests.of("slowly", 7))

    assert (response.status, response.headers["Retry-After"]) == (429, "7")
    assert orjson.loads(response.body)["details"]["retryAfterSeconds"] == 7
