"""The tables of who waits and who runs."""

from __future__ import annotations

import asyncio

from procorch.api import flow_dumps
from procorch.api.fairness import Fairness
from procorch.api.levels import LevelSpec


def rows(table: str) -> list[list[str]]:
    return [[cell.strip() for cell in line.split(",")] for line in table.splitlines()]


async def test_levels_queues_and_requests_are_told_in_columns():
    made = Fairness([LevelSpec("high", 30, queues=1, hand=1, length=5), LevelSpec("low", 10)], seats=4)
    end = asyncio.Event()
    who = ("jane", "list", "/api/v1/pods", "", "", "v1", "pods", "")

    async def run(name: str) -> None:
        async with made.seat("high", f"mine {name}", 3, "mine", who):
            await end.wait()

    async with asyncio.TaskGroup() as group:
        for name in ("jane", "jim"):
            group.create_task(run(name))
        while not made.levels["high"].waiting:
            await asyncio.sleep(0)
        now = asyncio.get_running_loop().time()
        levels, queues, requests, detailed = (
            rows(dump(made, query, now))
            for dump, query in ((flow_dumps.levels, {}), (flow_dumps.queues, {}), (flow_dumps.requests, {}),
                                (flow_dumps.requests, {"includeRequestDetails": "1"}))
        )  # fmt: skip
        text = flow_dumps.levels(made, {}, now)
        end.set()

    assert levels[1:] == [["high", "1", "false", "false", "1", "1", "1", "0", "0", "0"],
                          ["low", "0", "true", "false", "0", "0", "0", "0", "0", "0"]]  # fmt: skip
    assert text.startswith("PriorityLevelName, ActiveQueues, IsIdle, IsQuiescing,")
    assert text.splitlines()[1].startswith("high,              1,            false,  false,")
    assert [row[:3] for row in queues[1:]] == [["high", "0", "1"]]
    waiting, running = requests[1:]
    assert waiting[:5] == ["high", "mine", "0", "0", "jim"] and waiting[-1] == "0001-01-01T00:00:00Z"
    assert running[:5] == ["high", "mine", "-1", "-1", "jane"] and running[-1].startswith("20")
    assert detailed[0][-2:] == ["Resource", "SubResource"] and detailed[1][10:] == list(who)


async def test_they_are_served_to_administrators_alone(served):
    admin, jane = served.transport("admin", "system:masters"), served.transport("jane")
    begins = {"dump_priority_levels": b"PriorityLevelName, ActiveQueues,", "dump_queues": b"PriorityLevelName, Index,",
              "dump_requests": b"PriorityLevelName, FlowSchemaName,"}  # fmt: skip
    for name, begin in begins.items():
        answer = await admin.send("GET", f"{flow_dumps.ROOT}/{name}")
        assert answer.status == 200 and answer.body.startswith(begin)
        assert (await jane.send("GET", f"{flow_dumps.ROOT}/{name}")).status == 403
    missing = await admin.send("GET", f"{flow_dumps.ROOT}/dump_all")
    for one in (admin, jane):
        await one.close()

    assert missing.status == 404
