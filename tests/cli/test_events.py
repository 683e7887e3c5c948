"""`procorch events` against a real API."""

from __future__ import annotations

from cli.events import event_rows


def _event(name: str, kind: str, about: str, *, type_: str = "Normal", at: str = "2026-01-01T00:00:00Z") -> dict:
    return {
        "apiVersion": "v1", "kind": "Event", "metadata": {"name": name}, "reason": "Because", "message": "so",
        "type": type_, "lastTimestamp": at, "count": 1,
        "involvedObject": {"kind": kind, "namespace": "default", "name": about},
    }  # fmt: skip


def test_events_are_those_of_the_object_and_the_type_asked_for(procorch):
    procorch.server.create(_event("a", "Pod", "web"), _event("b", "Service", "db", type_="Warning"))

    assert procorch("events").count("Because") == 2
    assert "service/db" not in procorch("events", "--for", "pod/web")
    assert "pod/web" not in procorch("events", "--types", "warning")
    assert procorch("events", "--types", "warning,Normal").count("Because") == 2
    strange = procorch.run("events", "--types", "Warnings")
    assert strange.exit_code == 2 and "no event has the type Warnings" in strange.stderr
    assert "No events found" in procorch("events", "-n", "other")
    assert procorch.run("events", "--for", "frob/x").exit_code == 1


def test_the_newest_stands_last():
    events = [_event("a", "Pod", "new", at="2026-01-02T00:00:00Z"), _event("b", "Pod", "old")]

    assert [row[3] for row in event_rows(events)] == ["pod/old", "pod/new"]
