"""What priority levels, their queues and the requests in them are like now: tables for a person who wonders.

Source: apiserver pkg/util/flowcontrol (apf_controller_debug.go), whose paths, columns and form these are.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, datetime

from procorch.api.fairness import Fairness, Level, Seat

_LEVELS = ("PriorityLevelName", "ActiveQueues", "IsIdle", "IsQuiescing", "WaitingRequests", "ExecutingRequests",
           "DispatchedRequests", "RejectedRequests", "TimedoutRequests", "CancelledRequests")  # fmt: skip
_QUEUES = ("PriorityLevelName", "Index", "PendingRequests", "ExecutingRequests", "SeatsInUse", "NextDispatchR",
           "InitialSeatsSum", "MaxSeatsSum", "TotalWorkSum")  # fmt: skip
_REQUESTS = ("PriorityLevelName", "FlowSchemaName", "QueueIndex", "RequestIndexInQueue", "FlowDistingsher",
             "ArriveTime", "InitialSeats", "FinalSeats", "AdditionalLatency", "StartTime")  # fmt: skip
_DETAILS = ("UserName", "Verb", "APIPath", "Namespace", "Name", "APIVersion", "Resource", "SubResource")
ROOT = "/debug/api_priority_and_fairness"
_NEVER = "0001-01-01T00:00:00Z"

_Row = tuple[str, ...]


def levels(fairness: Fairness, query: Mapping[str, str], now: float) -> str:
    return _table(_LEVELS, (_level(fairness, level) for _, level in sorted(fairness.levels.items())))


def queues(fairness: Fairness, query: Mapping[str, str], now: float) -> str:
    return _table(_QUEUES, (row for level in fairness.levels.values() for row in _queues(level)))


def requests(fairness: Fairness, query: Mapping[str, str], now: float) -> str:
    """now: the loop's time, in which arrivals are known."""
    detailed = bool(query.get("includeRequestDetails"))
    rows = (row for level in fairness.levels.values() for row in _requests(level, now, detailed=detailed))
    return _table((*_REQUESTS, *_DETAILS) if detailed else _REQUESTS, rows)


DUMPS: dict[str, Callable[[Fairness, Mapping[str, str], float], str]] = {
    "dump_priority_levels": levels,
    "dump_queues": queues,
    "dump_requests": requests,
}


def _level(fairness: Fairness, level: Level) -> _Row:
    metrics, yes = fairness.metrics, ("false", "true")
    dispatched = sum(count for (of, _), count in metrics.dispatched.items() if of == level.name)
    counts = (level.waiting, len(level.running), dispatched,
              metrics.count_of(level.name, "queue-full", "concurrency-limit"),
              metrics.count_of(level.name, "time-out"), metrics.count_of(level.name, "cancelled"))  # fmt: skip
    return (level.name, str(len(level.queues)), yes[level.is_idle], yes[not level.wanted], *map(str, counts))


def _queues(level: Level) -> Iterator[_Row]:
    """Those in which somebody waits, or of which somebody runs; the others are as if they were not there."""
    for index in {*level.queues, *(seat.queue for seat in level.running)} - {-1}:
        waiting = list(level.queues.get(index, ()))
        running = [seat for seat in level.running if seat.queue == index]
        sums = sum(seat.width for seat in waiting)
        following = min((seat.arrived for seat in waiting), default=0.0)
        yield (level.name, str(index), str(len(waiting)), str(len(running)), str(sum(one.width for one in running)),
               f"{following:.8f}ss", str(sums), str(sums), f"{sums:.8f}ss")  # fmt: skip


def _requests(level: Level, now: float, *, detailed: bool) -> Iterator[_Row]:
    for queue in level.queues.values():
        for place, seat in enumerate(queue):
            yield _request(seat, place, now, detailed=detailed)
    for seat in level.running:
        yield _request(seat, -1, now, detailed=detailed)


def _request(seat: Seat, place: int, now: float, *, detailed: bool) -> _Row:
    flow = seat.flow.removeprefix(seat.schema).strip()
    started = _when(seat.started, now) if seat.started else _NEVER
    row = (seat.level.name, seat.schema, str(seat.queue), str(place), flow, _when(seat.arrived, now), str(seat.width),
           "0", "0s", started)  # fmt: skip
    return (*row, *seat.who) if detailed else row


def _when(moment: float, now: float) -> str:
    """A time of the loop as one of the clock on the wall."""
    return datetime.fromtimestamp(time.time() - (now - moment), UTC).isoformat().replace("+00:00", "Z")


def _table(head: _Row, rows: Iterable[_Row]) -> str:
    """Cells end with a comma and are as wide as the widest of their column, at least eight."""
    lines = [[f"{cell}," for cell in row[:-1]] + [row[-1]] for row in (head, *rows)]
    widths = [max(8, *(len(line[column]) + 1 for line in lines)) for column in range(len(head) - 1)]
    return "".join(
        "".join(cell.ljust(width) for cell, width in zip(line, widths, strict=False)) + line[-1] + "\n"
        for line in lines
    )  # fmt: skip
