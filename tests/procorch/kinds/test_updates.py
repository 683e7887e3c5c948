"""What kube-apiserver 1.36.2 answered to a few hundred updates that it refuses: the same causes, in the same words.

updates/PLURAL.jsonl: first objects (`base`: by which number the rows name them; `then`: the requests after their
creation, as [method, part, media type, body]), then rows: `put` is written `at` a path into object `of` as it stands
(`@del` and `@drop` take away, `@dup` appends a list's first element once more, `@rev` turns a list round), and a
dry-run PUT of it, or of its part `of_part`, was answered with these `causes` ("field: message", of which the first line
counts: what follows is a difference in Go's words), or with a refusal that has no causes but this `message`.
There is one row for each message of each field that no create has in test_answers.py.
"""

from __future__ import annotations

import copy
import json
import time
from pathlib import Path
from typing import Any

import pytest

import store
from procorch import pki
from procorch.api import MASTERS, Api, ApiConfig, LocalTransport, User
from procorch.client import Client
from procorch.kinds import KINDS
from procorch.objects import Object

UPDATES = sorted((Path(__file__).parent / "updates").glob("*.jsonl"))
QUERY = {"dryRun": "All", "fieldManager": "t"}


def changed(obj: Object, path: list[Any], value: Any) -> Object:
    obj = copy.deepcopy(obj)
    here: Any = obj
    for step in path[:-1]:
        if isinstance(here, dict):
            here.setdefault(step, {})
        here = here[step]
    last = path[-1]
    if value in ("@del", "@drop"):
        del here[last]
    elif value == "@dup":
        here.append(copy.deepcopy(here[0]))
    elif value == "@rev":
        here[last] = here[last][::-1]
    elif isinstance(here, list) and last == len(here):
        here.append(value)
    else:
        here[last] = value
    return obj


class Cluster:
    def __init__(self, transport: LocalTransport) -> None:
        self._transport = transport
        self._live: dict[int, Object] = {}

    async def send(
        self, method: str, path: str, body: Any, media: str = "application/json", **query: str
    ) -> tuple[int, Object]:
        sent = json.dumps(body).encode() if body is not None else b""
        headers = {"Content-Type": media}
        answer = await self._transport.send(method, path, query=query, headers=headers, body=sent)
        return answer.status, json.loads(answer.body)

    async def make(self, row: dict[str, Any]) -> None:
        obj = row["object"]
        kind, name = KINDS.of(obj), obj["metadata"]["name"]
        status, answer = await self.send("POST", kind.path("default"), obj)
        assert status == 201, answer
        for method, part, media, body in row.get("then", ()):
            status, answer = await self.send(method, kind.path("default", name, part or None), body, media)
            assert status < 300, answer
        _, live = await self.send("GET", kind.path("default", name), None)
        for field in ("managedFields", "resourceVersion"):
            live["metadata"].pop(field, None)
        self._live[row["base"]] = live

    async def answered(self, row: dict[str, Any]) -> dict[str, Any]:
        live = self._live[row["of"]]
        path = KINDS.of(live).path("default", live["metadata"]["name"], row.get("of_part"))
        status, answer = await self.send("PUT", path, changed(live, row["at"], row["put"]), **QUERY)
        causes = (answer.get("details") or {}).get("causes")
        if status == 422 and causes:
            return {"causes": sorted(f"{one['field']}: {one['message']}".split("\n")[0] for one in causes)}
        return {"message": answer.get("message")}


@pytest.mark.parametrize("file", UPDATES, ids=lambda file: file.stem)
async def test_the_answers_to_updates_are_kubernetes(file: Path, tmp_path: Path) -> None:
    ca = pki.Authority.open(tmp_path, time.time())
    pki.signing_key(tmp_path)
    log = await store.Log.open(":memory:")
    key = (tmp_path / "service-account.key").read_bytes()
    api = Api(log, config=ApiConfig(ca_pem=ca.pem, service_account_key=key))
    await api.start()
    transport = LocalTransport(api, User("admin", (MASTERS,)))
    for kind, about in (
        ("Namespace", {"name": "default"}),
        ("ServiceAccount", {"name": "default", "namespace": "default"}),
    ):
        await Client(transport).create({"apiVersion": "v1", "kind": kind, "metadata": about})
    cluster = Cluster(transport)

    wrong: list[str] = []
    for line in file.read_text().splitlines():
        row = json.loads(line)
        if "base" in row:
            await cluster.make(row)
            continue
        found, wanted = await cluster.answered(row), {name: row[name] for name in ("causes", "message") if name in row}
        if found != wanted:
            part = row.get("of_part", "")
            wrong.append(f"{row['of']} {part} {row['at']} = {row['put']}: {found}, Kubernetes: {wanted}")
    await api.close()
    await log.close()

    assert not wrong, "\n".join(wrong[:20])
