"""`kubectl logs` and its options, on files as pauses write them."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from procorch.clock import parse_timestamp
from procorch.kubelet.logs import LogOptions, read

LINES = [
    "2026-01-01T00:00:01.100000000Z stdout F one",
    "2026-01-01T00:00:02.100000000Z stderr P tw",
    "2026-01-01T00:00:02.100000000Z stderr F o",
    "2026-01-01T00:00:03.100000000Z stdout F three with spaces",
]


async def said(path: Path, **options: Any) -> str:
    return b"".join([piece async for piece in read(path, LogOptions(**options), lambda: False)]).decode()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    file = tmp_path / "0.log"
    file.write_text("".join(f"{line}\n" for line in LINES))
    return file


@pytest.mark.parametrize(
    ("options", "text"),
    [
        pytest.param({}, "one\ntwo\nthree with spaces\n", id="all"),
        pytest.param({"tail": 1}, "three with spaces\n", id="the last line"),
        pytest.param({"tail": 2}, "two\nthree with spaces\n", id="a line in two pieces is one"),
        pytest.param({"tail": 99}, "one\ntwo\nthree with spaces\n", id="more than there are"),
        pytest.param({"tail": 0}, "", id="none"),
        pytest.param({"since": parse_timestamp("2026-01-01T00:00:03Z")}, "three with spaces\n", id="since"),
        pytest.param({"limit": 6}, "one\ntw", id="so many bytes"),
        pytest.param({"tail": 1, "timestamps": True}, LINES[3].replace("stdout F ", "") + "\n", id="with times"),
    ],
)
async def test_options(path: Path, options: dict[str, Any], text: str) -> None:
    assert await said(path, **options) == text


@pytest.mark.parametrize("tail", [1, 7, 999, 20_000, 20_001])
async def test_the_tail_of_a_long_log(tmp_path: Path, tail: int) -> None:
    path = tmp_path / "0.log"
    lines = [f"2026-01-01T00:00:01.1Z stdout F {number}" for number in range(20_000)]
    path.write_text("".join(f"{line}\n" for line in lines))

    text = await said(path, tail=tail)

    assert text.split() == [str(number) for number in range(max(20_000 - tail, 0), 20_000)]


async def test_following_ends_with_the_container_and_loses_nothing(tmp_path: Path) -> None:
    path, running = tmp_path / "0.log", True
    path.write_text(f"{LINES[0]}\n")
    got = b""

    async def follow() -> None:
        nonlocal got
        async for piece in read(path, LogOptions(follow=True), lambda: running):
            got += piece

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(follow())
        while b"one" not in got:
            await asyncio.sleep(0.01)
        with path.open("a") as file:
            file.write(f"{LINES[3]}\n")
        running = False

    assert got == b"one\nthree with spaces\n"


def test_options_are_read_from_a_query() -> None:
    query = {"follow": "true", "tailLines": "5", "sinceSeconds": "10", "limitBytes": "7", "previous": "true"}

    assert LogOptions.parse(query, 100.0) == LogOptions(True, False, True, 5, 90.0, 7)
