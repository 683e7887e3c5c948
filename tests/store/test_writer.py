import asyncio

import pytest

from store import LogError, Unavailable
from store.dialects.sqlite import Sqlite
from store.writer import Writer


async def test_after_an_error_the_next_job_has_a_new_session():
    dialect = Sqlite(":memory:")
    writer = Writer(dialect, asyncio.get_running_loop())
    first, _, second = await asyncio.gather(
        writer.perform(id), writer.perform(lambda session: 1 // 0), writer.perform(id), return_exceptions=True
    )
    reused = await writer.perform(id)
    await writer.stop()
    await asyncio.to_thread(dialect.close)

    assert isinstance(_, LogError) and "ZeroDivisionError" in str(_)
    assert second == reused
    assert isinstance(first, int)


async def test_after_stop_jobs_are_refused_instead_of_waiting_for_ever():
    dialect = Sqlite(":memory:")
    writer = Writer(dialect, asyncio.get_running_loop())
    await writer.stop()

    with pytest.raises(Unavailable):
        await writer.perform(id)
    await asyncio.to_thread(dialect.close)
