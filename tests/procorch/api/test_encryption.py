"""What an administrator asks about encryption, and an object in the store that does not open, as clients see it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

import store
from procorch.api import Api, ApiConfig, LocalTransport, User
from procorch.client import Client
from procorch.encryption import add_key, read
from procorch.objects import AlreadyExists, ApiError, BadRequest, Expired, Forbidden, MethodNotAllowed, NotFound
from tests.store.test_sealing import put, raw

ADMIN = User("admin", ("system:masters",))
PATH = "/procorch/encryption"


@asynccontextmanager
async def served(database: Path, file: Path | None, user: User = ADMIN) -> AsyncIterator[Client]:
    rules = read(file) if file is not None else []
    log = await store.Log.open(database, rules=rules)
    api = Api(log, config=ApiConfig(encryption=file))
    await api.start()
    try:
        yield Client(LocalTransport(api, user))
    finally:
        await api.close()
        await log.close()


def secret(name: str, value: str = "hunter2") -> dict[str, Any]:
    metadata = {"name": name, "namespace": "default"}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "stringData": {"password": value}}


async def fill(client: Client, count: int = 3) -> None:
    await client.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "default"}})
    for number in range(count):
        await client.create(secret(f"s{number}"))


async def rewrite(client: Client) -> dict[str, Any]:
    *_, last = [told async for told in client.progress("POST", PATH)]
    return last


@pytest.fixture
def database(tmp_path: Path) -> Path:
    return tmp_path / "store.db"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "encryption.yaml"
    add_key(path)
    return path


async def test_a_rewrite_reads_the_file_again_and_says_what_it_did(database: Path, file: Path) -> None:
    async with served(database, file) as client:
        await fill(client)
        add_key(file)
        told = await rewrite(client)
        again = await rewrite(client)
        before = await client.get("Secret", "default/s1")

    secrets = {"resource": "secrets", "key": "key2", "values": 3, "current": True}
    assert (told["changed"], told["left"], told["lost"], told["unused"]) == (3, 0, [], ["key1"])
    assert secrets in told["forms"]
    assert again["changed"] == 0
    async with served(database, file) as client:
        assert await client.get("Secret", "default/s1") == before


async def test_the_state_names_what_is_still_to_be_written(database: Path, file: Path) -> None:
    async with served(database, None) as client:
        await fill(client)
        plain = (await client.raw("GET", PATH)).body
    async with served(database, file) as client:
        await client.create(secret("new"))
        told = (await client.raw("GET", PATH)).body

    assert b'"file":""' in plain
    assert b'{"resource":"secrets","key":"","values":3,"current":false}' in told
    assert b'{"resource":"secrets","key":"key1","values":1,"current":true}' in told
    assert b'"unused":[]' in told


async def test_a_file_with_which_something_could_not_be_read_is_not_taken(database: Path, file: Path) -> None:
    other = file.with_name("other.yaml")
    add_key(other)
    async with served(database, file) as client:
        await fill(client)
        text = file.read_text()
        file.write_bytes(other.read_bytes())
        with pytest.raises(BadRequest, match="3 values of secrets need key key1, which is not there; leave it"):
            await rewrite(client)
        file.write_text(text.replace("secrets", "secret"))
        with pytest.raises(BadRequest, match="secret: no such resource here"):
            await rewrite(client)
        file.unlink()
        with pytest.raises(BadRequest, match="No such file"):
            await rewrite(client)
        await client.create(secret("still-written"))
        assert len((await client.items("Secret")).objects) == 4


async def test_plain_values_must_be_rewritten_before_identity_goes(database: Path, file: Path) -> None:
    async with served(database, None) as client:
        await fill(client)
    async with served(database, file) as client:
        text = file.read_text()
        file.write_text(text.replace("  - identity: {}\n", ""))
        with pytest.raises(BadRequest, match="3 values of secrets are not encrypted; let identity be the last"):
            await rewrite(client)
        file.write_text(text)
        assert (await rewrite(client))["changed"] == 3
        file.write_text(text.replace("  - identity: {}\n", ""))
        assert (await rewrite(client))["changed"] == 0


async def test_only_an_administrator_asks(database: Path, file: Path) -> None:
    async with served(database, file, User("somebody", ("system:authenticated",))) as client:
        for method in ("GET", "POST"):
            with pytest.raises(Forbidden):
                await client.raw(method, PATH)
    async with served(database, None) as client:
        with pytest.raises(BadRequest, match="start the master with --encryption-provider-config FILE"):
            await rewrite(client)
        with pytest.raises(MethodNotAllowed):
            await client.raw("DELETE", PATH)
        with pytest.raises(ApiError, match="could not find"):
            await client.raw("GET", "/procorch/other")


# --- an object that does not open


def damage(database: Path, name: str) -> None:
    """Its newest value's last bit is another."""
    key = f"/registry/secrets/default/{name}"
    value = raw(str(database), key)
    put(str(database), key, value[:-1] + bytes([value[-1] ^ 1]))


@pytest.fixture
async def damaged(database: Path, file: Path) -> AsyncIterator[Client]:
    async with served(database, file) as client:
        await fill(client)
        await client.create({**secret("plain"), "kind": "ConfigMap", "stringData": None, "data": {"a": "b"}})
    damage(database, "s1")
    async with served(database, file) as client:
        yield client


WHY = 'secrets "default/s1" cannot be read: what the store holds is not what was written there'


async def test_it_is_named_and_never_shown_and_the_rest_is_served(damaged: Client) -> None:
    reads: list[Callable[[], Any]] = [
        lambda: damaged.get("Secret", "default/s1"),
        lambda: damaged.items("Secret"),
        lambda: damaged.items("Secret", label_selector="a=b"),
        lambda: damaged.table("Secret", "default"),
        lambda: damaged.patch("Secret", "default/s1", {"data": {}}),
        lambda: anext(damaged.watch("Secret")),
    ]
    for read_it in reads:
        with pytest.raises(ApiError) as raised:
            await read_it()
        assert (raised.value.code, raised.value.reason) == (500, "StorageReadError")
        assert raised.value.message.startswith(WHY)

    assert (await damaged.get("Secret", "default/s0"))["metadata"]["name"] == "s0"
    assert len((await damaged.items("ConfigMap", "default")).objects) == 1
    assert (await damaged.items("Secret", "other")).objects == []
    assert len((await damaged.items("Secret", field_selector="metadata.name=s2")).objects) == 1


async def test_it_holds_its_name_until_it_is_deleted(damaged: Client) -> None:
    with pytest.raises(AlreadyExists):
        await damaged.create(secret("s1"))
    await damaged.delete("Secret", "default/s1")
    with pytest.raises(NotFound):
        await damaged.get("Secret", "default/s1")
    await damaged.create(secret("s1", "new"))

    assert [row["metadata"]["name"] for row in (await damaged.items("Secret")).objects] == ["s0", "s1", "s2"]


async def test_who_would_hear_of_it_from_the_past_must_list_anew(database: Path, file: Path) -> None:
    async with served(database, file) as client:
        await fill(client)
        begin = (await client.items("Secret")).resource_version
        await client.create(secret("later"))
    damage(database, "later")
    async with served(database, file) as client:
        with pytest.raises(Expired):
            await anext(client.watch("Secret", resource_version=begin))
