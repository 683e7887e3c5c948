import asyncio

import pytest

from store import Log, Write, gathering
from store.gathering import ENOUGH, PATIENCE, Gathering


@pytest.mark.parametrize(
    ("looks", "waits"),
    [
        pytest.param([(1, 0.0)], [False], id="a single writer goes at once"),
        pytest.param([(2, 0.0), (2, 0.0)], [True, False], id="nobody came in the last turn: it begins"),
        pytest.param([(2, 0.0), (3, 0.0), (5, 0.0)], [True, True, True], id="each turn brings one: it waits"),
        pytest.param([(ENOUGH, 0.0)], [False], id="as many as are worth it go at once"),
        pytest.param([(2, 0.0), (3, PATIENCE)], [True, False], id="the first has waited long enough"),
        pytest.param([(2, 0.0), (3, PATIENCE), (2, 2.0)], [True, False, True], id="each commit has its own patience"),
    ],
)
def test_when_a_commit_begins(looks, waits):
    gathering = Gathering()

    assert [gathering.is_worthwhile(*look) for look in looks] == waits


async def test_writers_that_come_turn_by_turn_share_a_commit(log: Log, monkeypatch):
    monkeypatch.setattr(gathering, "PATIENCE", 60.0)
    commits: list[int] = []
    log.subscribe(lambda events: commits.append(len(events)))

    async def write(number: int) -> None:
        for _ in range(number // 2):
            await asyncio.sleep(0)
        await log.append(Write(f"/a/{number}", b"x"))

    async with asyncio.TaskGroup() as group:
        for number in range(ENOUGH):
            group.create_task(write(number))

    assert commits == [ENOUGH]
