"""Event: what happened to an object, and how often; the same objects in the core group and in events.k8s.io.

Source: pkg/apis/core/validation/events.go, pkg/printers (printEvent), pkg/apis/core/v1/conversion.go (field selectors),
pkg/apis/events/v1 (the other words and its field selectors).
"""

from __future__ import annotations

from collections.abc import Iterator

from procorch.kinds.cells import age
from procorch.kinds.fields import number, part, same, text, without
from procorch.kinds.kind import Column, Kind
from procorch.names import dns_subdomain, label_key
from procorch.objects import Cause, Object

_LONGEST_WORD, _LONGEST_MESSAGE = 128, 1024
_LEAST_SERIES = 2
_WORDS = {  # of the core group → of events.k8s.io
    "involvedObject": "regarding",
    "message": "note",
    "reportingComponent": "reportingController",
    "source": "deprecatedSource",
    "firstTimestamp": "deprecatedFirstTimestamp",
    "lastTimestamp": "deprecatedLastTimestamp",
    "count": "deprecatedCount",
}
_FIXED = ("involvedObject", "reason", "message", "source", "firstTimestamp", "lastTimestamp", "count", "type",
          "eventTime", "action", "related", "reportingComponent", "reportingInstance")  # fmt: skip
_ABOUT = ("kind", "namespace", "name", "uid", "apiVersion", "resourceVersion", "fieldPath")
_PULSE = (("metadata", "resourceVersion"), ("metadata", "managedFields"), ("count",), ("lastTimestamp",), ("series",))


def validate(event: Object, old: Object | None) -> Iterator[Cause]:
    namespace = text(part(event, "metadata").get("namespace"))
    about = text(part(event, "involvedObject").get("namespace"))
    mismatch = Cause.invalid("involvedObject.namespace", about, "does not match event.namespace")
    if not event.get("eventTime"):
        if (about or namespace) != namespace or (not about and namespace not in ("", "default", "kube-system")):
            yield mismatch
    else:
        if (about or "") != namespace and (about or namespace not in ("default", "kube-system")):
            yield mismatch
        yield from _reported(event)
    for message in dns_subdomain(namespace) if namespace else ():
        yield Cause.invalid("namespace", namespace, message)


def _reported(event: Object) -> Iterator[Cause]:
    """What an event of the new form (with eventTime) must say."""
    controller = text(event.get("reportingComponent"))
    if not controller:
        yield Cause.required("reportingComponent")
    for message in label_key(controller) if controller else ():
        yield Cause.invalid("reportingComponent", controller, message)
    for field in ("reportingInstance", "action", "reason"):
        value = text(event.get(field))
        if not value:
            yield Cause.required(field)
        elif len(value) > _LONGEST_WORD:
            yield Cause.invalid(field, "", f"can have at most {_LONGEST_WORD} characters")
    if len(text(event.get("message"))) > _LONGEST_MESSAGE:
        yield Cause.invalid("message", "", f"can have at most {_LONGEST_MESSAGE} characters")


def validate_strictly(event: Object, old: Object | None) -> Iterator[Cause]:
    """What events.k8s.io asks beyond the core group: a new event is of the new form, an old one counts on."""
    series = event.get("series")
    if series is not None and (old is None or not same(series, old.get("series"))):
        if (number(part(event, "series").get("count")) or 0) < _LEAST_SERIES:
            yield Cause.invalid("series.count", "", f"should be at least {_LEAST_SERIES}")
        if not part(event, "series").get("lastObservedTime"):
            yield Cause.required("series.lastObservedTime")
    if old is not None:
        for field in _FIXED:
            if not same(event.get(field), old.get(field)):
                yield Cause.invalid(field, event.get(field), "field is immutable")
        return
    if not event.get("eventTime"):
        yield Cause.required("eventTime")
    if event.get("type") not in ("Normal", "Warning"):
        yield Cause.invalid("type", "", f"has invalid value: {text(event.get('type'))}")
    for field in ("firstTimestamp", "lastTimestamp", "count", "source"):
        if event.get(field):
            yield Cause.invalid(field, "", "needs to be unset")


def in_new_words(event: Object) -> Object:
    """A stored event as events.k8s.io shows it."""
    shown = {_WORDS.get(field, field): value for field, value in event.items()}
    shown.setdefault("eventTime", None)  # Go writes it always
    return shown | {"apiVersion": "events.k8s.io/v1"}


def in_core_words(event: Object) -> Object:
    """And back."""
    back = {new: old for old, new in _WORDS.items()}
    stored = {back.get(field, field): value for field, value in event.items() if value is not None}
    return stored | {"apiVersion": "v1"}


def heartbeat(old: Object, new: Object) -> bool:
    """Only the count and the last time differ: the same thing happened once more."""
    return same(without(old, *_PULSE), without(new, *_PULSE))


def _first_seen(event: Object, now: float) -> str:
    return age(event.get("firstTimestamp") or event.get("eventTime"), now)


def _last_seen(event: Object, now: float) -> str:
    series = part(event, "series")
    last = series.get("lastObservedTime") if series else event.get("lastTimestamp")
    return age(last, now) if last else _first_seen(event, now)


def _object(event: Object, now: float) -> str:
    about = part(event, "involvedObject")
    kind, name = text(about.get("kind")).lower(), text(about.get("name"))
    return f"{kind}/{name}" if name else kind


def _source(event: Object, now: float) -> str:
    component, host = (text(part(event, "source").get(field)) for field in ("component", "host"))
    component = component or text(event.get("reportingComponent"))
    host = host or text(event.get("reportingInstance"))
    return f"{component}, {host}" if host else component


def _count(event: Object, now: float) -> int:
    return number(part(event, "series").get("count")) or number(event.get("count")) or 1


def _source_field(event: Object) -> str:
    return text(part(event, "source").get("component")) or text(event.get("reportingComponent"))


KIND = Kind(
    "Event", "events",
    short_names=("ev",), put_creates=True,
    validate=validate, heartbeat=heartbeat,
    columns=(
        Column("Last Seen", _last_seen),
        Column("Type", ".type"),
        Column("Reason", ".reason"),
        Column("Object", _object),
        Column("Subobject", ".involvedObject.fieldPath", priority=1),
        Column("Source", _source, priority=1),
        Column("Message", lambda event, now: text(event.get("message")).strip()),
        Column("First Seen", _first_seen, priority=1),
        Column("Count", _count, priority=1),
        Column("Name", ".metadata.name", priority=1, format="name"),
    ),
    fields={
        **{f"involvedObject.{field}": f".involvedObject.{field}" for field in _ABOUT},
        "reason": ".reason",
        "reportingComponent": ".reportingComponent",
        "source": _source_field,
        "type": ".type",
    },
)  # fmt: skip

NEW_KIND = Kind(
    "Event", "events", group="events.k8s.io",
    short_names=("ev",), put_creates=True,
    guise_of=KIND, shown=in_new_words, stored=in_core_words,
    validate=validate_strictly,
    columns=KIND.columns,
    fields={
        **{f"regarding.{field}": f".involvedObject.{field}" for field in _ABOUT},
        "reason": ".reason",
        "reportingController": ".reportingComponent",
        "type": ".type",
    },
)  # fmt: skip
