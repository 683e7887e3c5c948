"""Answers are read whole, and what is no answer of our API is told as what it is."""

from __future__ import annotations

from collections.abc import AsyncIterator

import orjson
import pytest

from procorch.answers import error_of, lines_of
from procorch.objects import Conflict, NotFound


@pytest.mark.parametrize(
    ("chunks", "lines"),
    [
        pytest.param([b"a\nb\n"], [b"a", b"b"], id="two lines in one piece"),
        pytest.param([b"a", b"b\nc", b"\n"], [b"ab", b"c"], id="a line in pieces"),
        pytest.param([b"\n\na\n\n"], [b"a"], id="empty lines are nothing"),
        pytest.param([b"a\nb"], [b"a", b"b"], id="the last line needs no end"),
        pytest.param([], [], id="nothing"),
    ],
)
async def test_lines_come_whole(chunks: list[bytes], lines: list[bytes]) -> None:
    async def pieces() -> AsyncIterator[bytes]:
        for chunk in chunks:
            yield chunk

    assert [line async for line in lines_of(pieces())] == lines


def test_a_refusal_is_the_error_that_its_status_names() -> None:
    status = {"kind": "Status", "reason": "NotFound", "message": "no such pod", "code": 404}

    error = error_of(404, {}, orjson.dumps(status))
    assert isinstance(error, NotFound)
    assert str(error) == "no such pod"


@pytest.mark.parametrize(
    ("code", "body", "kind", "message"),
    [(409, b"not now\n", Conflict, "not now"), (404, b"<html>", NotFound, "<html>"), (404, b"{}", NotFound, "{}")],
    ids=["words", "a page", "some JSON"],
)
def test_a_refusal_of_somebody_on_the_way_is_told_by_its_code(
    code: int, body: bytes, kind: type[Exception], message: str
) -> None:
    error = error_of(code, {"retry-after": "7"}, body)

    assert isinstance(error, kind)
    assert (str(error), error.retry_after) == (message, 7)
