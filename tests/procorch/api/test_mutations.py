"""A whole object of every kind with a piece that is odd, sent in every way in which it can be: nothing makes the API
fail, and whatever it takes can be read in every form afterwards."""

from __future__ import annotations

import copy
import json
import os
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from procorch.kinds import KINDS, Kind
from procorch.objects import Object
from tests.procorch.api import whole
from tests.procorch.api.asked import Asked

EXAMPLES = 150 if os.environ.get("FAULTS") == "long" else 5
SCALARS = [
    None, True, False, 0, -1, 1, 2**31, 2**63, 10**30, 0.5, -0.0, "", " ", "a", "0", "-1", "1.5", "a/b", "A_b.c", "10%",
    "é", "\x00", "\n", "a" * 70, "a" * 300, "1Ei", "1e9", "10.0.0.1", "::1", "10.0.0.0/8", "2026-01-01T00:00:00Z",
    "9999-99-99T99:99:99Z", "None", "null", "*", "example.com/x", "9" * 40, "=", "!", "{}", "$(A)",
]  # fmt: skip
ODD = st.one_of(
    st.sampled_from(SCALARS),
    st.sampled_from([[], {}, [None], [[]], [{}], {"": ""}, {"a": None}, {"a": {"b": []}}, ["a", "a"], [1, "a"]]),
    st.lists(st.sampled_from(SCALARS), max_size=3),
    st.dictionaries(st.sampled_from(["a", "name", "$patch", "key", "é"]), st.sampled_from(SCALARS), max_size=2),
)
WAYS = ("application/json-patch+json", "application/merge-patch+json", "application/strategic-merge-patch+json")
FORMS = (
    "application/json;as=Table;g=meta.k8s.io;v=v1,application/json",
    "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1",
    "application/vnd.kubernetes.protobuf",
    "application/cbor",
    "application/yaml",
)
Path = tuple[Any, ...]


def paths(value: Any, path: Path = ()) -> Iterator[Path]:
    steps = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for step, inner in steps:
        yield (*path, step)
        yield from paths(inner, (*path, step))


def put(obj: Any, path: Path, value: Any, how: str) -> None:
    """Changes what is at the path, if the path still leads anywhere."""
    for step in path[:-1]:
        inside = isinstance(step, int) and step < len(obj) if isinstance(obj, list) else step in obj
        if not inside or not isinstance(obj[step], dict | list):
            return
        obj = obj[step]
    last = path[-1]
    if isinstance(obj, list) and isinstance(last, int) and last < len(obj):
        if how == "twice":
            obj.append(copy.deepcopy(obj[last]))
        elif how == "gone":
            del obj[last]
        else:
            obj[last] = value
    elif isinstance(obj, dict):
        if how == "gone":
            obj.pop(last, None)
        elif how == "new":
            obj[f"{last}x"] = value
        else:
            obj[last] = value


CHANGES = st.lists(
    st.tuples(st.integers(0, 10**6), ODD, st.sampled_from(["odd", "odd", "odd", "gone", "twice", "new"])),
    min_size=1, max_size=3,
)  # fmt: skip


@pytest.fixture(scope="module")
def asked() -> Iterator[Asked]:
    made = Asked()
    for obj in whole.objects():
        made.run(whole.create(made.client, obj))
    yield made
    made.end()


@pytest.mark.timeout(1200)
@pytest.mark.parametrize("kind", whole.stored(), ids=lambda kind: f"{kind.api_version} {kind.name}")
def test_nothing_odd_makes_the_api_fail(asked: Asked, kind: Kind) -> None:
    good = next(obj for obj in whole.objects() if KINDS.of(obj) is kind)
    places = list(paths(good))

    @settings(max_examples=EXAMPLES, deadline=None, database=None, phases=[Phase.generate, Phase.shrink],
              suppress_health_check=list(HealthCheck))  # fmt: skip
    @given(changes=CHANGES)
    def each(changes: list[tuple[int, Any, str]]) -> None:
        odd = copy.deepcopy(good)
        for place, value, how in changes:
            put(odd, places[place % len(places)], copy.deepcopy(value), how)
        send_in_every_way(asked, kind, good, odd)

    each()


def send_in_every_way(asked: Asked, kind: Kind, good: Object, odd: Object) -> None:
    about = good["metadata"]
    name, namespace = about["name"], about.get("namespace", "")
    one, all_of = kind.path(namespace, name), kind.path(namespace)
    body = json.dumps(odd).encode()
    dry = {"dryRun": "All"}
    strict = {"fieldValidation": "Strict"}
    asked.check("POST", all_of, dry | strict, "application/json", body)
    asked.check("POST", all_of, dry, "application/json", json.dumps(_renamed(odd)).encode())
    asked.check("PATCH", one, dry | {"fieldManager": "m", "force": "true"}, "application/apply-patch+yaml", body)
    operations = [{"op": "replace", "path": f"/{part}", "value": value} for part, value in odd.items()]
    for way, patch in zip(WAYS, (operations, odd, odd), strict=True):
        asked.check("PATCH", one, dict(dry), way, json.dumps(patch).encode())
    for part in kind.subresources:
        asked.check("PUT", kind.path(namespace, name, part), dict(dry), "application/json", body)
        asked.check("PATCH", kind.path(namespace, name, part), dict(dry), WAYS[1], body)
    if asked.check("PUT", one, {}, "application/json", body) == 200:
        for form in FORMS:
            asked.check("GET", all_of, {}, "", b"", accept=form)
        asked.check("PATCH", one, {}, WAYS[1], json.dumps(good).encode())


def _renamed(obj: Object) -> Object:
    about = obj.get("metadata")
    return {**obj, "metadata": {**about, "name": "another"}} if isinstance(about, dict) else obj
