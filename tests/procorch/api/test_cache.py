"""The watch cache beside a real log."""

from __future__ import annotations

import orjson
import pytest

import store
from procorch.api import cache as cache_module
from procorch.api.cache import Cache, Entry
from procorch.api.encoding import encode
from procorch.kinds import KINDS
from procorch.objects import Timeout

CONFIG_MAP = KINDS["ConfigMap"]


def write(name, value=b"1", namespace="default"):
    return store.Write(
        CONFIG_MAP.store_key(namespace, name), b'{"metadata":{"name":"%b"},"v":%b}' % (name.encode(), value)
    )


@pytest.fixture
async def log():
    log = await store.Log.open(":memory:")
    yield log
    await log.close()


@pytest.fixture
async def cache(log):
    cache = Cache(log, KINDS)
    await cache.start()
    yield cache
    cache.close()


async def test_a_write_is_in_the_cache_when_its_append_returns(log, cache):
    (revision,) = await log.append(write("a"))

    entry = cache.shelf(CONFIG_MAP).entries["default/a"]
    assert entry.revision == revision == cache.revision
    assert entry.object["metadata"]["resourceVersion"] == str(revision)


def test_an_entry_is_decoded_without_its_managed_fields_unless_they_are_asked_for():
    rows = [{"manager": "m", "fieldsV1": {"f:data": {}}}]
    obj = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"managedFields": rows, "name": "a"},
        "data": {"k": "v"},
    }
    entry = Entry("d/a", encode(KINDS["ConfigMap"], obj), 7)

    assert entry.object["metadata"] == {"resourceVersion": "7", "name": "a"} and entry.object is entry.object
    assert entry.whole["metadata"] == {"resourceVersion": "7", "name": "a", "managedFields": rows}
    assert entry.whole == entry.copy() and entry.whole["data"] is entry.object["data"]
    assert entry.copy(entry.whole["metadata"]["managedFields"]) == entry.copy(), "not decoded a second time"
    assert orjson.loads(orjson.dumps(entry.for_json)) == entry.whole
    assert Entry("d/b", encode(KINDS["ConfigMap"], {"metadata": {"name": "b"}}), 7).whole["metadata"]["name"] == "b"


async def test_a_cache_that_starts_late_has_everything(log):
    await log.append(write("b"), write("a"), write("a", namespace="default-2"))
    cache = Cache(log, KINDS)
    await cache.start()
    await log.append(write("c"))

    shelf = cache.shelf(CONFIG_MAP)
    assert [entry.key for entry in shelf.in_namespace(None)] == [
        "default-2/a", "default/a", "default/b", "default/c",
    ]  # fmt: skip
    assert [entry.key for entry in shelf.in_namespace("default", after="default/a")] == ["default/b", "default/c"]
    cache.close()


async def test_the_log_and_the_window_tell_the_same_changes(log, cache):
    (first,) = await log.append(write("a"))
    await log.append(write("a", b"2"))
    await log.append(store.Write(CONFIG_MAP.store_key("default", "a"), None))
    shelf = cache.shelf(CONFIG_MAP)

    def told(changes):
        return [(c.revision, c.new and c.new.data, c.old and c.old.data) for c in changes]

    near = told(await cache.since(shelf, first))
    shelf.window_after = shelf.changed
    assert told(await cache.since(shelf, first)) == near and len(near) == 2


async def test_a_read_of_the_future_waits_a_little(log, cache, monkeypatch):
    monkeypatch.setattr("procorch.api.cache.FRESH_TIMEOUT", 0.01)

    assert await cache.fresh() == log.revision
    with pytest.raises(Timeout):
        await cache.fresh(log.revision + 5)


def test_decoded_objects_are_kept_within_a_budget(monkeypatch: pytest.MonkeyPatch) -> None:
    """A list with a selector looks at all objects; as dicts they would stay in memory for ever."""
    entries = [Entry(f"d/{number}", b'{"metadata":{"name":"%04d"}}' % number, number + 1) for number in range(50)]
    monkeypatch.setattr(cache_module, "_decoded", cache_module._Decoded(10 * entries[0].size))
    for entry in entries:
        assert entry.object["metadata"]["name"] == entry.key[2:].zfill(4)

    assert [entry._object is not None for entry in entries] == [False] * 40 + [True] * 10
    assert entries[0].decoded() == {"metadata": {"resourceVersion": "1", "name": "0000"}}
    assert entries[0]._object is None, "a single look is not kept"
    assert entries[49].object is entries[49].object
