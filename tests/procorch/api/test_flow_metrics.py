"""What is counted of levels and flows."""

from __future__ import annotations

import asyncio
import contextlib

from procorch.api.fairness import Fairness
from procorch.api.levels import LevelSpec
from procorch.objects import TooManyRequests


async def test_who_runs_who_waits_and_who_was_refused_is_told_by_level_and_schema():
    made = Fairness([LevelSpec("high", 30, 50, queues=1, hand=1, length=1), LevelSpec("low", 10)], seats=4)
    end, begun = asyncio.Event(), 0

    async def run(width: int) -> None:
        nonlocal begun
        async with made.seat("high", "flow", width, "mine"):
            begun += 1
            await end.wait()

    async with asyncio.TaskGroup() as group:
        for width in (3, 2):
            group.create_task(run(width))
        while not made.levels["high"].waiting:
            await asyncio.sleep(0)
        with contextlib.suppress(TooManyRequests):
            await run(1)
        text = "\n".join(line for family in made.metrics.families(made.levels.values()) for line in family.lines())
        end.set()
    after = "\n".join(line for family in made.metrics.families(made.levels.values()) for line in family.lines())

    about, prefix = 'flow_schema="mine",priority_level="high"', "apiserver_flowcontrol_"
    for line in (
        f"current_executing_seats{{{about}}} 3", f"current_executing_requests{{{about}}} 1",
        f"current_inqueue_requests{{{about}}} 1", f"current_inqueue_seats{{{about}}} 2",
        f"dispatched_requests_total{{{about}}} 1", f'rejected_requests_total{{{about},reason="queue-full"}} 1',
        'nominal_limit_seats{priority_level="high"} 3', 'lower_limit_seats{priority_level="high"} 1',
        'upper_limit_seats{priority_level="high"} 7',
    ):  # fmt: skip
        assert f"{prefix}{line}" in text
    assert f'{prefix}request_wait_duration_seconds_count{{execute="true",{about}}} 2' in after
    assert f'{prefix}request_execution_seconds_count{{{about},type="regular"}} 2' in after
    assert begun == 2
