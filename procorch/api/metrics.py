"""What the API counts, in Prometheus' text form and with kube-apiserver's metric and label names."""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from procorch.exposition import Family, head, number

#: seconds: Kubernetes' bounds, and finer ones below, where this server's answers are
_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 1.0, 1.25, 1.5, 2.0, 3.0, 4.0, 5.0, 6.0,
            8.0, 10.0, 15.0, 20.0, 30.0, 45.0, 60.0)  # fmt: skip
_BYTES = (1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9)

#: verb, dry run, group, version, resource, subresource, scope
Series = tuple[str, str, str, str, str, str, str]
_NAMES = ("verb", "dry_run", "group", "version", "resource", "subresource", "scope")


@dataclass(slots=True)
class Histogram:
    bounds: tuple[float, ...]
    counts: list[int] = field(default_factory=list)
    total: float = 0.0

    def observe(self, value: float) -> None:
        self.counts = self.counts or [0] * (len(self.bounds) + 1)
        self.counts[bisect_left(self.bounds, value)] += 1
        self.total += value

    def lines(self, name: str, labels: str) -> Iterable[str]:
        seen = 0
        for bound, count in zip((*map(number, self.bounds), "+Inf"), self.counts, strict=True):
            seen += count
            yield f'{name}_bucket{{{labels},le="{bound}"}} {seen}'
        yield f"{name}_sum{{{labels}}} {self.total:.6f}"
        yield f"{name}_count{{{labels}}} {seen}"


@dataclass(frozen=True, slots=True)
class Histograms:
    """One metric of histograms that are kept elsewhere. values: labels → histogram."""

    name: str
    help: str
    values: Mapping[str, Histogram]

    def lines(self) -> Iterable[str]:
        yield from head(self.name, self.help, "histogram")
        for labels, histogram in self.values.items():
            yield from histogram.lines(self.name, labels)


class Metrics:
    """Requests, their latencies and the sizes of their answers."""

    def __init__(self) -> None:
        self._requests: defaultdict[tuple[Series, int], int] = defaultdict(int)
        self._seconds: defaultdict[Series, Histogram] = defaultdict(lambda: Histogram(_SECONDS))
        self._sizes: defaultdict[Series, Histogram] = defaultdict(lambda: Histogram(_BYTES))

    def count(self, series: Series, status: int, seconds: float | None, size: int) -> None:
        """seconds, size (bytes): of an answer that was whole; seconds is None for what lasts as long as the client
        likes (a watch, a log)."""
        self._requests[series, status] += 1
        if seconds is not None:
            self._seconds[series].observe(seconds)
            if series[0] in ("GET", "LIST"):  # as Kubernetes: of what is written only the request has a size
                self._sizes[series].observe(size)

    def text(self, families: Iterable[Family | Histograms]) -> str:
        name = "apiserver_request_total"
        lines = list(head(name, "Requests, by verb, resource and HTTP code.", "counter"))
        for (series, status), count in sorted(self._requests.items()):
            lines.append(f'{name}{{{_labels(series)},code="{status}"}} {count}')
        name = "apiserver_request_duration_seconds"
        lines += _histograms(name, "Seconds from a request to its answer, without watches.", self._seconds, _labels)
        name = "apiserver_response_sizes"
        lines += _histograms(name, "Bytes of the answers to reads.", self._sizes, _labels_without_dry_run)
        for family in families:
            lines += family.lines()
        return "\n".join(lines) + "\n"


def _histograms(
    name: str, help_: str, found: Mapping[Series, Histogram], labels: Callable[[Series], str]
) -> Iterable[str]:
    yield from head(name, help_, "histogram")
    for series, histogram in sorted(found.items(), key=lambda row: row[0]):
        yield from histogram.lines(name, labels(series))


def _labels(series: Series) -> str:
    said = ",".join(f'{name}="{value}"' for name, value in zip(_NAMES, series, strict=True))
    return f'{said},component="apiserver"'


def _labels_without_dry_run(series: Series) -> str:
    said = ",".join(f'{name}="{value}"' for name, value in zip(_NAMES, series, strict=True) if name != "dry_run")
    return f'{said},component="apiserver"'
