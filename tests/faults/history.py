"""What was recorded while a database or its master was killed: operations, watch streams, and the truth afterwards.

Plain data, so that the checks on it are pure functions. A *token* names one write of one operation: it is the
beginning of the value that was written, so that the truth tells whose each change is. Times are nanoseconds of
CLOCK_MONOTONIC, which is one clock for all processes of a machine. A *life* is one process between two kills.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

OK, REFUSED, UNKNOWN = "ok", "refused", "unknown"


class Put(NamedTuple):
    """One write of an operation. token None deletes. expected: the precondition; 0 = must not exist; None = none."""

    key: str
    token: str | None
    expected: int | None = None


class Held(NamedTuple):
    """What a key holds, as somebody was shown it."""

    revision: int
    token: str


@dataclass(frozen=True)
class Operation:
    """One call of one client.

    kind: append, note (a heartbeat: never on disk), items (a list), get.
    revisions: of the writes, in their order; empty where the answer does not tell (a DELETE through the API).
    responded: None when no answer came. A read has `asked`: a prefix or a key.
    as_of: the revision of a list; `past`: the client had asked for it, so that notes do not show.
    found: what a read showed.
    """

    life: int
    client: str
    kind: str
    invoked: int
    responded: int | None
    outcome: str
    writes: tuple[Put, ...] = ()
    revisions: tuple[int, ...] = ()
    asked: str = ""
    as_of: int = 0
    past: bool = False
    found: Mapping[str, Held] = field(default_factory=dict)

    def __str__(self) -> str:
        what = ", ".join(f"{key} = {token} if {expected}" for key, token, expected in self.writes) or self.asked
        return f"{self.kind} of {self.client} in life {self.life} ({what}), {self.outcome} {list(self.revisions)}"


class Change(NamedTuple):
    """One change as the database has it, or (life is not None) one heartbeat, which only that life knew."""

    revision: int
    key: str
    token: str | None
    label: str | None = None  # what a filter can look at
    life: int | None = None


class History:
    """All changes, in order of their revisions. appends: the revisions of those that were made together."""

    def __init__(self, changes: Iterable[Change], appends: Iterable[tuple[int, ...]] = ()) -> None:
        self.appends = list(appends)
        self.changes = sorted(changes)
        self.revisions = [change.revision for change in self.changes]
        self.at = {change.revision: change for change in self.changes}
        self._of: dict[str, list[Change]] = {}
        for change in self.changes:
            self._of.setdefault(change.key, []).append(change)

    def after(self, revision: int, until: int | None = None) -> list[Change]:
        last = len(self.changes) if until is None else bisect_right(self.revisions, until)
        return self.changes[bisect_right(self.revisions, revision) : last]

    def held(self, key: str, revision: int, life: int | None) -> Change | None:
        """The newest change of a key up to a revision that a life knows of; a deletion is one, too."""
        of = self._of.get(key, [])
        for index in range(bisect_right(of, revision, key=lambda change: change.revision) - 1, -1, -1):
            if of[index].life in (None, life):
                return of[index]
        return None

    def next_of(self, key: str, revision: int, life: int | None) -> Change | None:
        """The change of a key that followed the one of a revision."""
        of = self._of.get(key, [])
        first = bisect_left(of, revision + 1, key=lambda change: change.revision)
        return next((change for change in of[first:] if change.life in (None, life)), None)

    def state(self, prefix: str) -> dict[str, Held]:
        """What the database holds at the end."""
        newest = {
            change.key: change for change in self.changes if change.life is None and change.key.startswith(prefix)
        }
        return {key: Held(change.revision, change.token) for key, change in newest.items() if change.token is not None}


class Told(NamedTuple):
    """One event of a watch. type: ADDED, MODIFIED, DELETED, or BOOKMARK (then only the revision counts)."""

    type: str
    revision: int
    key: str = ""
    token: str | None = None


@dataclass
class Segment:
    """One connection of a watch. after: the revision from which it asked. lists: events as they came, together.

    listed: what a LIST showed at that revision, when the watch began with one; it then need not resume.
    """

    life: int
    after: int
    lists: list[list[Told]] = field(default_factory=list)
    listed: Mapping[str, Held] | None = None

    def events(self) -> Iterator[Told]:
        """Without bookmarks."""
        return (told for together in self.lists for told in together if told.type != "BOOKMARK")


@dataclass
class Stream:
    """What one watcher saw, over all its connections. It follows keys with a prefix (or one key, when `exact`),
    and of those, when `label` is given, the objects that carry it."""

    name: str
    prefix: str
    label: str | None = None
    exact: bool = False
    segments: list[Segment] = field(default_factory=list)

    def selects(self, key: str) -> bool:
        return key == self.prefix if self.exact else key.startswith(self.prefix)

    def expected(self, truth: History, after: int, until: int | None = None) -> Iterator[Told]:
        """What the log's changes after one revision and up to another mean to this watcher."""
        for change in truth.after(after, until):
            if change.life is not None or not self.selects(change.key):
                continue
            before = truth.held(change.key, change.revision - 1, None)
            shown, was = self._shows(change), before is not None and self._shows(before)
            if shown:
                yield Told("MODIFIED" if was else "ADDED", change.revision, change.key, change.token)
            elif was:
                yield Told("DELETED", change.revision, change.key, None)

    def _shows(self, change: Change) -> bool:
        return change.token is not None and (self.label is None or change.label == self.label)
