"""Which objects are meant."""

from __future__ import annotations

import orjson
import pytest

from procorch.api.cache import Entry
from procorch.api.routes import parse
from procorch.api.scope import scope_of
from procorch.kinds import KINDS
from procorch.objects import BadRequest


def entry(name, node="", **labels):
    obj = {"metadata": {"name": name, "namespace": "d", "labels": labels}, "spec": {"nodeName": node}}
    return Entry(f"d/{name}", orjson.dumps(obj), 1)


def scope(query, path="/api/v1/namespaces/d/pods"):
    return scope_of(parse(KINDS, "GET", path, query), query)


def test_labels_and_fields_must_both_match():
    asked = scope({"labelSelector": "app=x", "fieldSelector": "spec.nodeName=n"})

    assert asked.selects and asked.has(entry("a", "n", app="x"))
    assert not asked.has(entry("a", "m", app="x")) and not asked.has(entry("a", "n", app="y"))


def test_a_namespace_covers_its_own_keys_only():
    asked = scope({})

    assert not asked.selects and asked.covers("d/a") and not asked.covers("d-2/a")
    assert scope({}, "/api/v1/pods").covers("any/a")


@pytest.mark.parametrize(
    "query", [{"labelSelector": "a in"}, {"fieldSelector": "nonsense"}, {"fieldSelector": "spec.colour=red"}]
)
def test_selectors_that_cannot_be_read_are_refused(query):
    with pytest.raises(BadRequest):
        scope(query)
