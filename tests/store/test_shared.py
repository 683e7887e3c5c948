"""Several logs on one PostgreSQL: one history, whoever writes and whatever happens to the server."""

import asyncio
import contextlib
import random
import socket
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import quote

import psycopg
import pytest

from store import Conflict, Event, Log, LogError, Retention, Row, Unavailable, Unknown, Write
from store.batch import Draft
from store.dialects.postgresql import Postgresql, renew
from store.dialects.postgresql_session import PostgresqlSession
from store.dialects.postgresql_telling import Telling
from tests.postgresql import Server

FOREVER = Retention(age=None, size=None)


@asynccontextmanager
async def logs(url: str, count: int = 2, **options) -> AsyncIterator[list[Log]]:
    opened = [await Log.open(url, retention=FOREVER, **options) for _ in range(count)]
    yield opened
    for log in opened:
        await log.close()


def rows_in(url: str) -> int:
    with psycopg.connect(url) as connection:
        found = connection.execute("SELECT count(*) FROM changes").fetchone()
    assert found is not None
    return found[0]


async def reach(log: Log, revision: int) -> None:
    async with asyncio.timeout(20):
        while log.revision < revision:
            await asyncio.sleep(0.002)


async def test_two_writers_make_one_gapless_history_that_both_tell_alike(shared: str):
    async with logs(shared) as (one, two):
        seen: dict[Log, list[Event]] = {one: [], two: []}
        acknowledged: list[int] = []
        for log, events in seen.items():
            log.subscribe(events.extend)

        async def write(log: Log, name: str) -> None:
            for number in range(40):
                revisions = await log.append(Write(f"/{name}/{number}", b"x", 0), Write("/hot", name.encode()))
                acknowledged.extend(revisions)
                assert seen[log][-1].revision >= revisions[-1], "published before the caller resumes"

        await asyncio.gather(*(write(log, f"{place}{w}") for place, log in enumerate((one, two)) for w in range(6)))
        await reach(one, max(acknowledged))
        await reach(two, max(acknowledged))

        assert sorted(acknowledged) == list(range(1, 12 * 80 + 1))
        assert seen[one] == seen[two]
        assert [event.revision for event in seen[one]] == sorted(acknowledged)
        assert await one.items("/") == await two.items("/")


async def test_commits_that_follow_each_other_are_told_before_a_follower_would_look_by_itself(
    shared: str, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("store.dialects.postgresql_feed.SILENCE", 60)
    async with logs(shared) as (one, two):
        for number in range(30):
            for _ in range(1 + number % 4):
                last = (await one.append(Write("/a", b"x")))[-1]
            await reach(two, last)


async def test_what_nobody_has_told_is_heard_of_all_the_same(shared: str):
    """A master that was killed owed it to the others."""
    async with logs(shared, 1) as (log,):
        await log.append(Write("/a", b"1"))
        killed = Postgresql(shared)
        telling = Telling()
        telling.told(1)
        session = PostgresqlSession(killed.connect(), killed.channel, set(), telling, renew)
        session.commit(Draft(1, 2, [(2, "/a", b"2", 1, 5)]), lambda news: None)
        session.close()
        assert log.revision == 1
        await reach(log, 2)

        assert await log.latest("/a") == Row("/a", b"2", 2, 1)


def test_what_is_told_while_a_follower_reads_is_not_missed(shared: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("store.dialects.postgresql_feed.SILENCE", 60)
    database = Postgresql(shared)
    feed = database.feed()
    reading = threading.Thread(target=lambda: feed._connection.execute("SELECT pg_sleep(0.3)"))
    with database.connect() as other:
        reading.start()
        other.execute("SELECT pg_notify(%s, '7')", (database.channel,))
    reading.join()
    giving_up = threading.Timer(20, feed.wake)
    giving_up.start()

    assert feed.wait(lambda: 6), "it was woken by the timer"
    giving_up.cancel()
    feed.close()


async def test_a_precondition_that_holds_is_never_a_conflict_however_old_the_memory(shared: str):
    """The writer has not heard of the revision that the caller got elsewhere."""
    async with logs(shared) as (one, two):
        revision = (await one.append(Write("/a", b"0", 0)))[0]
        for number in range(60):
            writer = (two, one)[number % 2]
            revision = (await writer.append(Write("/a", b"%d" % number, revision)))[0]

        assert revision == 61
        with pytest.raises(Conflict) as raised:
            await two.append(Write("/a", b"late", 60))
        assert raised.value.row == Row("/a", b"59", 61, 1)


async def test_of_all_who_change_one_revision_one_wins(shared: str):
    async with logs(shared, 3) as there:
        await there[0].append(Write("/a", b"0"))
        for turn in range(1, 11):
            answers = await asyncio.gather(
                *(log.append(Write("/a", b"x", turn)) for log in there for _ in range(3)), return_exceptions=True
            )
            assert [answer for answer in answers if not isinstance(answer, Conflict)] == [[turn + 1]]


async def test_a_read_that_must_be_current_has_what_was_acknowledged_before(shared: str):
    async with logs(shared) as (one, two):
        for number in range(50):
            (revision,) = await one.append(Write("/a", b"%d" % number))
            assert await two.current() >= revision
            assert await two.latest("/a") == Row("/a", b"%d" % number, revision, 1)


async def test_notes_are_known_to_all_and_keep_the_order(shared: str):
    async with logs(shared) as (one, two):
        await one.append(Write("/lease", b"0"))
        beat = await two.note(Write("/lease", b"1", 1))
        assert await one.note(Write("/lease", b"2", beat)) == 3
        with pytest.raises(Conflict):
            await two.note(Write("/lease", b"no", beat))
        await two.append(Write("/b", b""))
        await one.current()

        assert await one.latest("/lease") == await two.latest("/lease") == Row("/lease", b"2", 3, 1)
        assert [event.revision for event in await two.events(1)] == [3, 4]
        async with logs(shared, 1) as (third,):
            assert await third.latest("/lease") == Row("/lease", b"2", 3, 1)
            assert third.revision == 4
            await third.append(Write("/lease", None, 3))
        await one.current()
        assert await one.latest("/lease") is None
        async with logs(shared, 1) as (fourth,):
            assert await fourth.items("/lease") == []


async def test_notes_are_not_in_the_journal(shared: str, postgres: Server):
    async with logs(shared, 1) as (log,):
        await log.append(Write("/lease", b"0"))
        with postgres.connect() as connection:
            before = connection.execute("SELECT pg_current_wal_insert_lsn()").fetchone()
            for _ in range(100):
                await log.note(Write("/lease", bytes(1000)))
            question = "SELECT pg_current_wal_insert_lsn() - %s::pg_lsn"
            written = connection.execute(question, before).fetchone()

    assert written is not None and written[0] < 100 * 200, "a commit's own record, not its kilobyte"


async def test_while_another_holds_the_count_appends_are_unavailable_and_reads_go_on(shared: str):
    async with logs(shared, 1, patience=0.2) as (log,):
        await log.append(Write("/a", b"1"))
        with psycopg.connect(shared) as other:
            other.execute("SELECT 1 FROM counter FOR UPDATE")
            with pytest.raises(Unavailable):
                await log.append(Write("/a", b"2"))
            assert await log.current() == 1
            assert await log.at("/a", 1) == Row("/a", b"1", 1, 1)

        assert await log.append(Write("/a", b"2")) == [2]


async def test_many_open_an_empty_database_at_once(shared: str):
    opened = await asyncio.gather(*(Log.open(shared) for _ in range(6)))
    await asyncio.gather(*(log.append(Write(f"/{number}", b"x", 0)) for number, log in enumerate(opened)))
    await asyncio.gather(*(log.current() for log in opened))

    assert [log.revision for log in opened] == [6] * 6
    for log in opened:
        await log.close()


async def test_compaction_by_one_is_known_to_the_other(shared: str):
    async with logs(shared) as (one, two):
        for number in range(20):
            await one.append(Write("/a", b"%d" % number))
        await asyncio.gather(one.compact(10), two.current())
        await two.current()

        assert two.oldest == 10
        await asyncio.gather(one.compact(15), two.compact(16))
        assert await two.at("/a", 16) == Row("/a", b"15", 16, 1)


async def test_what_a_follower_may_not_have_heard_is_not_deleted_yet(shared: str, monkeypatch):
    async with logs(shared, 1) as (log,):
        for number in range(10):
            await log.append(Write("/a", b"%d" % number))
        await log.compact(10)
        kept = rows_in(shared)
        monkeypatch.setattr(PostgresqlSession, "grace", 0.0)
        await log._compaction.look()

        assert (kept, rows_in(shared)) == (10, 1)


async def test_who_was_away_longer_than_history_is_kept_says_so_and_ends(shared: str, monkeypatch):
    monkeypatch.setattr(PostgresqlSession, "grace", 0.0)
    async with logs(shared) as (one, two):
        for number in range(10):
            await one.append(Write("/a", b"%d" % number))
        await two.current()
        await one.compact(10)
        await two.current()
        assert two._following is not None
        two._following._known = lambda: 5  # as if it had heard no more
        with pytest.raises(LogError, match="away from revision 5 on, and history before 10 has been compacted"):
            await two.current()
        async with asyncio.timeout(10):
            assert "restart it" in str(await two.failed)
        with pytest.raises(LogError, match="restart it"):
            await two.current()


async def test_a_database_that_went_back_in_time_is_noticed(shared: str):
    async with logs(shared, 1) as (log,):
        await log.append(Write("/a", b"1"), Write("/b", b"1"))
        with psycopg.connect(shared) as other:
            other.execute("UPDATE counter SET issued = 1")
            other.execute("DELETE FROM changes WHERE revision = 2")
        with pytest.raises(LogError, match="went back from revision 2 to 1"):
            await log.current()
        async with asyncio.timeout(10):
            assert "went back" in str(await log.failed)


class Relay:
    """Stands between a log and the server; `cut` lets what is asked through and nothing that is answered."""

    def __init__(self, server: Server, directory: Path) -> None:
        self._target = str(server.directory / ".s.PGSQL.5432")
        self._listening = socket.socket(socket.AF_UNIX)
        self._listening.bind(str(directory / ".s.PGSQL.5432"))
        self._listening.listen()
        self.cut = False
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listening.accept()
                server = socket.socket(socket.AF_UNIX)
                server.connect(self._target)
                threading.Thread(target=self._pump, args=(client, server, False), daemon=True).start()
                threading.Thread(target=self._pump, args=(server, client, True), daemon=True).start()

    def _pump(self, source: socket.socket, target: socket.socket, answers: bool) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                if answers and self.cut:
                    break
                target.sendall(data)
        for end in (source, target):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        self._listening.close()


async def test_an_answer_lost_at_commit_is_unknown_and_the_write_is_there_once(
    shared: str, postgres: Server, tmp_path: Path
):
    relay = Relay(postgres, tmp_path)
    through = shared.replace(quote(str(postgres.directory), safe=""), quote(str(tmp_path), safe=""))
    async with logs(through, 1) as (log,), logs(shared, 1) as (other,):
        seen: dict[Log, list[Event]] = {log: [], other: []}
        for one, events in seen.items():
            one.subscribe(events.extend)
        await log.append(Write("/before", b"1"))
        relay.cut = True
        with pytest.raises(Unknown):
            await log.append(Write("/a", b"1", 0), Write("/b", b"1", 0))
        assert await log.latest("/a") is None
        relay.cut = False
        await reach(log, 3)
        with pytest.raises(Conflict) as raised:
            await log.append(Write("/a", b"1", 0), Write("/b", b"1", 0))
        await log.append(Write("/after", b"1"))
        await reach(other, 4)

        assert raised.value.row == Row("/a", b"1", 2, 2)
        assert seen[log] == seen[other]
        assert [event.key for event in seen[log]] == ["/before", "/a", "/b", "/after"]
    relay.close()


class Clients:
    """Writers that remember what they were told; keys are written once, so a double write would be seen."""

    def __init__(self) -> None:
        self.acknowledged: dict[str, int] = {}
        self.unknown: set[str] = set()
        self.notes: list[int] = []
        self.stop = False

    async def write(self, log: Log, name: str) -> None:
        number = 0
        while not self.stop:
            number += 1
            left, right = f"/left/{name}/{number}", f"/right/{name}/{number}"
            try:
                revisions = await log.append(Write(left, b"x", 0), Write(right, b"x", 0))
                self.acknowledged |= dict(zip((left, right), revisions, strict=True))
                self.notes.append(await log.note(Write(f"/beat/{name}", b"%d" % number)))
            except Unknown:
                self.unknown.add(left)
            except Unavailable:
                await asyncio.sleep(0.01)


async def check(shared: str, clients: Clients, told: list[list[Event]]) -> None:
    async with logs(shared, 1) as (log,):
        rows = {row.key: row for row in await log.items("/")}
        with psycopg.connect(shared) as connection:
            twice = connection.execute("SELECT key FROM changes GROUP BY key HAVING count(*) > 1").fetchall()
    lost = {key for key, revision in clients.acknowledged.items() if key not in rows or rows[key].revision != revision}
    lefts = {key.removeprefix("/left/") for key in rows if key.startswith("/left/")}
    rights = {key.removeprefix("/right/") for key in rows if key.startswith("/right/")}
    numbers = [*clients.acknowledged.values(), *clients.notes]

    assert lost == set()
    assert lefts == rights, "no half of an append"
    assert [key for (key,) in twice if key.startswith(("/left", "/right"))] == []
    assert len(set(numbers)) == len(numbers), "no number twice"
    present = {f"/left/{name}" for name in lefts}
    assert present <= clients.acknowledged.keys() | clients.unknown
    for events in told:
        revisions = [event.revision for event in events]
        assert revisions == sorted(set(revisions)), "ordered and unique"
        durable = {event.key: event.revision for event in events if not event.key.startswith(("/beat", "/store"))}
        assert durable == {key: row.revision for key, row in rows.items() if key.startswith(("/left", "/right"))}


async def disturbed(shared: str, disturb, turns: int) -> None:
    """Two logs under load while `disturb` is called; afterwards all that was acknowledged is there, once."""
    clients = Clients()
    async with logs(shared, reserved=2000) as there:
        told: list[list[Event]] = [[], []]
        for log, events in zip(there, told, strict=True):
            log.subscribe(events.extend)
        async with asyncio.TaskGroup() as group:
            for place, log in enumerate(there):
                for number in range(4):
                    group.create_task(clients.write(log, f"{place}-{number}"))
            for turn in range(turns):
                before = len(clients.acknowledged)
                await asyncio.to_thread(disturb, turn)
                async with asyncio.timeout(20):
                    while len(clients.acknowledged) < before + 40:
                        await asyncio.sleep(0.01)
            clients.stop = True
        for log in there:
            async with asyncio.timeout(20):
                while True:
                    try:
                        await log.current()
                        break
                    except Unavailable:
                        await asyncio.sleep(0.05)
    await check(shared, clients, told)


async def test_backends_that_are_terminated_at_any_moment_lose_nothing(shared: str, postgres: Server):
    draw = random.Random(7)

    def terminate(turn: int) -> None:
        with postgres.connect() as connection:
            connection.execute("SELECT pg_sleep(%s)", (draw.random() * 0.02,))
            connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'procorch' "
                "AND random() < 0.6"
            )

    await disturbed(shared, terminate, 25)


async def test_a_server_that_crashes_again_and_again_loses_nothing(shared_alone: tuple[str, Server]):
    shared, postgres = shared_alone
    await disturbed(shared, lambda turn: postgres.crash(), 6)
