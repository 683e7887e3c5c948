"""What a write changes, in each apiVersion in which somebody manages fields."""

from __future__ import annotations

from procorch.api.fieldmanager.changes import Changes, in_words_of, kind_at
from procorch.api.fieldmanager.entries import APPLY, UPDATE, Entry
from procorch.kinds import KINDS

EVENT = KINDS["Event"]
NEW = KINDS.get("events.k8s.io", "v1", "events")


def event(message, **metadata):
    return {"apiVersion": "v1", "kind": "Event", "metadata": {"name": "e", **metadata}, "message": message}


def managed(*entries):
    return {entry.identity: entry for entry in entries}


def test_the_same_objects_in_another_apiversion():
    assert kind_at(EVENT, "events.k8s.io/v1") is NEW
    assert kind_at(NEW, "v1") is EVENT
    assert kind_at(EVENT, "v2") is None
    assert in_words_of(event("m"), EVENT, NEW)["note"] == "m"


def test_a_change_is_told_in_the_words_of_each():
    changes = Changes(EVENT, "", event("a"), event("b", labels={"x": "y"}))

    labels = {"f:metadata": {"f:labels": {".": {}, "f:x": {}}}}
    assert changes.at("v1") == (labels | {"f:message": {}}, {})
    assert changes.at("events.k8s.io/v1") == (labels | {"f:note": {}}, {})
    assert changes.at("v2") is None


def test_who_loses_what_is_changed_and_who_is_asked_first():
    core = Entry("a", APPLY, "v1", {"f:message": {}, "f:reason": {}})
    new = Entry("b", UPDATE, "events.k8s.io/v1", {"f:note": {}})
    stranger = Entry("c", UPDATE, "v0", {"f:x": {}})
    changes = Changes(EVENT, "", event("a"), event("b"))

    assert changes.conflicts(managed(core, new, stranger), core.identity) == [(new, {"f:note": {}})]
    assert [(entry.manager, entry.fields) for entry in changes.released(managed(core, new, stranger)).values()] == [
        ("a", {"f:reason": {}})
    ]
    assert list(changes.released(managed(core, new), core.identity).values()) == [core]


def test_who_loses_nothing_is_the_same_entry():
    entry = Entry("a", APPLY, "v1", {"f:reason": {}})

    assert Changes(EVENT, "", event("a"), event("b")).released(managed(entry))[entry.identity] is entry
