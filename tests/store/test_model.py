"""The log against a table that is looked through from end to end: whatever is done in whatever order, they agree."""

import asyncio
import itertools
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import hypothesis.strategies as st
import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from store import Compacted, Conflict, Event, Log, Retention, Row, Write
from store.dialects.postgresql_session import PostgresqlSession
from tests.postgresql import Server

KEYS = st.sampled_from(["/a", "/a/b", "/é", "/\U0001f600"])
VALUES = st.one_of(st.none(), st.binary(max_size=5))
PREFIXES = st.sampled_from(["", "/", "/a", "/a/", "/é"])
FOREVER = Retention(age=None, size=None)


class Change(NamedTuple):
    key: str
    value: bytes | None
    created: int


class LogModel(RuleBasedStateMachine):
    """Each step runs to its end on a loop of its own. url: of an empty database, of which so many masters share one.

    The masters take turns, and each hears of everything before the next step.
    """

    def __init__(self, url: str, masters: int) -> None:
        super().__init__()
        self.url, self.is_shared = url, masters > 1
        self.runner = asyncio.Runner()
        self.durable: dict[int, Change] = {}  # by revision, without what was erased
        self.notes: dict[str, Row] = {}
        self.present: dict[str, Row] = {}
        self.told: list[Event] = []
        self.revision = self.oldest = 0
        self.logs: list[Log] = []
        self.seen: list[list[Event]] = []
        for _ in range(masters):
            self.logs.append(self.opened())
            self.seen.append([])
            self.logs[-1].subscribe(self.seen[-1].extend)

    def run(self, awaitable: Any) -> Any:
        return self.runner.run(awaitable)

    def opened(self) -> Log:
        log: Log = self.run(Log.open(self.url, retention=FOREVER))
        return log

    def log(self, turn: int) -> Log:
        return self.logs[turn % len(self.logs)]

    # --- the table

    def held(self, key: str, revision: int) -> Row | None:
        """Notes apart."""
        there = [(at, change) for at, change in self.durable.items() if change.key == key and at <= revision]
        if not there:
            return None
        at, (_, value, created) = max(there)
        return None if value is None else Row(key, value, at, created)

    def take(self, key: str, value: bytes | None, *, durable: bool) -> None:
        self.revision += 1
        previous = self.present.get(key)
        created = previous.created if previous else self.revision
        self.told.append(Event(self.revision, key, value, previous))
        self.notes.pop(key, None)
        if value is None:
            self.present.pop(key, None)
        else:
            self.present[key] = Row(key, value, self.revision, created)
        if durable:
            self.durable[self.revision] = Change(key, value, created)
        else:
            self.notes[key] = self.present[key]

    def erase(self, key: str) -> None:
        for revision in sorted(at for at, change in self.durable.items() if change.key == key)[:-1]:
            del self.durable[revision]

    # --- what is done

    @rule(
        turn=st.integers(0, 1),
        writes=st.lists(
            st.tuples(KEYS, VALUES, st.sampled_from(["any", "now", "none", "stale"]), st.integers(0, 3)),
            max_size=4,
            unique_by=lambda write: write[0],
        ),
    )
    def append(self, turn: int, writes: list[tuple[str, bytes | None, str, int]]) -> None:
        made, conflict = [], False
        for key, value, kind, forget in writes:
            now = self.present[key].revision if key in self.present else 0
            expected = {"any": None, "now": now, "none": 0, "stale": 10**6}[kind]
            made.append(Write(key, value, expected, forget=not forget))
            conflict = conflict or expected not in (None, now)
        try:
            revisions = self.run(self.log(turn).append(*made))
        except Conflict:
            assert conflict
            return
        assert not conflict
        assert revisions == list(range(self.revision + 1, self.revision + 1 + len(made)))
        for write in made:
            self.take(write.key, write.value, durable=True)
        for write in made:
            if write.forget:
                self.erase(write.key)

    @rule(turn=st.integers(0, 1), key=KEYS, values=st.lists(VALUES, min_size=2, max_size=3), forget=st.booleans())
    def append_to_one_key(self, turn: int, key: str, values: list[bytes | None], forget: bool) -> None:
        """More than once in one transaction."""
        forget = forget and not self.is_shared  # the others do not hear of what is gone when it comes
        made = [Write(key, value, forget=forget and place == 1) for place, value in enumerate(values)]
        self.run(self.log(turn).append(*made))
        for value in values:
            self.take(key, value, durable=True)
        if forget:
            self.erase(key)

    @rule(turn=st.integers(0, 1), key=KEYS, value=st.binary(max_size=5))
    def note(self, turn: int, key: str, value: bytes) -> None:
        self.run(self.log(turn).note(Write(key, value)))
        self.take(key, value, durable=False)

    @rule(turn=st.integers(0, 1), key=KEYS)
    def forget(self, turn: int, key: str) -> None:
        self.run(self.log(turn).forget(key))
        self.erase(key)

    @rule(turn=st.integers(0, 1), back=st.integers(0, 6))
    def compact(self, turn: int, back: int) -> None:
        revision = max(0, self.revision - back)
        self.run(self.log(turn).compact(revision))
        self.oldest = max(self.oldest, revision)

    @rule(turn=st.integers(0, 1))
    def restart(self, turn: int) -> None:
        turn %= len(self.logs)
        self.run(self.logs[turn].close())
        if not self.is_shared:
            for key in self.notes:
                row = self.held(key, self.revision)
                self.present = (
                    {**self.present, key: row} if row else {k: v for k, v in self.present.items() if k != key}
                )
            self.notes = {}
        self.logs[turn] = self.opened()
        self.seen[turn][:] = self.told
        self.logs[turn].subscribe(self.seen[turn].extend)

    # --- what must hold

    @rule(turn=st.integers(0, 1), prefix=PREFIXES, after=KEYS, limit=st.integers(1, 4))
    def look_back(self, turn: int, prefix: str, after: str, limit: int) -> None:
        """At everything that can be read."""
        log = self.log(turn)
        keys = sorted({change.key for change in self.durable.values()} | self.present.keys())
        for revision in range(self.oldest, self.revision + 1):
            held = self.present.get if revision == self.revision else partial(self.held, revision=revision)
            wanted = [row for key in keys if key.startswith(prefix) and (row := held(key))]
            assert self.run(log.items(prefix, revision=revision, limit=limit)) == wanted[:limit]
            rest = [row for row in wanted if row.key > after]
            assert self.run(log.items(prefix, revision=revision, after=after)) == rest
            assert self.run(log.at(after, revision)) == held(after)
        for revision in (self.oldest, (self.oldest + self.revision) // 2):
            events = [event for event in self.events(revision) if event.key.startswith(prefix)]
            assert self.run(log.events(revision, prefix)) == events

    @rule(turn=st.integers(0, 1), back=st.integers(1, 3))
    def look_back_too_far(self, turn: int, back: int) -> None:
        revision, log = self.oldest - back, self.log(turn)
        if revision >= 0:
            for question in (log.items("/", revision=revision), log.at("/a", revision), log.events(revision)):
                with pytest.raises(Compacted) as raised:
                    self.run(question)
                assert raised.value.oldest == self.oldest

    def events(self, after: int) -> list[Event]:
        """Those of a note are told if it is the last of its key."""
        later = {
            **{row.revision: Change(row.key, row.value, row.created) for row in self.notes.values()},
            **self.durable,
        }
        held: dict[str, Row | None] = {}
        events = []
        for revision, (key, value, created) in sorted(later.items()):
            if revision > after:
                events.append(Event(revision, key, value, held[key] if key in held else self.held(key, after)))
                held[key] = None if value is None else Row(key, value, revision, created)
        return events

    @invariant()
    def the_present_agrees(self) -> None:
        for log, seen in zip(self.logs, self.seen, strict=True):
            assert self.run(log.current()) == self.revision
            assert self.run(log.items("")) == [self.present[key] for key in sorted(self.present)]
            assert seen == self.told

    def teardown(self) -> None:
        for log in self.logs:
            self.run(log.close())
        self.runner.close()


def agree(fresh: Callable[[], str], masters: int, examples: int) -> None:
    """fresh: makes the URL of an empty database."""
    wanted = settings(
        max_examples=examples, stateful_step_count=25, deadline=None, suppress_health_check=list(HealthCheck)
    )
    run_state_machine_as_test(lambda: LogModel(fresh(), masters), settings=wanted)


def test_the_log_agrees_on_sqlite(tmp_path):
    names = itertools.count()
    agree(lambda: str(tmp_path / f"{next(names)}.db"), 1, 25)


def test_two_masters_agree_on_postgresql(postgres: Server, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(PostgresqlSession, "grace", 0.0)
    names = itertools.count()
    agree(lambda: postgres.schema(f"model{next(names)}"), 2, 12)
