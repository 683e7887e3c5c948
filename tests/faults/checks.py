"""What must hold of every recorded history. Each check is a pure function: operations and the truth in, what is
wrong out, one line a violation. Together, `realtime`, `preconditions`, `torn` and `values` are a linearizability
check: the revisions are the order that is claimed, and these are the ways in which the claim could be false.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

from tests.faults.history import OK, REFUSED, Change, Held, History, Operation, Put, Stream

Check = Callable[[Sequence[Operation], History], Iterator[str]]


def lost(operations: Sequence[Operation], truth: History) -> Iterator[str]:
    """No acknowledged write is lost: the database has each at the revision that was answered, with its value."""
    for operation in operations:
        if operation.kind != "append" or operation.outcome != OK:
            continue
        for write, revision in zip(operation.writes, operation.revisions, strict=False):
            found = truth.at.get(revision)
            if found is None or (found.key, found.token) != (write.key, write.token):
                yield f"lost: {operation}: revision {revision} is {found}"
        if not operation.revisions and not all(_was_deleted(write, truth) for write in operation.writes):
            yield f"lost: {operation}: the log has no such deletion"


def halves(operations: Sequence[Operation], truth: History) -> Iterator[str]:
    """An append that was not acknowledged is there as a whole and in one piece, or not at all; one that was
    refused is not there at all."""
    placed = _placed(truth)
    for operation in operations:
        if operation.kind != "append" or operation.outcome == OK:
            continue
        there = [write.token for write in operation.writes if write.token in placed]
        if there and operation.outcome == REFUSED:
            yield f"half: {operation}: it was refused, and {there} is in the database"
        elif there and not _is_in_one_piece(operation, placed, truth):
            yield f"half: {operation}: of it only {there} is in the database, or it is in pieces"


def reused(operations: Sequence[Operation], truth: History) -> Iterator[str]:
    """No revision is given twice: neither to two writes that were answered, nor to a heartbeat and to what the
    database has, in whatever life."""
    owners: dict[int, tuple[str, str | None]] = {}
    claims = [(change.revision, (change.key, change.token)) for change in truth.changes]
    for operation in operations:
        if operation.kind in ("append", "note") and operation.outcome == OK:
            tokens = [(write.key, write.token) for write in operation.writes]
            claims += zip(operation.revisions, tokens, strict=False)
    for revision, owner in claims:
        if owners.setdefault(revision, owner) != owner:
            yield f"reused: revision {revision} is {owners[revision]} and {owner}"


def realtime(operations: Sequence[Operation], truth: History) -> Iterator[str]:
    """What was answered before something else was asked has the lower revision: writes come after writes and
    after reads, and a list is as of no less than every write and read before it."""
    placed = _placed(truth)
    moments: list[tuple[int, bool, Operation, int]] = []
    for operation in operations:
        seen = _revisions(operation, placed)
        if not seen or operation.past:
            continue
        if operation.kind != "get":  # of one key, which may be old: see `values`
            moments.append((operation.invoked, False, operation, min(seen)))
        if operation.responded is not None and operation.outcome == OK:
            moments.append((operation.responded, True, operation, max(seen)))
    floor, why = 0, ""
    for _, is_answer, operation, revision in sorted(moments, key=lambda moment: moment[:2]):
        if is_answer:
            if revision > floor:
                floor, why = revision, str(operation)
        elif revision < floor or (revision == floor and operation.kind != "items"):
            yield f"realtime: {operation} is at {revision}, but before it was asked {floor} was answered: {why}"


def preconditions(operations: Sequence[Operation], truth: History) -> Iterator[str]:
    """An update's precondition is its predecessor: the revision it expected is that of the key's change before it
    (0: the key did not exist), with nothing in between."""
    placed = _placed(truth)
    for operation in operations:
        if operation.kind not in ("append", "note") or operation.outcome == REFUSED:
            continue
        seen = _revisions(operation, placed)
        for write, revision in zip(operation.writes, seen, strict=False):
            before = truth.held(write.key, revision - 1, operation.life)
            was = 0 if before is None or before.token is None else before.revision
            if write.expected is not None and was != write.expected:
                yield f"precondition: {operation}: at {revision} {write.key} was at {was}, not at {write.expected}"


def torn(operations: Sequence[Operation], truth: History) -> Iterator[str]:
    """A list as of a revision is what the log's changes up to that revision make, no more and no less."""
    replays: dict[str, _Replay] = {}
    lists = [operation for operation in operations if operation.kind == "items" and operation.outcome == OK]
    for operation in sorted(lists, key=lambda one: one.as_of):
        wanted = replays.setdefault(operation.asked, _Replay(truth, operation.asked)).until(operation.as_of)
        if operation.found != wanted:
            differ = sorted(operation.found.items() ^ wanted.items())
            yield f"torn: {operation} as of {operation.as_of} differs from the log in {differ[:4]}"


def values(operations: Sequence[Operation], truth: History) -> Iterator[str]:
    """A read of one key shows what the key held at some moment between its call and its answer: the change it
    shows is real, and nothing that was answered before the call has superseded it."""
    floor_at = _floors(operations, _placed(truth))
    for operation in operations:
        if operation.kind != "get" or operation.outcome != OK:
            continue
        key, floor = operation.asked, floor_at(operation.invoked)
        held = operation.found.get(key)
        if held is None:
            before = truth.held(key, floor, operation.life)
            if before is not None and before.token is not None and not _is_deleted_after(before, truth, operation.life):
                yield f"value: {operation} shows nothing, but the key held {before}"
            continue
        change = truth.at.get(held.revision)
        if change is None or (change.key, change.token) != (key, held.token):
            yield f"value: {operation} shows {held}, which is not in the log: there is {change}"
            continue
        newer = truth.next_of(key, held.revision, operation.life)
        if newer is not None and newer.revision <= floor:
            yield f"value: {operation} shows {held}, but before it was asked there was {newer}"


CHECKS: tuple[Check, ...] = (lost, halves, reused, realtime, preconditions, torn, values)


def violations(operations: Sequence[Operation], truth: History) -> list[str]:
    """What all checks find."""
    return [line for check in CHECKS for line in check(operations, truth)]


def first_of(lines: Iterable[str]) -> dict[str, str]:
    """The first violation of each check, for a message that can be read."""
    found: dict[str, str] = {}
    for line in lines:
        found.setdefault(line.partition(":")[0], line)
    return found


def sightings(operations: Iterable[Operation], streams: Iterable[Stream], truth: Iterable[Change]) -> list[Change]:
    """The truth with the heartbeats that were seen: answered, or told by a watch."""
    changes = {change.revision: change for change in truth}
    for operation in operations:
        if operation.kind == "note" and operation.outcome == OK:
            for write, revision in zip(operation.writes, operation.revisions, strict=True):
                changes.setdefault(revision, Change(revision, write.key, write.token, None, operation.life))
    for stream in streams:
        for segment in stream.segments:
            for told in segment.events():
                if told.token is not None:
                    changes.setdefault(told.revision, Change(told.revision, told.key, told.token, None, segment.life))
    return list(changes.values())


def _placed(truth: History) -> dict[str, int]:
    """Where each token is in the database."""
    return {change.token: change.revision for change in truth.changes if change.token and change.life is None}


def _revisions(operation: Operation, placed: Mapping[str, int]) -> tuple[int, ...]:
    """Those of a write in the order of its parts, answered or found in the database; those that a read shows."""
    if operation.kind == "items":
        return (operation.as_of,) if operation.outcome == OK else ()
    if operation.kind == "get":
        return tuple(held.revision for held in operation.found.values())
    if operation.revisions:
        return operation.revisions
    for index, write in enumerate(operation.writes):
        if write.token in placed:
            first = placed[write.token] - index
            return tuple(range(first, first + len(operation.writes)))
    return ()


def _is_in_one_piece(operation: Operation, placed: Mapping[str, int], truth: History) -> bool:
    found = [truth.at.get(revision) for revision in _revisions(operation, placed)]
    return [(change.key, change.token) if change else None for change in found] == [
        (write.key, write.token) for write in operation.writes
    ]


def _was_deleted(write: Put, truth: History) -> bool:
    """Of a deletion whose answer told no revision, but which named the revision that it deletes."""
    after = truth.next_of(write.key, write.expected or 0, None)
    return after is not None and after.token is None


def _is_deleted_after(change: Change, truth: History, life: int) -> bool:
    after = truth.next_of(change.key, change.revision, life)
    while after is not None and after.token is not None:
        after = truth.next_of(change.key, after.revision, life)
    return after is not None


def _floors(operations: Iterable[Operation], placed: Mapping[str, int]) -> Callable[[int], int]:
    """The highest revision that had been answered before a moment."""
    answers = sorted(
        (operation.responded, max(seen))
        for operation in operations
        if operation.responded is not None
        and operation.outcome == OK
        and not operation.past
        and (seen := _revisions(operation, placed))
    )
    highest, floors = 0, []
    for _, revision in answers:
        highest = max(highest, revision)
        floors.append(highest)

    def floor_at(moment: int) -> int:
        index = bisect_left(answers, (moment, 0))
        return floors[index - 1] if index else 0

    return floor_at


class _Replay:
    """The log played from its beginning, on and on."""

    def __init__(self, truth: History, prefix: str) -> None:
        self._truth, self._prefix = truth, prefix
        self._revision = 0
        self._state: dict[str, Held] = {}

    def until(self, revision: int) -> dict[str, Held]:
        for change in self._truth.after(self._revision, revision):
            if change.life is None and change.key.startswith(self._prefix):
                if change.token is None:
                    self._state.pop(change.key, None)
                else:
                    self._state[change.key] = Held(change.revision, change.token)
        self._revision = max(self._revision, revision)
        return self._state
