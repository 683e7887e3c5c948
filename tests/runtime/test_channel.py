"""The agent's end of a conversation with a pause, over a real socket."""

from __future__ import annotations

import asyncio
import socket

import pytest

from runtime import RuntimeFailed
from runtime.channel import Channel
from runtime.wire import Unpacker, pack


@pytest.fixture
async def pair():
    ours, theirs = socket.socketpair()
    channel = Channel(ours)
    theirs.setblocking(False)
    yield channel, theirs
    channel.close()
    theirs.close()


async def heard(theirs: socket.socket, count: int) -> list[dict]:
    unpacker, messages = Unpacker(), []
    while len(messages) < count:
        messages += unpacker.feed(await asyncio.get_running_loop().sock_recv(theirs, 65536))
    return messages


async def test_answers_find_their_questions_in_any_order(pair):
    channel, theirs = pair
    async with asyncio.TaskGroup() as group:
        asked = [group.create_task(channel.ask({"do": name})) for name in ("one", "two")]
        for message in reversed(await heard(theirs, 2)):
            theirs.send(pack({"id": message["id"], "said": message["do"]}))

    assert [task.result()["said"] for task in asked] == ["one", "two"]


async def test_news_are_heard_between_answers(pair):
    channel, theirs = pair
    news = []
    channel.on_event = news.append
    async with asyncio.TaskGroup() as group:
        group.create_task(channel.ask({"do": "it"}))
        (message,) = await heard(theirs, 1)
        theirs.send(pack({"event": "process", "process": 1}) + pack({"id": message["id"]}))

    assert news == [{"event": "process", "process": 1}]


async def test_an_error_is_raised_in_its_own_words(pair):
    channel, theirs = pair
    async with asyncio.TaskGroup() as group:
        asked = group.create_task(asyncio.wait_for(failing(channel), 5))
        (message,) = await heard(theirs, 1)
        theirs.send(pack({"id": message["id"], "error": "no such thing"}))
    assert asked.result() == "no such thing"


async def test_who_waits_is_told_when_the_other_end_goes(pair):
    channel, theirs = pair
    async with asyncio.TaskGroup() as group:
        asked = group.create_task(asyncio.wait_for(failing(channel), 5))
        await heard(theirs, 1)
        theirs.close()

    assert "pause has gone" in asked.result()
    assert not channel.open
    assert "pause has gone" in await failing(channel)


async def test_a_question_larger_than_the_sockets_buffer_arrives_whole(pair):
    channel, theirs = pair
    async with asyncio.TaskGroup() as group:
        group.create_task(channel.ask({"do": "x", "env": "e" * 3_000_000}))
        (message,) = await heard(theirs, 1)
        theirs.send(pack({"id": message["id"]}))
    assert len(message["env"]) == 3_000_000


async def failing(channel: Channel) -> str:
    with pytest.raises(RuntimeFailed) as raised:
        await channel.ask({"do": "it"})
    return str(raised.value)
