import random

import psycopg
import pytest

from store.batch import Draft
from store.checksum import is_whole
from store.dialects.postgresql import Postgresql
from store.dialects.postgresql_append import Append
from tests.postgresql import Server

BIG = 1 << 40


@pytest.fixture
def connection(shared: str):
    database = Postgresql(shared)
    with database.connect() as connection:
        connection.execute("UPDATE counter SET issued = %s", (BIG,))
        yield connection


def rows(connection: psycopg.Connection, table: str) -> list[tuple]:
    return connection.execute(f"SELECT * FROM {table} ORDER BY revision".encode(), binary=True).fetchall()


def write(append: Append, draft: Draft, *, tell: bool = False) -> bool:
    return append.run(append.ready(draft, tell=tell))


@pytest.mark.parametrize("count", [1, 2, 255, 3000])
def test_what_is_written_is_what_is_there(connection: psycopg.Connection, count: int):
    draw = random.Random(count)
    values = [None, b"", b"\0", bytes(range(256)), draw.randbytes(100_000)]
    keys = ["/a", "/été", "/\U0001f600", "/" + "k" * 5000]
    wanted = [
        (BIG + number, draw.choice(keys), draw.choice(values), draw.choice((1, BIG + number)), 1_700_000_000_000)
        for number in range(1, count + 1)
    ]
    assert write(Append(connection, "told"), Draft(BIG, BIG + count, wanted))

    found = rows(connection, "changes")
    assert [row[:-1] for row in found] == wanted
    assert all(map(is_whole, found))
    assert rows(connection, "changes")[-1][0] == connection.execute("SELECT issued FROM counter").fetchone()[0]


def test_nothing_is_done_unless_the_count_stands_at_the_base(connection: psycopg.Connection):
    append = Append(connection, "told")
    draft = Draft(BIG - 1, BIG + 1, [(BIG, "/a", b"1", BIG, 5)], notes=[(BIG + 1, "/n", b"1", BIG + 1, 5)])

    assert not write(append, draft)
    assert (rows(connection, "changes"), rows(connection, "notes")) == ([], [])
    assert connection.execute("SELECT issued FROM counter").fetchone() == (BIG,)


def test_a_note_takes_the_place_of_the_last_and_a_change_ends_it(connection: psycopg.Connection):
    append = Append(connection, "told")
    one, two = (BIG + 1, "/a", b"1", BIG + 1, 5), (BIG + 2, "/b", b"2", BIG + 2, 5)
    assert write(append, Draft(BIG, BIG + 2, [], notes=[one, two]))
    three, four = (BIG + 3, "/a", b"3", BIG + 1, 6), (BIG + 4, "/b", b"4", BIG + 2, 6)
    assert write(append, Draft(BIG + 2, BIG + 4, [three], notes=[four], overtaken=["/a"]))

    assert [row[:-1] for row in rows(connection, "changes")] == [three]
    found = connection.execute("SELECT revision, key, value, created, moment FROM notes", binary=True).fetchall()
    assert found == [four]


def test_it_is_told_only_when_it_is_to_be(connection: psycopg.Connection, postgres: Server):
    append = Append(connection, "told")
    with postgres.connect() as listener:
        listener.execute("LISTEN told")
        assert write(append, Draft(BIG, BIG + 1, [(BIG + 1, "/a", b"1", 1, 5)], notes=()))
        assert write(append, Draft(BIG + 1, BIG + 2, [(BIG + 2, "/a", b"1", 1, 5)]), tell=True)
        heard = [notice.payload for notice in listener.notifies(timeout=10, stop_after=1)]

    assert heard == [str(BIG + 2)]


def test_an_error_of_the_server_is_the_drivers(connection: psycopg.Connection):
    append = Append(connection, "told")
    assert write(append, Draft(BIG, BIG + 1, [(BIG + 1, "/a", b"1", 1, 5)]))
    connection.execute("UPDATE counter SET issued = %s", (BIG,))

    with pytest.raises(psycopg.errors.UniqueViolation, match="already exists"):
        write(append, Draft(BIG, BIG + 1, [(BIG + 1, "/b", b"2", 1, 5)]))
    assert connection.execute("SELECT issued FROM counter").fetchone() == (BIG,)
