"""Each of the seven checks lets good streams pass, and catches the stream that breaks its promise and no other."""

from __future__ import annotations

import pytest

from tests.faults import watching
from tests.faults.history import Change, Held, History, Segment, Stream, Told

A, B, OTHER = "/pods/a", "/pods/b", "/nodes/n"
TRUTH = History(
    [
        Change(1, A, "a1", "red"),
        Change(2, OTHER, "n2", "red"),
        Change(3, B, "b3", "blue"),
        Change(4, A, "a4", "blue"),
        Change(5, B, "b5", "blue"),
        Change(6, A, "a6", "red"),
        Change(7, B, None),
        Change(8, A, None),
        Change(20, B, "b20", "red"),
        Change(12, A, "beat", "red", 1),
    ],
    appends=[(4, 5), (6, 7)],
)

ADDED, CHANGED, GONE = "ADDED", "MODIFIED", "DELETED"
E1, E3, E4 = Told(ADDED, 1, A, "a1"), Told(ADDED, 3, B, "b3"), Told(CHANGED, 4, A, "a4")
E5, E6 = Told(CHANGED, 5, B, "b5"), Told(CHANGED, 6, A, "a6")
E7, E8, E20 = Told(GONE, 7, B), Told(GONE, 8, A), Told(ADDED, 20, B, "b20")
BEAT = Told(CHANGED, 12, A, "beat")


def marked(revision: int) -> Told:
    return Told("BOOKMARK", revision)


def stream(*segments: Segment, prefix: str = "/pods/", label: str | None = None, exact: bool = False) -> Stream:
    return Stream("w", prefix, label, exact, list(segments))


def connection(after: int, *lists: list[Told]) -> Segment:
    return Segment(1, after, list(lists))


GOOD = [
    pytest.param(
        stream(connection(0, [E1], [E3], [E4, E5], [E6, E7], [E8], [BEAT], [marked(12)]), connection(12, [E20])),
        id="everything, and resumed after a heartbeat that is no more",
    ),
    pytest.param(stream(connection(3, [E4, E5], [marked(5)]), connection(5)), id="from the middle, with a bookmark"),
    pytest.param(stream(connection(4, [E5], [E6, E7])), id="resumed within an append"),
    pytest.param(
        stream(Segment(1, 5, [[E6, E7]], listed={A: Held(4, "a4"), B: Held(5, "b5")})), id="begun with a list"
    ),
    pytest.param(
        stream(
            connection(0, [E1], [Told(GONE, 4, A)], [Told(ADDED, 6, A, "a6")], [Told(GONE, 8, A)], [marked(19)], [E20]),
            label="red",
        ),
        id="objects come into a filter and leave it",
    ),
    pytest.param(stream(connection(0, [E1], [E4], [E6], [E8]), prefix=A, exact=True), id="one object"),
]


@pytest.mark.parametrize("good", GOOD)
def test_a_good_stream_breaks_no_promise(good: Stream):
    assert watching.violations([good], TRUTH) == []


BROKEN = [
    pytest.param({"ordered"}, stream(connection(0, [E1], [E4, E5, E3])), id="ordered: one comes late"),
    pytest.param(
        {"ordered", "unique"},
        stream(connection(0, [E1], [E3], [E4, E5]), connection(1, [E3])),
        id="ordered: a new connection goes back",
    ),
    pytest.param({"unique"}, stream(connection(0, [E1], [E1], [E3])), id="unique: twice in one connection"),
    pytest.param(
        {"unique"}, stream(connection(0, [E1], [E3]), connection(1, [E3])), id="unique: again by the next connection"
    ),
    pytest.param({"reliable"}, stream(connection(0, [E1], [E4, E5])), id="reliable: one is left out"),
    pytest.param({"reliable"}, stream(connection(0, [E1], [E3], [E4, E5], [E6], [E8])), id="reliable: a deletion is"),
    pytest.param(
        {"reliable"},
        stream(connection(0, [E1], [E3._replace(token="b9")])),
        id="reliable: another value than the log's",
    ),
    pytest.param({"atomic"}, stream(connection(0, [E1], [E3], [E4], [E5])), id="atomic: an append in two parts"),
    pytest.param({"resumable"}, stream(connection(1, [E4, E5])), id="resumable: the first one after is missing"),
    pytest.param(
        {"resumable"},
        stream(connection(0, [E1]), connection(1, [E6, E7])),
        id="resumable: what happened between two connections is missing",
    ),
    pytest.param(
        {"bookmarkable"}, stream(connection(0, [E1], [marked(3)], [E3])), id="bookmarkable: a bookmark too early"
    ),
    pytest.param(
        {"bookmarkable"}, stream(connection(0, [E1], [marked(3)])), id="bookmarkable: what it covers never comes"
    ),
    pytest.param(
        {"filtered", "reliable"},
        stream(connection(0, [E1], [Told(ADDED, 2, OTHER, "n3")])),
        id="filtered: another prefix",
    ),
    pytest.param(
        {"filtered"},
        stream(connection(0, [E1], [E4], [Told(ADDED, 6, A, "a6")]), label="red"),
        id="filtered: left as changed",
    ),
    pytest.param(
        {"filtered"}, stream(connection(4, [Told(CHANGED, 6, A, "a6")]), label="red"), id="filtered: came as changed"
    ),
    pytest.param({"filtered"}, stream(connection(0, [E1], [E3]), prefix=A, exact=True), id="filtered: another object"),
]


@pytest.mark.parametrize(("promises", "broken"), BROKEN)
def test_a_broken_promise_is_caught_by_its_check(promises: set[str], broken: Stream):
    found = {line.partition(":")[0] for line in watching.violations([broken], TRUTH)}

    assert found == promises
