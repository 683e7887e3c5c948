"""The log against a dict and a list: whatever is done in whatever order, they agree."""

import asyncio
import itertools
from collections.abc import Callable
from typing import Any

import hypothesis.strategies as st
from hypothesis import HealthCheck, settings
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from store import Compacted, Conflict, Event, Log, Retention, Row, Write
from tests.postgresql import Server

KEYS = st.sampled_from(["/a", "/a/b", "/a/c", "/b", "/é", "/\U0001f600"])
VALUES = st.one_of(st.none(), st.binary(max_size=5))


class LogModel(RuleBasedStateMachine):
    """Each step runs to its end on a loop of its own; `states[revision]` is what there was."""

    def __init__(self, url: str) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.log = self.run(Log.open(url, retention=Retention(age=None, size=None)))
        self.states: list[dict[str, Row]] = [{}]
        self.events: list[Event] = []
        self.seen: list[Event] = []
        self.oldest = 0
        self.log.subscribe(self.seen.extend)

    def run(self, awaitable: Any) -> Any:
        return self.runner.run(awaitable)

    def wanted(self, state: dict[str, Row], write: Write) -> bool:
        row = state.get(write.key)
        return write.expected is None or write.expected == (row.revision if row else 0)

    @rule(writes=st.lists(st.tuples(KEYS, VALUES, st.sampled_from(["any", "now", "none", "stale"])), max_size=4))
    def append(self, writes: list[tuple[str, bytes | None, str]]) -> None:
        state, events = dict(self.states[-1]), []
        made, conflict = [], False
        for key, value, kind in writes:
            row = self.states[-1].get(key)
            expected = {"any": None, "now": row.revision if row else 0, "none": 0, "stale": 10**6}[kind]
            write = Write(key, value, expected)
            made.append(write)
            conflict = conflict or not self.wanted(state, write)
            revision = len(self.states) + len(events)
            previous = state.get(key)
            events.append(Event(revision, key, value, previous))
            if value is None:
                state.pop(key, None)
            else:
                state[key] = Row(key, value, revision, previous.created if previous else revision)
        try:
            revisions = self.run(self.log.append(*made))
        except Conflict:
            assert conflict
            return
        assert not conflict
        assert revisions == [event.revision for event in events]
        for event in events:
            after = dict(self.states[-1])
            if event.value is None:
                after.pop(event.key, None)
            else:
                created = event.previous.created if event.previous else event.revision
                after[event.key] = Row(event.key, event.value, event.revision, created)
            self.states.append(after)
        self.events += events

    @rule(back=st.integers(0, 6))
    def compact(self, back: int) -> None:
        revision = max(0, len(self.states) - 1 - back)
        self.run(self.log.compact(revision))
        self.oldest = max(self.oldest, revision)

    @rule(back=st.integers(0, 12), prefix=st.sampled_from(["", "/", "/a", "/a/", "/é"]), limit=st.integers(1, 4))
    def read_back(self, back: int, prefix: str, limit: int) -> None:
        revision = max(0, len(self.states) - 1 - back)
        try:
            rows = self.run(self.log.items(prefix, revision=revision, limit=limit))
            events = self.run(self.log.events(revision, prefix))
            one = self.run(self.log.at("/a", revision))
        except Compacted as error:
            assert revision < self.oldest == error.oldest
            return
        state = self.states[revision]
        assert revision >= self.oldest
        assert rows == [state[key] for key in sorted(state) if key.startswith(prefix)][:limit]
        assert events == [event for event in self.events if event.revision > revision and event.key.startswith(prefix)]
        assert one == state.get("/a")

    @invariant()
    def the_present_agrees(self) -> None:
        state = self.states[-1]
        assert self.log.revision == len(self.states) - 1
        assert self.run(self.log.items("")) == [state[key] for key in sorted(state)]
        assert self.seen == self.events

    def teardown(self) -> None:
        self.run(self.log.close())
        self.runner.close()


def agree(fresh: Callable[[], str], examples: int) -> None:
    """fresh: makes the URL of an empty database."""
    wanted = settings(
        max_examples=examples, stateful_step_count=25, deadline=None, suppress_health_check=list(HealthCheck)
    )
    run_state_machine_as_test(lambda: LogModel(fresh()), settings=wanted)


def test_the_log_agrees_on_sqlite():
    agree(lambda: ":memory:", 25)


def test_the_log_agrees_on_postgresql(postgres: Server):
    names = itertools.count()
    agree(lambda: postgres.schema(f"model{next(names)}"), 12)
