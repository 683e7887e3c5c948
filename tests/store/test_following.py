"""The thread that follows a shared database, with a feed of the test's own in the place of the connection."""

import asyncio
import threading
from collections.abc import Callable
from typing import Any

import pytest

from store import LogError, Unavailable, Unusable
from store.following import Following
from store.news import News
from store.sealing import Sealing


class Feed:
    """Told by `tell`; reads what `database` holds."""

    def __init__(self, database: "Database") -> None:
        self._database = database
        self._event = threading.Event()
        self._told = False

    def wait(self, known: Callable[[], int]) -> bool:
        self._event.wait(10)
        self._event.clear()
        told, self._told = self._told, False
        return told

    def read(self, known: int) -> News:
        if self._database.errors:
            raise self._database.errors.pop(0)
        self._database.reads += 1
        return News(self._database.issued, 0, 0, self._database.swept, ())

    def tell(self) -> None:
        self._told = True
        self._event.set()

    def wake(self) -> None:
        self._event.set()

    def close(self) -> None:
        self._event.set()


class Database:
    """The dialect's place."""

    is_shared = True

    def __init__(self) -> None:
        self.issued = self.swept = self.reads = 0
        self.errors: list[Exception] = []
        self.feeds: list[Feed] = []

    def feed(self) -> Feed:
        self.feeds.append(Feed(self))
        return self.feeds[-1]

    def failure(self, error: Exception) -> LogError:
        return error if isinstance(error, LogError) else Unavailable(str(error))


class Follower:
    """A log's place: it knows the highest revision that it was told."""

    def __init__(self, database: Database) -> None:
        self.known = 0
        self.taken: list[int] = []
        self.failed: list[LogError] = []
        loop = asyncio.get_running_loop()
        seam: Any = database
        self.following = Following(seam, Sealing(), loop, lambda: self.known, self._take, self.failed.append)

    def _take(self, news: News) -> None:
        self.taken.append(news.issued)
        self.known = max(self.known, news.issued)

    async def ask(self) -> LogError | None:
        answer: asyncio.Future[LogError | None] = asyncio.get_running_loop().create_future()
        self.following.ask(answer.set_result)
        return await asyncio.wait_for(answer, 10)


async def test_what_is_told_is_read_without_being_asked():
    database = Database()
    follower = Follower(database)
    assert await follower.ask() is None
    database.issued = 7
    database.feeds[0].tell()
    async with asyncio.timeout(10):
        while follower.known != 7:
            await asyncio.sleep(0.002)
    await follower.following.close()


async def test_questions_of_one_moment_share_a_reading():
    database = Database()
    follower = Follower(database)
    await follower.ask()
    before = database.reads
    database.issued = 3
    answers = await asyncio.gather(*(follower.ask() for _ in range(50)))

    assert answers == [None] * 50
    assert follower.known == 3
    assert database.reads - before <= 3
    await follower.following.close()


async def test_a_database_that_is_away_answers_the_question_and_is_tried_again():
    database = Database()
    follower = Follower(database)
    await follower.ask()
    database.errors = [OSError("no route to host")] * 2
    assert isinstance(await follower.ask(), Unavailable)
    database.issued = 9
    async with asyncio.timeout(10):
        while await follower.ask() is not None:
            await asyncio.sleep(0.01)

    assert follower.known == 9
    assert len(database.feeds) > 1, "a connection that failed is not used again"
    assert follower.failed == []
    await follower.following.close()


@pytest.mark.parametrize(
    ("issued", "swept", "line"),
    [
        pytest.param(4, 0, "went back from revision 5 to 4", id="an older copy of the database"),
        pytest.param(9, 6, "away from revision 5 on", id="what was missed is deleted"),
    ],
)
async def test_what_can_never_be_right_again_ends_it(issued, swept, line):
    database = Database()
    follower = Follower(database)
    database.issued = 5
    await follower.ask()
    database.issued, database.swept = issued, swept

    error = await follower.ask()
    assert isinstance(error, Unusable) and line in str(error)
    assert [str(one) for one in follower.failed] == [str(error)]
    assert await follower.ask() is error
    await follower.following.close()


async def test_a_closed_one_answers_that_it_is_closed():
    follower = Follower(Database())
    await follower.following.close()

    assert isinstance(await follower.ask(), Unavailable)
