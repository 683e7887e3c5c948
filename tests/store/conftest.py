from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from store import Log, Retention

FOREVER = Retention(age=None, size=None)


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of an empty database, once of each kind."""
    if request.param == "sqlite":
        return str(tmp_path / "log.db")
    url: str = request.getfixturevalue("shared")
    return url


@pytest_asyncio.fixture
async def log(database: str) -> AsyncIterator[Log]:
    opened = await Log.open(database, retention=FOREVER)
    yield opened
    await opened.close()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "log.db"
