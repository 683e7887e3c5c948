"""What is known of a kind, found by key and by word."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from procorch.lister import Decoded, Held, Lister
from procorch.objects import Object


def pod(name: str = "a", version: int = 1, **metadata: Any) -> Object:
    metadata = {"name": name, "namespace": "d", "uid": name, "resourceVersion": str(version), **metadata}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata}


class Coded:
    """An object that is decoded each time; counts how often."""

    def __init__(self, obj: Object) -> None:
        self.revision = 1
        self.decodes = 0
        self._object = obj

    @property
    def object(self) -> Object:
        return self.decoded()

    def decoded(self) -> Object:
        self.decodes += 1
        return self._object


OBJECTS = st.tuples(st.sampled_from("abc"), st.sets(st.sampled_from(["u1", "u2"])), st.sampled_from(["x", "y", ""]))


@given(st.lists(st.tuples(OBJECTS, st.booleans()), max_size=30))
def test_indexes_are_what_a_search_would_find(steps: list[Any]) -> None:
    lister = Lister()
    lister.by_label("l", "x")
    for (name, owners, label), present in steps:
        rows = [{"uid": uid} for uid in sorted(owners)]
        obj = pod(name, labels={"l": label} if label else {}, ownerReferences=rows)
        if present:
            lister.put(f"d/{name}", Decoded(obj), obj)
        else:
            lister.drop(f"d/{name}")

    for uid in ("u1", "u2"):
        wanted = [one for one in lister.values() if {"uid": uid} in one["metadata"]["ownerReferences"]]
        assert sorted(map(str, lister.by_owner(uid))) == sorted(map(str, wanted))
    for label in "xy":
        wanted = [one for one in lister.values() if one["metadata"]["labels"].get("l") == label]
        assert sorted(map(str, lister.by_label("l", label))) == sorted(map(str, wanted))
    assert len(lister.by_namespace("d")) == len(lister)
    words = {label: lister.count("label:l", label) for label in "xy"}
    assert words == {label: len(lister.by_label("l", label)) for label in "xy"}


def test_who_is_told_of_an_object_looks_it_up_without_decoding_it_again() -> None:
    lister, held = Lister(), Coded(pod("a"))
    lister.put("d/a", held, pod("a"))
    assert lister["d/a"] == lister.get("d/a") == pod("a") and "d/a" in lister
    assert held.decodes == 0

    lister.put("d/b", Coded(pod("b")), pod("b"))
    assert lister["d/a"] == pod("a")
    assert held.decodes == 1


def test_what_is_asked_only_whether_it_is_there_is_not_decoded() -> None:
    lister = Lister()
    known: list[Held] = [Coded(pod(name)) for name in "abc"]
    for held in known:
        obj = held.object
        lister.put(f"d/{obj['metadata']['name']}", held, obj)

    assert (len(lister), list(lister), "d/a" in lister, lister.get("d/x", 7)) == (3, ["d/a", "d/b", "d/c"], True, 7)
    assert lister.held("d/a") is known[0] and lister.held("d/x") is None
    assert [held.decodes for held in known if isinstance(held, Coded)] == [1, 1, 1]
