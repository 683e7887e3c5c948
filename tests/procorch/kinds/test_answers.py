"""What kube-apiserver 1.36.2 answered to a thousand small mistakes, kind by kind: the same causes, in the same words.

answers/PLURAL.jsonl: first objects that are right (`base`: by which number the rows name them), then rows: `put` is
written `at` a path into object `of` (`@del` takes the field away, `@dup` appends the list's first element once more),
and its dry-run create was answered with these `causes` ("field: message"), or was right and had these `warnings`.
There is one row for each message of each field. What we refuse on purpose is left out.
"""

from __future__ import annotations

import copy
import json
import re
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

ANSWERS = sorted((Path(__file__).parent / "answers").glob("*.jsonl"))


def changed(obj: Object, path: list[Any], value: Any) -> Object:
    obj = copy.deepcopy(obj)
    here: Any = obj
    for step in path[:-1]:
        here = here[step]
    if value == "@del":
        del here[path[-1]]
    elif value == "@dup":
        here.append(copy.deepcopy(here[0]))
    else:
        here[path[-1]] = value
    return obj


def answered(status: int, body: Object, headers: Any) -> dict[str, list[str]]:
    if status == 422:
        causes = body["details"].get("causes", [])
        return {"causes": sorted(f"{cause['field']}: {cause['message']}" for cause in causes)}
    assert status == 201, body
    texts = re.findall(r'299 - "((?:[^"\\]|\\.)*)"', headers.get("warning", ""))
    texts = [text for text in texts if ": not acted on: " not in text]  # ours: unheeded.py
    return {"warnings": sorted(text.replace('\\"', '"') for text in texts)}


@pytest.mark.parametrize("file", ANSWERS, ids=lambda file: file.stem)
async def test_the_answers_are_kubernetes(file: Path, tmp_path: Path) -> None:
    ca = pki.Authority.open(tmp_path, time.time())
    pki.signing_key(tmp_path)
    log = await store.Log.open(":memory:")
    key = (tmp_path / "service-account.key").read_bytes()
    api = Api(log, config=ApiConfig(ca_pem=ca.pem, service_account_key=key))
    await api.start()
    transport = LocalTransport(api, User("admin", (MASTERS,)))
    await Client(transport).create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "default"}})

    wrong: list[str] = []
    bases: dict[int, Object] = {}
    for line in file.read_text().splitlines():
        row = json.loads(line)
        if "base" in row:
            bases[row["base"]] = row["object"]
            continue
        obj = changed(bases[row["of"]], row["at"], row["put"])
        path = KINDS.of(obj).path("default")
        answer = await transport.send("POST", path, query={"dryRun": "All"}, body=json.dumps(obj).encode(),
                                      headers={"Content-Type": "application/json"})  # fmt: skip
        wanted = {name: sorted(row[name]) for name in ("causes", "warnings") if name in row}
        found = answered(answer.status, json.loads(answer.body), answer.headers)
        if found != wanted:
            wrong.append(f"{row['of']} {row['at']} = {row['put']}: {found}, Kubernetes: {wanted}")
    await api.close()
    await log.close()

    assert not wrong, "\n".join(wrong[:20])
