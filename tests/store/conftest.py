import itertools
import os
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio

from store import Log, Retention
from tests import postgresql

FOREVER = Retention(age=None, size=None)
_numbers = itertools.count()


@pytest.fixture(scope="session")
def server() -> Iterator[postgresql.Server]:
    if postgresql.binaries() is None:
        pytest.skip("needs PostgreSQL")
    made = postgresql.Server()
    yield made
    made.stop()


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of an empty database, once of each kind."""
    if request.param == "sqlite":
        return str(tmp_path / "log.db")
    server: postgresql.Server = request.getfixturevalue("server")
    return server.schema(f"s{os.getpid()}_{next(_numbers)}")


@pytest.fixture
def shared(server: postgresql.Server) -> str:
    """The URL of an empty database that several may have open."""
    return server.schema(f"s{os.getpid()}_{next(_numbers)}")


@pytest.fixture
def shared_alone() -> Iterator[tuple[str, postgresql.Server]]:
    """Likewise, and a server for this test alone, which may crash it."""
    made = postgresql.Server()
    yield made.schema("alone"), made
    made.stop()


@pytest_asyncio.fixture
async def log(database: str) -> AsyncIterator[Log]:
    opened = await Log.open(database, retention=FOREVER)
    yield opened
    await opened.close()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "log.db"
