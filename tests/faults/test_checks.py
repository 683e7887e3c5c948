"""Each check of a history lets a good one pass, and catches the violation that it is there for."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.faults import checks
from tests.faults.history import OK, REFUSED, UNKNOWN, Change, Held, History, Operation, Put

A, B = "/a", "/b"
TRUTH = [Change(1, A, "t1"), Change(2, A, "t2"), Change(3, B, "t3"), Change(4, A, None), Change(9, A, "t9")]
HEARTBEAT = Change(6, B, "beat", None, 1)
"""Of life 1, between the durable changes; no other life knows of it."""


def append(
    invoked: int, responded: int | None, writes: list[Put], *revisions: int, outcome: str = OK, life: int = 1
) -> Operation:
    return Operation(life, "w", "append", invoked, responded, outcome, tuple(writes), revisions)


def items(invoked: int, as_of: int, *, past: bool = False, **found: tuple[int, str]) -> Operation:
    held = {f"/{key}": Held(*value) for key, value in found.items()}
    return Operation(1, "r", "items", invoked, invoked + 1, OK, asked="/", as_of=as_of, past=past, found=held)


def get(invoked: int, key: str, held: Held | None, life: int = 1) -> Operation:
    found = {} if held is None else {key: held}
    return Operation(life, "r", "get", invoked, invoked + 1, OK, asked=key, found=found)


BEAT = replace(append(50, 51, [Put(B, "beat", 3)], 6), kind="note")
GOOD = [
    append(0, 10, [Put(A, "t1", 0)], 1),
    append(12, 20, [Put(A, "t2", 1), Put(B, "t3", 0)], 2, 3),
    append(13, 30, [Put(A, "t-late", 1)], outcome=REFUSED),
    items(21, 3, a=(2, "t2"), b=(3, "t3")),
    items(22, 1, past=True, a=(1, "t1")),
    append(31, 40, [Put(A, None, 2)], 4),
    append(32, None, [Put(A, "t-never")], outcome=UNKNOWN),
    get(41, A, None),
    BEAT,
    get(52, B, Held(6, "beat")),
    append(60, None, [Put(A, "t9", 0)], outcome=UNKNOWN),
    get(61, B, Held(3, "t3"), life=2),
    get(62, A, Held(9, "t9"), life=2),
]


def truth(*without: int, more: tuple[Change, ...] = ()) -> History:
    return History([change for change in [*TRUTH, HEARTBEAT] if change.revision not in without] + list(more))


def test_a_good_history_has_no_violation():
    assert checks.violations(GOOD, truth()) == []


BROKEN = [
    pytest.param("lost", GOOD, truth(9, 2), id="lost: an answered write is not there"),
    pytest.param("lost", GOOD, truth(2, more=(Change(2, A, "other"),)), id="lost: another value is in its place"),
    pytest.param(
        "lost", [append(5, 6, [Put(B, None, 3)])], truth(), id="lost: a deletion whose answer tells no number"
    ),
    pytest.param(
        "half",
        [append(0, None, [Put(A, "t9"), Put(B, "gone")], outcome=UNKNOWN)],
        truth(),
        id="half: one of two writes is there",
    ),
    pytest.param(
        "half",
        [append(0, None, [Put(A, "t2"), Put(A, "t9")], outcome=UNKNOWN)],
        truth(),
        id="half: both are there, with others between them",
    ),
    pytest.param(
        "half", [append(0, 5, [Put(A, "t9", 7)], outcome=REFUSED)], truth(), id="half: what was refused is there"
    ),
    pytest.param(
        "reused",
        [*GOOD, append(70, 80, [Put(B, "t1x")], 4, life=2)],
        truth(),
        id="reused: a second write has an old revision",
    ),
    pytest.param(
        "reused",
        [*GOOD],
        truth(more=(Change(6, B, "t6"),)),
        id="reused: a later life gives a heartbeat's revision again",
    ),
    pytest.param("reused", [], truth(more=(Change(2, B, "twice"),)), id="reused: the database has one twice"),
    pytest.param(
        "realtime",
        [append(0, 1, [Put(A, "t9")], 9), append(2, 3, [Put(B, "t3")], 3)],
        truth(),
        id="realtime: a later write has the lower revision",
    ),
    pytest.param(
        "realtime",
        [append(0, 1, [Put(A, "t9")], 9), append(2, None, [Put(B, "t3")], outcome=UNKNOWN)],
        truth(),
        id="realtime: so has one that was never answered, but is in the database",
    ),
    pytest.param(
        "realtime", [GOOD[0], GOOD[1], items(21, 1, a=(1, "t1"))], truth(), id="realtime: a list without the last write"
    ),
    pytest.param(
        "realtime",
        [items(0, 9, a=(9, "t9"), b=(3, "t3")), items(5, 3, a=(2, "t2"), b=(3, "t3"))],
        truth(),
        id="realtime: a list older than the one before it",
    ),
    pytest.param(
        "precondition",
        [append(0, 1, [Put(A, "t9", 2)], 9)],
        truth(),
        id="precondition: an update over a deletion that it did not see",
    ),
    pytest.param(
        "precondition",
        [append(0, 1, [Put(A, "t2", 0)], 2)],
        truth(),
        id="precondition: a create over something that is there",
    ),
    pytest.param(
        "precondition",
        [append(0, None, [Put(A, "t2", 0)], outcome=UNKNOWN)],
        truth(),
        id="precondition: the same, never answered",
    ),
    pytest.param(
        "precondition",
        [replace(BEAT, writes=(Put(B, "beat", 2),))],
        truth(),
        id="precondition: a heartbeat over another",
    ),
    pytest.param("torn", [items(0, 2, a=(2, "t2"), b=(3, "t3"))], truth(), id="torn: a list with something of later"),
    pytest.param("torn", [items(0, 3, a=(2, "t2"))], truth(), id="torn: a list without something of before"),
    pytest.param("torn", [items(0, 4, a=(2, "t2"), b=(3, "t3"))], truth(), id="torn: a list with what was deleted"),
    pytest.param("torn", [items(0, 2, past=True, a=(1, "t1"))], truth(), id="torn: the past, too old by one"),
    pytest.param("value", [*GOOD, get(41, A, Held(2, "t2"))], truth(), id="value: what had been deleted before"),
    pytest.param("value", [*GOOD, get(35, B, None)], truth(), id="value: nothing, where there was something"),
    pytest.param("value", [get(0, A, Held(2, "t7"))], truth(), id="value: what was never written"),
    pytest.param(
        "value", [*GOOD, get(55, B, Held(3, "t3"))], truth(), id="value: the one before an answered heartbeat"
    ),
]


@pytest.mark.parametrize(("check", "operations", "history"), BROKEN)
def test_a_violation_is_caught(check: str, operations: list[Operation], history: History):
    found = checks.violations(operations, history)

    assert check in {line.partition(":")[0] for line in found}


def test_heartbeats_are_collected_from_answers_and_from_what_watches_told():
    assert sorted(checks.sightings(GOOD, [], TRUTH)) == sorted([*TRUTH, HEARTBEAT])
