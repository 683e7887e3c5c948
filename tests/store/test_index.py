"""The index by key against a table of rows that knows no keys."""

from dataclasses import dataclass, field

import hypothesis.strategies as st
import pytest
from hypothesis import settings
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from store.index import Index, Sweep

KEYS = ("/a", "/a/b", "/b", "/c")


def filled(*changes: tuple[int, str]) -> Index:
    """Of changes as they are on disk; a deletion is below 0."""
    return Index.of(changes)


def test_a_key_with_a_single_live_row_is_not_kept():
    index = filled((1, "/a"), (2, "/b"), (3, "/b"))

    assert (index.of_key("/a"), index.of_key("/b")) == ((), [2, 3])


def test_the_past_of_a_key():
    index = filled((1, "/a"), (4, "/a"), (-6, "/a"), (9, "/a"))

    assert [index.at("/a", revision) for revision in range(11)] == [0, 1, 1, 1, 4, 4, -6, -6, -6, 9, 9]
    assert index.at("/other", 5) == 0


def test_deleted_keys_are_found_by_prefix_in_order():
    changes = [(number, f"/{number % 7}") for number in range(1, 15)] + [(-20, "/5"), (-21, "/3"), (-22, "/1")]
    index = filled(*changes, (23, "/3"))

    assert index.deleted("/", "", 9) == ["/1", "/5"]
    assert index.deleted("/", "/1", 9) == ["/5"]
    assert index.deleted("/", "", 1) == ["/1"]
    assert index.deleted("/2", "", 9) == []


def test_a_row_below_a_note_stays_known():
    index = Index()
    index.covered = notes = {"/lease"}
    index.cover("/lease", 1)
    index.put("/lease", 3, 0)
    notes.clear()

    assert index.of_key("/lease") == [1, 3]
    assert index.sweep(3, 10) == Sweep(3, [(3, 1)])
    index.prune(3, 10)
    assert index.of_key("/lease") == ()


def test_the_last_row_below_a_note_is_kept_by_a_compaction():
    index = filled((1, "/lease"), (2, "/lease"))
    index.covered = {"/lease"}
    index.prune(2, 10)

    assert index.of_key("/lease") == [2]


def test_a_deletion_goes_with_or_after_all_that_is_older():
    index = filled((1, "/a"), (2, "/a"), (-3, "/a"), (4, "/b"), (-5, "/b"))

    assert index.sweep(5, 1) == Sweep(2, [(2, 1)])
    assert index.sweep(5, 2) == Sweep(3, [(2, 1), (3, 2), (3, 3)])
    assert index.sweep(4, 10) == Sweep(4, [(2, 1), (3, 2), (3, 3)])
    assert index.sweep(9, 10) == Sweep(9, [(2, 1), (3, 2), (3, 3), (5, 4), (5, 5)])


def test_what_was_erased_is_not_deleted_once_more():
    index = filled((1, "/a"), (2, "/a"), (-3, "/a"), (4, "/a"), (5, "/a"))
    index.erase("/a", (1, 2, 3))
    index.erase("/never", (1,))

    assert index.of_key("/a") == [4, 5]
    assert index.sweep(9, 10).rows == [(5, 4)]


@pytest.mark.parametrize(("oldest", "cut"), [(0, 3), (3, 4), (8, 9), (9, 9)])
def test_a_quarter_of_the_past_is_counted_from_the_oldest_that_can_be_read(oldest: int, cut: int):
    index = filled((1, "/a"), *((revision, "/a") for revision in range(2, 10)))

    assert index.quarter(oldest) == cut


@dataclass
class Table:
    """What a database would have; `at` tells the truth, by looking at everything."""

    rows: dict[int, tuple[str, bool]] = field(default_factory=dict)  # revision → key, whether it is a deletion

    def of(self, key: str) -> list[int]:
        return [-revision if gone else revision for revision, (name, gone) in sorted(self.rows.items()) if name == key]

    def at(self, key: str, revision: int) -> int:
        return next((there for there in reversed(self.of(key)) if abs(there) <= revision), 0)


class IndexModel(RuleBasedStateMachine):
    """The index as its owner uses it, and `begun`, one made of the table after every step: they must say the same."""

    def __init__(self) -> None:
        super().__init__()
        self.table = Table()
        self.truth: dict[str, list[int]] = {key: [] for key in KEYS}  # all that ever was, erased values apart
        self.index = Index()
        self.notes: set[str] = set()
        self.present: dict[str, int] = {}  # the durable row that the owner has in memory
        self.index.covered = self.notes
        self.revision = self.oldest = 0

    @rule(key=st.sampled_from(KEYS), deleted=st.booleans())
    def change(self, key: str, deleted: bool) -> None:
        self.revision += 1
        kept = self.present.pop(key, 0)
        self.index.put(key, -self.revision if deleted else self.revision, kept)
        self.notes.discard(key)
        self.table.rows[self.revision] = (key, deleted)
        self.truth[key].append(-self.revision if deleted else self.revision)
        if not deleted:
            self.present[key] = self.revision

    @rule(key=st.sampled_from(KEYS))
    def note(self, key: str) -> None:
        self.revision += 1
        if kept := self.present.pop(key, 0):
            self.index.cover(key, kept)
        self.notes.add(key)

    @rule(key=st.sampled_from(KEYS))
    def erase(self, key: str) -> None:
        gone = [abs(revision) for revision in self.table.of(key)[:-1]]
        for revision in gone:
            del self.table.rows[revision]
        self.index.erase(key, gone)
        self.truth[key] = self.truth[key][-1:]

    @rule(back=st.integers(0, 9), count=st.integers(1, 4), lost=st.booleans(), young=st.integers(0, 3))
    def compact(self, back: int, count: int, lost: bool, young: int) -> None:
        """One step of it. lost: the database fails. young: how much of it must wait."""
        self.oldest = max(self.oldest, self.revision - back)
        sweep = self.index.sweep(self.oldest, count)
        reached = max((by for by, _ in sweep.rows if by <= sweep.reached - young), default=0)
        reached = reached if young else sweep.reached
        if lost:
            return
        for by, revision in sweep.rows:
            if by <= reached:
                key, _ = self.table.rows.pop(revision)
                assert self.table.at(key, revision) == 0, "older rows must go before or with a newer one"
        self.index.prune(reached, 1000)

    @rule()
    def restart(self) -> None:
        """Notes are lost, and everything is made of the table."""
        self.notes.clear()
        self.index = Index.of(self.changes())
        self.index.covered = self.notes
        self.present = {key: there[-1] for key in KEYS if (there := self.table.of(key)) and there[-1] > 0}

    def changes(self) -> list[tuple[int, str]]:
        return [(-revision if gone else revision, key) for revision, (key, gone) in sorted(self.table.rows.items())]

    @invariant()
    def they_agree(self) -> None:
        begun = Index.of(self.changes())
        for key in KEYS:
            there = self.table.of(key)
            assert list(self.index.of_key(key) or filter(None, [self.present.get(key, 0)])) == there
            for revision in range(self.oldest, self.revision + 1):
                at = self.index.at(key, revision) or self.present_at(key, revision)
                truth = next((known for known in reversed(self.truth[key]) if abs(known) <= revision), 0)
                assert max(at, 0) == max(self.table.at(key, revision), 0) == max(truth, 0)
        assert self.index.deleted("", "", 9) == begun.deleted("", "", 9)
        gone = [key for key in KEYS if (there := self.table.of(key)) and there[-1] < 0]
        assert self.index.deleted("", "", 9) == sorted(gone)
        assert self.swept_by(self.index) == self.swept_by(begun), "what a restart would delete, nothing else"

    def present_at(self, key: str, revision: int) -> int:
        there = self.present.get(key, 0)
        return there if there <= revision else 0

    def swept_by(self, index: Index) -> set[int]:
        return {revision for _, revision in index.sweep(self.revision, 10_000).rows}


def test_the_index_agrees_with_the_table():
    run_state_machine_as_test(IndexModel, settings=settings(max_examples=150, stateful_step_count=30, deadline=None))
