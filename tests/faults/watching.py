"""The seven promises of a watch, as checks over recorded streams.

Their names and meanings are those of etcd's guarantees (etcd documentation, "Watch APIs" in "API guarantees"), which
its robustness tests check in tests/robustness/validate/watch.go. Here a revision is one change of one key, and what
etcd calls a transaction is an append: several revisions in a row. A heartbeat is known only to the life that told it:
streams may carry it, none must.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from tests.faults.history import History, Stream, Told

Check = Callable[[Stream, History], Iterator[str]]


def ordered(stream: Stream, truth: History) -> Iterator[str]:
    """Revisions only grow, over all connections: what happened before something already told is not told later."""
    last = 0
    for segment in stream.segments:
        for told in segment.events():
            if told.revision < last:
                yield f"ordered: {stream.name}: {told} after {last}"
            last = max(last, told.revision)


def unique(stream: Stream, truth: History) -> Iterator[str]:
    """No event is told twice, over all connections."""
    seen: set[int] = set()
    for segment in stream.segments:
        for told in segment.events():
            if told.revision in seen:
                yield f"unique: {stream.name}: {told} for the second time"
            seen.add(told.revision)


def reliable(stream: Stream, truth: History) -> Iterator[str]:
    """Nothing between two events of one connection is left out: when a < b < c happened, who was told a and c was
    told b. And an event says what the log says."""
    for segment in stream.segments:
        told = {event.revision: event for event in segment.events()}
        if not told:
            continue
        first, last = min(told), max(told)
        expected = {event.revision: event for event in stream.expected(truth, segment.after, last)}
        for revision, event in expected.items():
            if first < revision and revision not in told:
                yield f"reliable: {stream.name}: {event} was left out"
        for revision, event in told.items():
            log = truth.at.get(revision)
            if event.type != "DELETED" and (log is None or (event.key, event.token) != (log.key, log.token)):
                yield f"reliable: {stream.name}: {event} was told, the log has {log}"


def atomic(stream: Stream, truth: History) -> Iterator[str]:
    """What was appended together is told together: no list of events ends within an append."""
    for segment in stream.segments:
        events = ((number, told) for number, together in enumerate(segment.lists) for told in together)
        lists = {told.revision: number for number, told in events if told.type != "BOOKMARK"}
        for append in truth.appends:
            parts = {lists[revision] for revision in append if revision in lists}
            if len(parts) > 1:
                yield f"atomic: {stream.name}: the append {append} came in {len(parts)} parts"


def resumable(stream: Stream, truth: History) -> Iterator[str]:
    """A connection that asks for what happened after a revision begins with the first event after it."""
    for segment in stream.segments:
        first = next((told for told in segment.events() if not _is_heartbeat(told, truth)), None)
        if first is None:
            continue
        wanted = next(iter(stream.expected(truth, segment.after, first.revision)), None)
        if wanted is None or first.revision != wanted.revision:
            yield f"resumable: {stream.name}: asked after {segment.after}, began with {first}, not with {wanted}"


def bookmarkable(stream: Stream, truth: History) -> Iterator[str]:
    """A bookmark says that everything up to its revision has been told: nothing up to it is missing before it, and
    nothing up to it comes after it."""
    for segment in stream.segments:
        told: set[int] = set()
        marked = 0
        for event in (event for together in segment.lists for event in together):
            if event.type != "BOOKMARK":
                told.add(event.revision)
                if event.revision <= marked:
                    yield f"bookmarkable: {stream.name}: {event} after the bookmark of {marked}"
                continue
            for missing in stream.expected(truth, segment.after, event.revision):
                if missing.revision > marked and missing.revision not in told:
                    yield f"bookmarkable: {stream.name}: {missing} was not told at the bookmark of {event.revision}"
            marked = max(marked, event.revision)


def filtered(stream: Stream, truth: History) -> Iterator[str]:
    """Only what was asked for is told, and as what it means to who asked: an object that begins to match is ADDED,
    one that no longer does is DELETED, and of what never matched nothing is heard."""
    for segment in stream.segments:
        told = list(segment.events())
        last = max((event.revision for event in told), default=0)
        types = {event.revision: event.type for event in stream.expected(truth, segment.after, last)}
        for event in told:
            if not stream.selects(event.key):
                yield f"filtered: {stream.name}: {event} was not asked for"
            elif not _is_heartbeat(event, truth) and event.type != types.get(event.revision):
                yield f"filtered: {stream.name}: {event} ought to be {types.get(event.revision, 'nothing')}"


CHECKS: tuple[Check, ...] = (ordered, unique, reliable, atomic, resumable, bookmarkable, filtered)


def violations(streams: list[Stream], truth: History) -> list[str]:
    """What all checks find in all streams."""
    return [line for stream in streams for check in CHECKS for line in check(stream, truth)]


def _is_heartbeat(event: Told, truth: History) -> bool:
    change = truth.at.get(event.revision)
    return change is not None and change.life is not None
