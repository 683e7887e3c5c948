"""Events: whose they are, what they say, and when one only counts on."""

from __future__ import annotations

from typing import Any

import pytest

from procorch.kinds import KINDS
from procorch.objects import Object

KIND = KINDS["Event"]
NEW_KIND = KINDS.of({"apiVersion": "events.k8s.io/v1", "kind": "Event"})
NOW = 1795460400.0  # 2026-11-23T19:00:00Z


def event(**fields: Any) -> Object:
    return {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"name": "web.1", "namespace": "n"},
        "involvedObject": {"kind": "Pod", "namespace": "n", "name": "web", "fieldPath": "spec.containers{a}"},
        "type": "Normal",
        "reason": "Started",
        "message": "Started container a\n",
        "source": {"component": "kubelet", "host": "n1"},
        "firstTimestamp": "2026-11-23T18:50:00Z",
        "lastTimestamp": "2026-11-23T18:59:00Z",
        "count": 3,
        **fields,
    }


def test_an_event_is_stored_as_it_is(enter) -> None:  # type: ignore[no-untyped-def]
    assert enter(event()) == (event(), [])


@pytest.mark.parametrize(
    ("about", "namespace", "good"),
    [
        pytest.param("n", "n", True, id="beside its object"),
        pytest.param("m", "n", False, id="in another namespace"),
        pytest.param("", "default", True, id="of a node: in default"),
        pytest.param("", "n", False, id="of a node: not just anywhere"),
    ],
)
def test_an_event_lies_beside_its_object(enter, about: str, namespace: str, good: bool) -> None:  # type: ignore[no-untyped-def]
    wrong = f'involvedObject.namespace: Invalid value: "{about}": does not match event.namespace'

    _, problems = enter(
        event(metadata={"name": "a", "namespace": namespace}, involvedObject={"kind": "Node", "namespace": about})
    )

    assert problems == ([] if good else [wrong])


def test_an_event_of_the_new_form_says_who_reports_what(enter) -> None:  # type: ignore[no-untyped-def]
    new = event(eventTime="2026-11-23T18:50:00.000000Z", reason="")

    assert enter(new)[1] == [
        "reportingComponent: Required value",
        "reportingInstance: Required value",
        "action: Required value",
        "reason: Required value",
    ]


def test_counting_on_is_a_heartbeat_and_another_message_is_none() -> None:
    again = event(count=4, lastTimestamp="2026-11-23T19:00:00Z")
    again["metadata"] = {**again["metadata"], "resourceVersion": "9"}

    assert KIND.heartbeat(event(), again)
    assert not KIND.heartbeat(event(), event(message="other"))


def test_the_columns_are_kubectls() -> None:
    shown = {column.name.upper(): column.cell(event(), NOW) for column in KIND.columns}

    assert shown == {
        "LAST SEEN": "60s", "TYPE": "Normal", "REASON": "Started", "OBJECT": "pod/web",
        "SUBOBJECT": "spec.containers{a}", "SOURCE": "kubelet, n1", "MESSAGE": "Started container a",
        "FIRST SEEN": "10m", "COUNT": 3, "NAME": "web.1",
    }  # fmt: skip


def test_without_a_last_time_the_first_one_counts() -> None:
    shown = KIND.columns[0].cell(
        event(firstTimestamp=None, lastTimestamp=None, eventTime="2026-11-23T18:58:00.000000Z"), NOW
    )

    assert shown == "2m"


def test_a_series_knows_when_it_was_seen_last() -> None:
    seen = event(series={"count": 9, "lastObservedTime": "2026-11-23T18:59:30.000000Z"})

    assert KIND.columns[0].cell(seen, NOW) == "30s"
    assert KIND.columns[8].cell(seen, NOW) == 9


def test_describe_finds_the_events_of_an_object() -> None:
    for field in ("involvedObject.name", "involvedObject.namespace", "involvedObject.kind", "involvedObject.uid"):
        KIND.check_field(field)

    assert KIND.field_text(event(), "involvedObject.name") == "web"
    assert KIND.field_text(event(), "source") == "kubelet"


def test_in_new_words_it_is_the_same_event() -> None:
    shown = NEW_KIND.shown(event())

    assert (shown["regarding"], shown["note"]) == (event()["involvedObject"], event()["message"])
    assert (shown["deprecatedCount"], shown["deprecatedSource"]) == (3, {"component": "kubelet", "host": "n1"})
    assert (shown["apiVersion"], shown["eventTime"]) == ("events.k8s.io/v1", None)
    assert not {"involvedObject", "message", "count", "source", "firstTimestamp"} & shown.keys()
    assert NEW_KIND.stored(shown) == event()
    assert NEW_KIND.field_text(event(), "regarding.name") == "web"
    with pytest.raises(ValueError, match=r"field label not supported: involvedObject\.name"):
        NEW_KIND.check_field("involvedObject.name")


FRESH = event(
    eventTime="2026-11-23T18:50:00.000000Z", action="Start", reportingComponent="a/b", reportingInstance="b-1"
)
for field in ("source", "firstTimestamp", "lastTimestamp", "count"):
    del FRESH[field]
OF_OLD = ["eventTime", "type", "firstTimestamp", "lastTimestamp", "count", "source"]
OF_SERIES = ["series.count", "series.lastObservedTime"]
SERIES = {"count": 2, "lastObservedTime": "2026-11-23T18:50:10.000000Z"}


@pytest.mark.parametrize(
    ("new", "old", "wrong"),
    [
        pytest.param(FRESH, None, [], id="new, of the new form"),
        pytest.param(event(type="Odd"), None, OF_OLD, id="new, of the old form"),
        pytest.param(FRESH | {"series": {"count": 1}}, None, OF_SERIES, id="no series"),
        pytest.param(FRESH | {"series": SERIES}, FRESH, [], id="counts on"),
        pytest.param(FRESH | {"message": "b", "action": "c"}, FRESH, ["message", "action"], id="says other things"),
        pytest.param(event(), event(), [], id="an old one, as it was"),
    ],
)
def test_the_new_group_is_stricter(new: Object, old: Object | None, wrong: list[str]) -> None:
    assert [cause.field for cause in NEW_KIND.validate(new, old)] == wrong
