"""What every room's tests may ask for: a PostgreSQL of their own."""

import itertools
import os
import signal
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings

from tests import postgresql

_numbers = itertools.count()
# How long an example takes is the machine's matter, and what else it is doing.
settings.register_profile("tests", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("tests")


def pytest_configure() -> None:
    """A run in the background of a shell ignores Ctrl-C, and so would every program that it starts."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def postgres() -> Iterator[postgresql.Server]:
    """One server for all tests that do not harm it."""
    if postgresql.binaries() is None:
        pytest.skip("needs PostgreSQL")
    made = postgresql.Server()
    yield made
    made.stop()


@pytest.fixture
def shared(postgres: postgresql.Server) -> str:
    """The URL of an empty database that several may have open."""
    return postgres.schema(f"s{os.getpid()}_{next(_numbers)}")


@pytest.fixture
def shared_alone() -> Iterator[tuple[str, postgresql.Server]]:
    """Likewise, and a server for this test alone, which may crash it."""
    if postgresql.binaries() is None:
        pytest.skip("needs PostgreSQL")
    made = postgresql.Server()
    yield made.schema("alone"), made
    made.stop()
