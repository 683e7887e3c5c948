from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from store import Log, Retention

FOREVER = Retention(age=None, size=None)


@pytest_asyncio.fixture
async def log() -> AsyncIterator[Log]:
    opened = await Log.open(":memory:", retention=FOREVER)
    yield opened
    await opened.close()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "log.db"
