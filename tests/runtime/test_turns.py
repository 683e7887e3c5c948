"""One after the other, for each key."""

from __future__ import annotations

import asyncio

import pytest

from runtime.turns import Turns


async def test_one_at_a_time_for_each_key_and_nothing_is_kept() -> None:
    turns, inside, most = Turns(), {"a": 0, "b": 0}, 0

    async def visit(key: str) -> None:
        nonlocal most
        async with turns.of(key):
            inside[key] += 1
            assert inside[key] == 1
            most = max(most, sum(inside.values()))
            await asyncio.sleep(0.001)
            inside[key] -= 1

    await asyncio.gather(*(visit("ab"[number % 2]) for number in range(20)))

    assert most == 2, "two keys do not wait for each other"
    assert not turns._locks and not turns._here


async def test_who_gives_up_waiting_or_fails_lets_the_next_in() -> None:
    turns, gate = Turns(), asyncio.Event()

    async def hold() -> None:
        async with turns.of("a"):
            await gate.wait()
            raise ValueError("failed")

    async def follow() -> str:
        async with turns.of("a"):
            return "in"

    loop = asyncio.get_running_loop()
    holder, gone, next_ = loop.create_task(hold()), loop.create_task(follow()), loop.create_task(follow())
    await asyncio.sleep(0)
    gone.cancel()
    gate.set()

    assert await asyncio.wait_for(next_, 5) == "in"
    with pytest.raises(ValueError, match="failed"):
        await holder
    assert not turns._locks
