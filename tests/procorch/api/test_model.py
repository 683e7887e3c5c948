"""The API beside a model of it: a dict of objects and a list of changes, whatever is done in whatever order."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

import store
from procorch.api import MASTERS, Api, LocalTransport, User
from procorch.client import Client
from procorch.objects import AlreadyExists, ApiError, Conflict, Expired, NotFound
from tests.postgresql import Server

LONG = os.environ.get("FAULTS") == "long"
NAMES = st.sampled_from([f"c{number}" for number in range(6)])
NAMESPACES = st.sampled_from(["default", "other"])
TEXTS = st.sampled_from(["", "a", "ä\u2028", "x" * 300])
COLORS = st.sampled_from(["red", "blue"])

Key = tuple[str, str]


class Machine(RuleBasedStateMachine):
    """objects: key → (data, color, revision) as they must stand. changes: (revision, key, type), in order.

    url: of an empty database, of which so many masters share one. They take turns, and what one was told the others
    know: each step goes to the next of them.
    """

    pages = Bundle("pages")
    watches = Bundle("watches")

    def __init__(self, url: str, masters: int) -> None:
        super().__init__()
        self.url = url
        self.masters: list[tuple[store.Log, Api, Client]] = []
        self.turn = 0
        self.loop = asyncio.new_event_loop()
        self.objects: dict[Key, tuple[str, str, int]] = {}
        self.states: dict[int, dict[Key, tuple[str, str, int]]] = {}
        self.changes: list[tuple[int, Key, str]] = []
        self.compacted = 0
        for _ in range(masters):
            self.masters.append(self.run(self._started()))
        for name in ("default", "other"):
            about = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
            made = self.run(self.client.create(about))
        self.revision = self._revision(made)
        self.states[self.revision] = {}

    def run(self, work: Any) -> Any:
        return self.loop.run_until_complete(asyncio.wait_for(work, 20))

    async def _started(self) -> tuple[store.Log, Api, Client]:
        log = await store.Log.open(self.url)
        api = Api(log)
        await api.start()
        return log, api, Client(LocalTransport(api, User("admin", (MASTERS,))))

    async def _stop(self, master: tuple[store.Log, Api, Client]) -> None:
        log, api, _ = master
        await api.close()
        await log.close()

    @property
    def log(self) -> store.Log:
        """The log of the master that was asked last."""
        return self.masters[self.turn][0]

    @property
    def client(self) -> Client:
        """The next master's."""
        self.turn = (self.turn + 1) % len(self.masters)
        return self.masters[self.turn][2]

    def teardown(self) -> None:
        for master in self.masters:
            self.run(self._stop(master))
        self.loop.close()

    @staticmethod
    def _revision(obj: dict[str, Any]) -> int:
        return int(obj["metadata"]["resourceVersion"])

    def _note(self, type_: str, key: Key, revision: int, data: str = "", color: str = "") -> None:
        assert revision > self.revision, "a revision is never given twice, and only grows"
        self.revision = revision
        if type_ == "DELETED":
            del self.objects[key]
        else:
            self.objects[key] = (data, color, revision)
        self.changes.append((revision, key, type_))
        self.states[revision] = dict(self.objects)

    def _body(self, key: Key, data: str, color: str, version: int | None = None) -> dict[str, Any]:
        about: dict[str, Any] = {"namespace": key[0], "name": key[1], "labels": {"color": color}}
        if version is not None:
            about["resourceVersion"] = str(version)
        return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": about, "data": {"text": data}}

    # --- what clients do

    @rule(namespace=NAMESPACES, name=NAMES, data=TEXTS, color=COLORS)
    def create(self, namespace: str, name: str, data: str, color: str) -> None:
        key = (namespace, name)
        if key in self.objects:
            with pytest.raises(AlreadyExists):
                self.run(self.client.create(self._body(key, data, color)))
            return
        made = self.run(self.client.create(self._body(key, data, color)))
        self._note("ADDED", key, self._revision(made), data, color)

    @rule(namespace=NAMESPACES, name=NAMES, data=TEXTS, color=COLORS, stale=st.sampled_from([None, 0, 1]))
    def update(self, namespace: str, name: str, data: str, color: str, stale: int | None) -> None:
        """stale: with the newest version (0), with an older one (1), or with none."""
        key = (namespace, name)
        known = self.objects.get(key)
        version = None if stale is None or known is None else known[2] - stale
        body = self._body(key, data, color, version)
        if known is None:
            with pytest.raises(NotFound):
                self.run(self.client.update(body))
        elif stale == 1:
            with pytest.raises(Conflict):
                self.run(self.client.update(body))
        else:
            self._changed(key, data, color, self.run(self.client.update(body)))

    @rule(namespace=NAMESPACES, name=NAMES, data=TEXTS, kind=st.sampled_from(["merge", "json", "strategic"]))
    def patch(self, namespace: str, name: str, data: str, kind: str) -> None:
        key = (namespace, name)
        patch: Any = {"data": {"text": data}}
        if kind == "json":
            patch = [{"op": "replace", "path": "/data/text", "value": data}]
        call = self.client.patch("ConfigMap", f"{namespace}/{name}", patch, type=kind)
        if key not in self.objects:
            with pytest.raises(NotFound):
                self.run(call)
        else:
            self._changed(key, data, self.objects[key][1], self.run(call))

    def _changed(self, key: Key, data: str, color: str, answer: dict[str, Any]) -> None:
        """What changes nothing keeps its revision."""
        before = self.objects[key]
        if (data, color) == before[:2]:
            assert self._revision(answer) == before[2]
        else:
            self._note("MODIFIED", key, self._revision(answer), data, color)

    @rule(namespace=NAMESPACES, name=NAMES)
    def delete(self, namespace: str, name: str) -> None:
        key = (namespace, name)
        call = self.client.delete("ConfigMap", f"{namespace}/{name}")
        if key not in self.objects:
            with pytest.raises(NotFound):
                self.run(call)
            return
        self.run(call)
        self._note("DELETED", key, self.log.revision)

    # --- what clients read

    @rule(namespace=st.one_of(st.none(), NAMESPACES), color=st.one_of(st.just(""), COLORS))
    def list_some(self, namespace: str | None, color: str) -> None:
        found = self.run(self.client.items("ConfigMap", namespace, f"color={color}" if color else ""))

        assert self._seen(found.objects) == self._wanted(self.objects, namespace, color)
        assert int(found.resource_version) >= self.revision

    @precondition(lambda self: any(revision >= self.compacted for revision in self.states))
    @rule(data=st.data())
    def list_the_past(self, data: st.DataObject) -> None:
        revision = data.draw(st.sampled_from(sorted(one for one in self.states if one >= self.compacted)))
        query = {"resourceVersionMatch": "Exact"}
        found = self.run(self.client.items("ConfigMap", resource_version=str(revision), query=query))

        assert self._seen(found.objects) == self.states[revision]

    @rule(target=pages, limit=st.integers(1, 3))
    def begin_pages(self, limit: int) -> Any:
        found = self.run(self.client.items("ConfigMap", limit=limit))
        return (limit, found.objects, found.continue_token, dict(self.objects), self.revision)

    @rule(page=consumes(pages))
    def finish_pages(self, page: Any) -> None:
        """All pages are of one moment, whatever happened since; or, compacted away, 410."""
        limit, objects, token, wanted, revision = page
        objects = list(objects)
        try:
            while token:
                found = self.run(self.client.items("ConfigMap", limit=limit, continue_token=token))
                objects, token = objects + found.objects, found.continue_token
        except Expired:
            assert revision < self.compacted
            return
        assert self._seen(objects) == wanted

    @rule(target=watches)
    def remember_a_revision(self) -> int:
        return self.revision

    @rule(since=watches)
    def watch_since(self, since: int) -> None:
        """Every change after a revision, once, in order; or, compacted away, 410."""
        wanted = [change for change in self.changes if change[0] > since]

        async def watched() -> list[tuple[int, Key, str]]:
            seen: list[tuple[int, Key, str]] = []
            async with contextlib.aclosing(self.client.watch("ConfigMap", resource_version=str(since))) as events:
                while len(seen) < len(wanted):
                    type_, obj = await anext(events)
                    about = obj["metadata"]
                    seen.append((self._revision(obj), (about["namespace"], about["name"]), type_))
            return seen

        if not wanted:
            return
        try:
            assert self.run(watched()) == wanted
        except Expired:
            assert since < self.compacted

    # --- what happens to the master

    @rule()
    def restart(self) -> None:
        """Of one of them: the others go on."""
        self.run(self._stop(self.masters[self.turn]))
        self.masters[self.turn] = self.run(self._started())

    @rule()
    def compact(self) -> None:
        self.run(self.log.compact(self.revision))
        self.compacted = self.revision

    @rule(name=NAMES, body=st.sampled_from([b"{", b"[]", b'{"metadata":{"name":"A B"}}', b'{"data":{"a":1}}']))
    def send_junk(self, name: str, body: bytes) -> None:
        with pytest.raises(ApiError) as refused:
            self.run(self.client.raw("PUT", f"/api/v1/namespaces/default/configmaps/{name}", body=body))
        assert 400 <= refused.value.code < 500

    # --- what always holds

    @invariant()
    def each_object_is_as_it_should_be(self) -> None:
        for (namespace, name), (data, color, revision) in self.objects.items():
            obj = self.run(self.client.get("ConfigMap", f"{namespace}/{name}"))
            assert (obj["data"]["text"], obj["metadata"]["labels"]["color"]) == (data, color)
            assert self._revision(obj) == revision

    @staticmethod
    def _seen(objects: list[dict[str, Any]]) -> dict[Key, tuple[str, str, int]]:
        found = {}
        for obj in objects:
            about = obj["metadata"]
            key = (about["namespace"], about["name"])
            assert key not in found
            found[key] = (obj["data"]["text"], about["labels"]["color"], int(about["resourceVersion"]))
        return found

    @staticmethod
    def _wanted(
        objects: dict[Key, tuple[str, str, int]], namespace: str | None, color: str
    ) -> dict[Key, tuple[str, str, int]]:
        return {
            key: row
            for key, row in objects.items()
            if (namespace is None or key[0] == namespace) and (not color or row[1] == color)
        }


def agree(fresh: Callable[[], str], masters: int, examples: int) -> None:
    """fresh: makes the URL of an empty database. examples: as many in the long run, a few otherwise."""
    wanted = settings(
        max_examples=examples if LONG else max(4, examples // 35),
        stateful_step_count=60 if LONG else 30,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    run_state_machine_as_test(lambda: Machine(fresh(), masters), settings=wanted)


def test_the_api_agrees_on_sqlite(tmp_path: Path) -> None:
    names = itertools.count()
    agree(lambda: str(tmp_path / f"{next(names)}.db"), 1, 400)


@pytest.mark.parametrize("masters", [1, 2])
def test_the_api_agrees_on_postgresql(postgres: Server, masters: int) -> None:
    names = itertools.count()
    agree(lambda: postgres.schema(f"api{masters}_{next(names)}"), masters, 200)
