"""Values are sealed on disk and plain in memory; what does not open is named, and is never taken for a value."""

import os
import sqlite3
from pathlib import Path
from typing import Any

import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from store import Event, Key, Log, Lost, Row, Rule, Sealed, Write
from store.checksum import checksum
from store.sealing import AS_IS, MARK, SEALED, Sealing
from tests.postgresql import Server
from tests.store.conftest import FOREVER

ONE, TWO = Key("one", bytes(range(32))), Key("two", bytes(range(16)))
RULES = [Rule("/secrets/", (ONE, None)), Rule("/strict/", (TWO,)), Rule("/plain/", (None, TWO))]
VALUES = st.one_of(st.binary(), st.binary().map(MARK.__add__), st.binary().map(AS_IS.__add__),
                   st.binary().map(SEALED.__add__))  # fmt: skip


def raw(database: str, key: str) -> bytes:
    """The newest value as it lies there."""
    question = "SELECT value FROM changes WHERE key = {} ORDER BY revision DESC LIMIT 1"
    if database.startswith("postgresql"):
        with psycopg.connect(database) as connection:
            return connection.execute(question.format("%s"), (key,)).fetchall()[0][0]  # type: ignore[no-any-return]
    connection = sqlite3.connect(database)
    try:
        return connection.execute(question.format("?"), (key,)).fetchall()[0][0]
    finally:
        connection.close()


def put(database: str, key: str, value: bytes) -> None:
    """Somebody who can write to the database changes the newest value, and its checksum too."""
    question = "SELECT revision, created, moment FROM changes WHERE key = {0} ORDER BY revision DESC LIMIT 1"
    change = "UPDATE changes SET value = {0}, checksum = {0} WHERE revision = {0}"
    is_shared = database.startswith("postgresql")
    mark = "%s" if is_shared else "?"
    connection: Any = psycopg.connect(database) if is_shared else sqlite3.connect(database)
    with connection:
        revision, created, moment = connection.execute(question.format(mark), (key,)).fetchone()
        changed = (value, checksum(revision, key, value, created, moment), revision)
        assert connection.execute(change.format(mark), changed).rowcount == 1
    connection.close()


# --- the form


@given(st.sampled_from(["/secrets/", "/plain/", "/other/"]), st.text(), VALUES)
def test_any_bytes_come_back_as_they_were(prefix: str, name: str, value: bytes):
    key = prefix + name.encode("utf-8", "replace").decode()
    for sealing in (Sealing(RULES), Sealing(), Sealing(RULES, ("/secrets/", "/other/")), Sealing((), ("/",))):
        assert sealing.open(key, sealing.seal(key, value)) == value


@given(VALUES)
def test_a_value_written_by_other_rules_comes_back_too(value: bytes):
    """Rules change; a value has one reading."""
    none, turned = Sealing(), Sealing([Rule("/", (None, ONE))])
    traceless = Sealing(RULES, ("/",))
    pairs = ((none, Sealing(RULES)), (Sealing(RULES), turned), (turned, traceless), (traceless, turned))
    for before, after in pairs:
        assert after.open("/secrets/a", before.seal("/secrets/a", value)) == value


@given(st.binary(min_size=1), st.data())
def test_a_changed_or_shortened_value_never_opens(value: bytes, data: st.DataObject):
    sealing = Sealing(RULES)
    sealed = sealing.seal("/strict/a", value)
    place = data.draw(st.integers(0, len(sealed) - 1))
    flipped = sealed[:place] + bytes([sealed[place] ^ 1 << data.draw(st.integers(0, 7))]) + sealed[place + 1 :]

    assert isinstance(sealing.open("/strict/a", flipped), Lost)
    assert isinstance(sealing.open("/strict/a", sealed[:place]), Lost)


@given(st.binary(min_size=1), st.data())
def test_a_changed_or_shortened_value_with_padding_never_opens_as_another(value: bytes, data: st.DataObject):
    sealing = Sealing(RULES, ("/strict/",))
    sealed = sealing.seal("/strict/a", value)
    place = data.draw(st.one_of(st.integers(0, 40), st.integers(1, 40).map(len(sealed).__sub__)))
    flipped = sealed[:place] + bytes([sealed[place] ^ 1 << data.draw(st.integers(0, 7))]) + sealed[place + 1 :]
    opened = sealing.open("/strict/a", flipped)

    assert isinstance(opened, Lost) or (opened == value and sealed[place] == 0), "a zero is no part of the value"
    assert isinstance(sealing.open("/strict/a", sealed[:place]), Lost)


def test_a_value_is_bound_to_its_key():
    sealing = Sealing(RULES)
    sealed = sealing.seal("/secrets/a", b"hunter2")

    lost = sealing.open("/secrets/b", sealed)
    assert isinstance(lost, Lost)
    assert not lost.is_curable
    assert "moved from elsewhere" in lost.why


def test_the_same_value_is_never_sealed_alike():
    sealing = Sealing(RULES)

    assert len({sealing.seal("/secrets/a", b"x") for _ in range(1000)}) == 1000


def test_a_key_is_known_by_its_secret_not_by_its_name():
    sealed = Sealing([Rule("/", (ONE,))]).seal("/a", b"x")
    renamed, replaced = Key("other", bytes(range(32))), Key("one", bytes(32))
    lost = Sealing([Rule("/", (replaced,))]).open("/a", sealed)

    assert Sealing([Rule("/", (renamed,))]).open("/a", sealed) == b"x"
    assert isinstance(lost, Lost)
    assert lost.is_curable
    assert lost.why == f"is sealed with key {ONE.id.hex()}, which is not among the keys given"


def test_where_only_sealed_values_are_taken_a_plain_one_is_not():
    assert isinstance(Sealing(RULES).open("/strict/a", b"{}"), Lost)
    assert Sealing(RULES).open("/secrets/a", b"{}") == b"{}"


def test_a_lost_value_is_not_written():
    with pytest.raises(ValueError, match="not to be written"):
        Sealing(RULES).seal("/other", Lost.of(b"x", "is damaged"))


# --- in the log


async def test_what_is_sealed_on_disk_is_plain_for_everybody(database: str):
    log = await Log.open(database, retention=FOREVER, rules=RULES)
    told: list[Event] = []
    log.subscribe(told.extend)
    await log.append(Write("/secrets/a", b"hunter2"), Write("/other/a", b"seen"))
    await log.append(Write("/secrets/a", b"hunter3"), Write("/other/b", SEALED + b"not sealed at all"))
    await log.note(Write("/secrets/a", b"hunter4"))

    assert await log.latest("/secrets/a") == Row("/secrets/a", b"hunter4", 5, 1)
    assert await log.at("/secrets/a", 2) == Row("/secrets/a", b"hunter2", 1, 1)
    assert await log.items("/secrets/", revision=4) == [Row("/secrets/a", b"hunter3", 3, 1)]
    assert await log.events(0) == told
    assert [event.value for event in told if event.key == "/secrets/a"] == [b"hunter2", b"hunter3", b"hunter4"]
    assert raw(database, "/secrets/a").startswith(ONE.head())
    assert raw(database, "/other/a") == b"seen"
    await log.close()
    again = await Log.open(database, retention=FOREVER, rules=RULES)
    assert (await again.items("/other/b"))[0].value == SEALED + b"not sealed at all"
    newest = b"hunter4" if again.is_shared else b"hunter3"
    assert (await again.items("/secrets/"))[0].value == newest
    await again.close()


async def test_a_store_with_sealed_values_is_not_opened_without_the_key(database: str):
    log = await Log.open(database, rules=[Rule("/", (ONE,))])
    await log.append(*(Write(f"/secrets/{number}", b"x") for number in range(3)))
    await log.close()
    for rules in ([], [Rule("/secrets/", (TWO, None))]):
        with pytest.raises(Sealed) as raised:
            await Log.open(database, rules=rules)
        line = str(raised.value)
        assert line.startswith("/secrets/0 is sealed with key ")
        assert ONE.id.hex() in line
        assert line.endswith("(and 2 more)")
    again = await Log.open(database, rules=[Rule("/secrets/", (TWO, ONE))])
    assert (await again.items("/secrets/0"))[0].value == b"x"
    await again.close()


async def test_plain_values_are_refused_where_only_sealed_ones_are_taken(database: str):
    log = await Log.open(database)
    await log.append(Write("/secrets/a", b"x"))
    await log.close()

    with pytest.raises(Sealed, match=r"^/secrets/a is not encrypted"):
        await Log.open(database, rules=[Rule("/secrets/", (ONE,))])


@pytest.mark.parametrize("how", ["tampered", "moved", "truncated"])
async def test_one_value_that_does_not_open_is_named_and_the_rest_is_served(database: str, how: str):
    log = await Log.open(database, retention=FOREVER, rules=RULES)
    await log.append(Write("/secrets/a", b"one"), Write("/secrets/b", b"two"))
    await log.close()
    sealed = raw(database, "/secrets/a")
    damaged = {"tampered": sealed[:-1] + bytes([sealed[-1] ^ 1]), "truncated": sealed[:-1],
               "moved": raw(database, "/secrets/b")}[how]  # fmt: skip
    put(database, "/secrets/a", damaged)

    log = await Log.open(database, retention=FOREVER, rules=RULES)
    a, b = await log.items("/secrets/")
    assert (a.key, a.revision, b) == ("/secrets/a", 1, Row("/secrets/b", b"two", 2, 2))
    assert isinstance(a.value, Lost)
    assert "is not what was written there" in a.value.why
    assert [event.revision for event in await log.events(0)] == [1, 2]
    await log.append(Write("/secrets/a", b"new", expected=1))
    assert await log.latest("/secrets/a") == Row("/secrets/a", b"new", 3, 1)
    await log.close()


async def test_the_values_of_others_are_opened(shared: str):
    one, two = await Log.open(shared, rules=RULES), await Log.open(shared, rules=RULES)
    told: list[Event] = []
    two.subscribe(told.extend)
    await one.append(Write("/secrets/a", b"1"))
    await one.note(Write("/secrets/a", b"2"))
    await two.current()
    assert [event.value for event in told] == [b"1", b"2"]
    await one.append(Write("/secrets/a", b"3"))
    assert await two.append(Write("/secrets/b", b"4")) == [4], "also what was heard of while committing"
    assert [event.value for event in told] == [b"1", b"2", b"3", b"4"]
    await one.close()
    await two.close()


async def test_who_lacks_the_key_that_others_use_ends_with_one_line(shared: str):
    one, two = await Log.open(shared, rules=RULES), await Log.open(shared)
    told: list[Event] = []
    two.subscribe(told.extend)
    await one.append(Write("/secrets/a", b"1"))

    error = await two.failed
    assert isinstance(error, Sealed)
    assert str(error).startswith("/secrets/a is sealed with key")
    assert told == []
    with pytest.raises(Sealed):
        await two.current()
    await one.close()
    await two.close()


async def test_notes_outlive_a_crash_of_the_server_sealed(shared_alone: tuple[str, Server]):
    shared, postgres = shared_alone
    log = await Log.open(shared, rules=RULES)
    await log.append(Write("/secrets/a", b"durable"))
    await log.note(Write("/secrets/a", b"noted"))
    postgres.crash()
    await log.current()
    revision = log.revision
    while log.revision == revision:
        await log.current()

    assert (await log.latest("/secrets/a")).value == b"noted"  # type: ignore[union-attr]
    with psycopg.connect(shared) as connection:
        (row,) = connection.execute("SELECT value FROM notes").fetchall()
    assert row[0].startswith(ONE.head())
    await log.close()


async def test_no_plain_value_is_in_any_file(path: Path):
    secret = b"hunter2-is-the-password"
    log = await Log.open(path, rules=RULES)
    for number in range(200):
        await log.append(
            Write(f"/secrets/{number % 50}", secret * (1 + number * 37 % 400)), Write("/x", os.urandom(99))
        )
        await log.note(Write(f"/secrets/{number % 50}", secret))

    assert (await log.latest("/secrets/1")).value == secret  # type: ignore[union-attr]
    assert [file.name for file in path.parent.iterdir() if secret in file.read_bytes()] == []
    await log.close()
