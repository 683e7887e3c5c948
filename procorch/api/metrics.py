"""What the API counts, in Prometheus' text form and with kube-apiserver's metric names."""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Mapping

_BOUNDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)  # seconds


class Metrics:
    """Counts and latencies by verb and resource."""

    def __init__(self) -> None:
        self._requests: defaultdict[tuple[str, str, str, int], int] = defaultdict(int)
        self._buckets: dict[tuple[str, str, str], list[int]] = {}
        self._seconds: defaultdict[tuple[str, str, str], float] = defaultdict(float)

    def count(self, verb: str, group: str, resource: str, status: int, seconds: float | None) -> None:
        """seconds: None for what lasts as long as the client likes (watch)."""
        self._requests[verb, group, resource, status] += 1
        if seconds is None:
            return
        key = (verb, group, resource)
        buckets = self._buckets.get(key)
        if buckets is None:
            buckets = self._buckets[key] = [0] * (len(_BOUNDS) + 1)
        buckets[bisect_left(_BOUNDS, seconds)] += 1
        self._seconds[key] += seconds

    def text(self, gauges: Mapping[str, tuple[str, Mapping[str, float]]]) -> str:
        """gauges: metric → (help, labels → value), for what is counted elsewhere; labels may be empty."""
        lines = ["# HELP apiserver_request_total Requests by verb, group, resource and code.",
                 "# TYPE apiserver_request_total counter"]  # fmt: skip
        for (verb, group, resource, status), count in sorted(self._requests.items()):
            labels = f'verb="{verb.upper()}",group="{group}",resource="{resource}",code="{status}"'
            lines.append(f"apiserver_request_total{{{labels}}} {count}")
        name = "apiserver_request_duration_seconds"
        lines += [f"# HELP {name} Seconds from the request to its answer, without watches.", f"# TYPE {name} histogram"]
        for (verb, group, resource), buckets in sorted(self._buckets.items()):
            labels = f'verb="{verb.upper()}",group="{group}",resource="{resource}"'
            total = 0
            for bound, count in zip((*map(str, _BOUNDS), "+Inf"), buckets, strict=True):
                total += count
                lines.append(f'{name}_bucket{{{labels},le="{bound}"}} {total}')
            lines.append(f"{name}_sum{{{labels}}} {self._seconds[verb, group, resource]:.6f}")
            lines.append(f"{name}_count{{{labels}}} {total}")
        for metric, (help_text, values) in gauges.items():
            lines += [f"# HELP {metric} {help_text}", f"# TYPE {metric} gauge"]
            lines += [
                f"{metric}{{{labels}}} {value}" if labels else f"{metric} {value}" for labels, value in values.items()
            ]
        return "\n".join(lines) + "\n"
