"""Telling subscribers what happened, in order, also when one of them causes the next event."""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence

from store.rows import Event

Callback = Callable[[Sequence[Event]], None]


class Publication:
    """Subscribers of one log. A subscriber that raises is reported to the loop and goes on being called."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._subscribers: dict[object, Callback] = {}
        self._outbox: deque[tuple[Sequence[Event], list[tuple[object, Callback]]]] = deque()
        self._publishing = False

    def subscribe(self, callback: Callback) -> Callable[[], None]:
        token = object()
        self._subscribers[token] = callback
        return lambda: (self._subscribers.pop(token, None), None)[1]

    def publish(self, events: Sequence[Event]) -> None:
        """Calls everyone who is subscribed now; from inside a callback, after the events being told."""
        if not events:
            return
        self._outbox.append((events, list(self._subscribers.items())))
        if self._publishing:
            return
        self._publishing = True
        while self._outbox:
            told, subscribers = self._outbox.popleft()
            for token, callback in subscribers:
                if token in self._subscribers:
                    self._tell(callback, told)
        self._publishing = False

    def _tell(self, callback: Callback, events: Sequence[Event]) -> None:
        try:
            callback(events)
        except Exception as error:  # one subscriber's fault must not cost the others their events
            self._loop.call_exception_handler({"message": "a subscriber of the log failed", "exception": error})
