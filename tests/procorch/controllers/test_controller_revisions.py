"""Revisions: which template is which, and which are forgotten."""

from __future__ import annotations

import copy
from typing import Any

import orjson
import pytest

from procorch.client import Client
from procorch.controllers import Context, Controller, revisions
from procorch.controllers.controller import own
from procorch.controllers.controller_revisions import (
    HASH,
    History,
    in_order,
    is_like,
    keep,
    new_revision,
    surplus,
    template_of,
)
from procorch.objects import Object, labels_of
from tests.procorch.controllers.test_daemonset import manifest


def owner(image: str = "one", **spec: Any) -> Object:
    made = manifest(image, **spec)
    made["metadata"] |= {
        "uid": "u",
        "annotations": {"note": "x", "kubectl.kubernetes.io/last-applied-configuration": "y"},
    }
    return made


def test_a_revision_keeps_the_template() -> None:
    there = owner()
    kept = new_revision(there, 3, 0, HASH)

    assert kept["revision"] == 3 and kept["metadata"]["annotations"] == {"note": "x"}
    assert kept["data"]["spec"]["template"]["$patch"] == "replace"
    assert template_of(kept) == there["spec"]["template"]
    assert is_like(there, kept) and not is_like(owner("two"), kept)
    with_default = copy.deepcopy(there)
    with_default["spec"]["template"]["spec"]["restartPolicy"] = "Always"
    assert is_like(with_default, kept), "what differs by a default is no other"


def test_its_bytes_are_those_of_a_go_program() -> None:
    """kubectl tells by them whether the template is there already, and has nothing to undo."""
    there = owner()
    there["spec"]["template"] = {"spec": {"containers": [{"name": "a", "image": "one"}]}, "metadata": {}}
    spec = '{"containers":[{"image":"one","name":"a"}]}'
    wanted = f'{{"spec":{{"template":{{"$patch":"replace","metadata":{{}},"spec":{spec}}}}}}}'

    assert orjson.dumps(new_revision(there, 1, 0, HASH)["data"]).decode() == wanted


def test_another_hash_where_the_name_is_taken() -> None:
    assert labels_of(new_revision(owner(), 1, 0, HASH)) != labels_of(new_revision(owner(), 1, 1, HASH))
    long = owner()
    long["metadata"]["name"] = "x" * 253
    assert len(new_revision(long, 1, 0, HASH)["metadata"]["name"]) <= 253


@pytest.mark.parametrize(
    ("limit", "live", "gone"),
    [(10, set(), []), (1, set(), ["a", "b"]), (1, {"a"}, ["b"]), (0, {"c"}, ["a", "b"]), (-1, set(), [])],
)
def test_the_oldest_that_no_pod_has_go(limit: int, live: set[str], gone: list[str]) -> None:
    past = [{"metadata": {"name": name}, "revision": number} for number, name in enumerate("abc", 1)]
    history = History({"metadata": {"name": "d"}}, in_order(list(reversed(past))), 0)

    assert [one["metadata"]["name"] for one in surplus(owner(revisionHistoryLimit=limit), history, live)] == gone


async def test_a_collision_is_counted(client: Client, running: Any, eventually: Any) -> None:
    there = await client.create(manifest())
    name = f"agent-{revisions.hash_of(there['spec']['template'], 0)}"
    await client.create(
        {"apiVersion": "apps/v1", "kind": "ControllerRevision", "metadata": {"name": name, "namespace": "d"},
         "revision": 1, "data": {"spec": {}}}
    )  # fmt: skip
    found: list[History] = []

    async def look(key: str, context: Context) -> None:
        found.append(await keep(context.lister["DaemonSet"][key], HASH, context))

    indexes = {("ControllerRevision", "orphan"): lambda obj: [obj["metadata"]["namespace"]]}
    probe = Controller("probe", look, {"DaemonSet": own}, reads=("ControllerRevision",), indexes=indexes)
    async with running(probe):

        async def has_looked() -> list[History]:
            return found

        await eventually(has_looked)
    assert found[0].collisions == 1 and found[0].newest["metadata"]["name"] != name
