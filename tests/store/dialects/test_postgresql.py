import logging
from urllib.parse import quote

import psycopg
import pytest

from store import Log, LogError, Unavailable, Unusable, Write
from tests.postgresql import Server


@pytest.mark.parametrize(
    ("url", "error", "line"),
    [
        pytest.param(
            "postgresql://nobody@/{no}?host={host}", Unavailable, 'database "absent" does not exist', id="none"
        ),
        pytest.param("postgresql://stranger@/postgres?host={host}", Unavailable, "stranger", id="no such user"),
        pytest.param("postgresql://u@/postgres?host=/absent", Unavailable, "/absent", id="no server"),
        pytest.param("postgresql://u@/postgres?hosst=/absent", Unusable, "postgresql://user", id="a misspelled option"),
        pytest.param("mysql://u@/x", Unusable, "no such database here", id="another database"),
    ],
)
async def test_a_database_that_cannot_be_opened_is_one_line(postgres: Server, url: str, error, line: str):
    host = quote(str(postgres.directory), safe="")
    url = url.format(no="absent", host=host).replace("nobody", "postgres")
    with pytest.raises(error) as raised:
        await Log.open(url)

    assert line in str(raised.value)
    assert "\n" not in str(raised.value)


async def test_tables_of_another_program_are_left_alone(shared: str):
    with psycopg.connect(shared) as connection:
        connection.execute("CREATE TABLE state (name text)")
    with pytest.raises(Unusable, match="another program"):
        await Log.open(shared)


async def test_a_newer_schema_is_refused(shared: str):
    log = await Log.open(shared)
    await log.close()
    with psycopg.connect(shared) as connection:
        connection.execute("UPDATE state SET value = 1000 WHERE name = 'schema'")
    with pytest.raises(Unusable, match="newer version"):
        await Log.open(shared)


async def test_an_encoding_that_cannot_hold_every_name_is_refused(postgres: Server):
    with postgres.connect() as connection:
        connection.execute("CREATE DATABASE ascii ENCODING 'SQL_ASCII' TEMPLATE template0")
    with pytest.raises(Unusable, match="UTF8"):
        await Log.open(postgres.url().replace("/postgres?", "/ascii?"))


async def test_the_first_of_several_hosts_that_takes_writes_is_used(postgres: Server):
    host = quote(str(postgres.directory), safe="")
    log = await Log.open(postgres.schema("hosts").replace(host, f"%2Fabsent,{host}"))

    assert await log.append(Write("/a", b"1")) == [1]
    await log.close()


async def test_a_user_without_rights_is_told(postgres: Server):
    url = postgres.schema("rights")
    with postgres.connect() as connection:
        connection.execute("CREATE USER weak")
        connection.execute("GRANT USAGE ON SCHEMA rights TO weak")
    with pytest.raises(Unusable, match="permission denied"):
        await Log.open(url.replace("postgres@", "weak@"))


async def test_a_server_that_syncs_nothing_is_warned_of(caplog: pytest.LogCaptureFixture):
    server = Server(fsync="off")
    try:
        with caplog.at_level(logging.WARNING):
            log = await Log.open(server.url())
        await log.close()
    finally:
        server.stop()

    assert "the server may lose acknowledged writes" in caplog.text


async def test_a_session_that_turned_syncing_off_turns_it_on(shared: str):
    log = await Log.open(f"{shared}%20-csynchronous_commit%3Doff")
    await log.append(Write("/a", b"1"))
    found = await log._writer.perform(lambda session: session._connection.execute("SHOW synchronous_commit").fetchone())
    await log.close()

    assert found == ("on",)


async def test_a_connection_that_the_server_ended_meanwhile_costs_no_write(shared: str, postgres: Server):
    log = await Log.open(shared)
    await log.append(Write("/a", b"1"))
    with postgres.connect() as connection:
        connection.execute(
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE application_name = 'procorch'"
        )

    assert await log.append(Write("/a", b"2")) == [2]
    await log.close()


async def test_a_large_database_is_measured_by_a_sample(shared: str, monkeypatch):
    log = await Log.open(shared)
    for start in range(0, 1500, 100):
        await log.append(*(Write(f"/{number}", bytes(1000)) for number in range(start, start + 100)))
    whole = await log._writer.perform(lambda session: session.used())
    monkeypatch.setattr("store.dialects.postgresql_session.SAMPLE_FROM", 0)
    monkeypatch.setattr("store.dialects.postgresql_session.SAMPLE", 50)
    sampled = await log._writer.perform(lambda session: session.used())
    with pytest.raises(LogError):
        await log._writer.perform(lambda session: session._one("SELECT 1 WHERE false"))
    await log.close()

    assert whole >= 1_500_000
    assert 1_000_000 < sampled <= whole
