"""What is counted of priority levels and flow schemas, by kube-apiserver's names (apiserver_flowcontrol_…)."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING

from procorch.api.metrics import Histogram, Histograms
from procorch.exposition import Family

if TYPE_CHECKING:
    from procorch.api.fairness import Level, Seat

#: seconds. Source: requestDurationSecondsBuckets
_SECONDS = (0.0, 0.005, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 15.0, 30.0)

_Flow = tuple[str, str]  # level, schema


class FlowMetrics:
    def __init__(self) -> None:
        self.rejected: Counter[tuple[str, str, str]] = Counter()
        self._waits: defaultdict[_Flow, Histogram] = defaultdict(lambda: Histogram(_SECONDS))
        self._runs: defaultdict[_Flow, Histogram] = defaultdict(lambda: Histogram(_SECONDS))

    def began(self, level: str, schema: str, waited: float) -> None:
        """waited: seconds."""
        self._waits[level, schema].observe(waited)

    def ended(self, level: str, schema: str, seconds: float) -> None:
        self._runs[level, schema].observe(seconds)

    def refused(self, level: str, schema: str, reason: str) -> None:
        """reason: queue-full, concurrency-limit, time-out, or cancelled."""
        self.rejected[level, schema, reason] += 1

    @property
    def dispatched(self) -> dict[_Flow, int]:
        """How many requests have begun, by level and schema."""
        return {key: sum(histogram.counts) for key, histogram in self._waits.items()}

    def count_of(self, level: str, *reasons: str) -> int:
        """How many of a level's requests were refused for one of these reasons."""
        return sum(count for (of, _, why), count in self.rejected.items() if of == level and why in reasons)

    def families(self, levels: Iterable[Level]) -> list[Family | Histograms]:
        levels = list(levels)

        def each(name: str, help_: str, count: Callable[[Level], int]) -> Family:
            values = {_labels(priority_level=level.name): float(count(level)) for level in levels}
            return Family(f"apiserver_flowcontrol_{name}", help_, "gauge", values)

        def all_of(name: str, help_: str, rows: Iterable[tuple[Seat, int]]) -> Family:
            found: Counter[str] = Counter()
            for seat, count in rows:
                found[_labels(flow_schema=seat.schema, priority_level=seat.level.name)] += count
            return Family(f"apiserver_flowcontrol_{name}", help_, "gauge", _floats(found))

        running = [seat for level in levels for seat in level.running]
        waiting = [seat for level in levels for queue in level.queues.values() for seat in queue]
        return [
            all_of("current_inqueue_requests", "Requests that wait for seats.", ((one, 1) for one in waiting)),
            all_of("current_inqueue_seats", "Seats that are waited for.", ((one, one.width) for one in waiting)),
            all_of("current_executing_requests", "Requests that have seats.", ((one, 1) for one in running)),
            all_of("current_executing_seats", "Seats in use.", ((one, one.width) for one in running)),
            each("nominal_limit_seats", "Seats of the level.", lambda one: one.seats),
            each("lower_limit_seats", "Seats that the level keeps for itself.", lambda one: one.kept),
            each("upper_limit_seats", "Seats that it may have at most.", lambda one: one.seats + one.borrowing),
            each("current_limit_seats", "Seats that it may have while others want theirs.", lambda one: one.seats),
            Family(
                "apiserver_flowcontrol_dispatched_requests_total", "Requests that have begun.", "counter",
                {_flow(key): float(count) for key, count in self.dispatched.items()},
            ),
            Family(
                "apiserver_flowcontrol_rejected_requests_total", "Requests that were refused, and why.", "counter",
                {f'{_flow(key[:2])},reason="{key[2]}"': float(count) for key, count in self.rejected.items()},
            ),
            Histograms(
                "apiserver_flowcontrol_request_wait_duration_seconds", "Seconds that requests have waited for seats.",
                {f'execute="true",{_flow(key)}': one for key, one in self._waits.items()},
            ),
            Histograms(
                "apiserver_flowcontrol_request_execution_seconds", "Seconds that requests have had their seats.",
                {f'{_flow(key)},type="regular"': one for key, one in self._runs.items()},
            ),
        ]  # fmt: skip


def _flow(key: _Flow) -> str:
    return _labels(flow_schema=key[1], priority_level=key[0])


def _labels(**labels: str) -> str:
    return ",".join(f'{name}="{value}"' for name, value in labels.items())


def _floats(counts: Mapping[str, int]) -> dict[str, float]:
    return {labels: float(count) for labels, count in counts.items()}
