"""`/metrics/cadvisor`: all that is known of each cgroup, under cAdvisor's names, so that dashboards find it.

Source of names and labels: cadvisor's metrics/prometheus.go; pkg/kubelet/server, which labels them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from procorch.exposition import Family, labels
from procorch.kubelet.disks import PodDisk
from procorch.kubelet.measuring import NODE_GROUP, Container, Measured, Pod, Used
from procorch.kubelet.traffic import Traffic
from runtime.usage import Detail, Pressure

_NANO = 1e-9
_MICRO = 1e-6
_LABELS = ("container", "id", "image", "name", "namespace", "pod")


@dataclass(frozen=True, slots=True)
class Machine:
    """cpus, memory (bytes): what there is. details: by cgroup. disks, traffic: by pod uid, "" for the node itself."""

    cpus: int
    memory: int
    details: Mapping[str, Detail]
    traffic: Mapping[str, Iterable[Traffic]] = field(default_factory=dict)
    disks: Mapping[str, PodDisk] = field(default_factory=dict)
    pressure: Mapping[str, Pressure] = field(default_factory=dict)


def cadvisor_families(measured: Measured, machine: Machine) -> list[Family]:
    """One family after the other, each with a value for the node (id "/"), every pod and every container."""
    rows = list(_rows(measured, machine))
    at = int(measured.at * 1000)
    made = [
        Family(name, help_, type_, {f"{extra}{row.labels}": read(row) for row in rows if row.used is not None}, at)
        for name, help_, type_, extra, read in _CADVISOR
    ]
    made += list(_pressures(rows, at))
    made += list(_networks(rows, at))
    return [*_merged(made), *_machine(machine)]


@dataclass(frozen=True, slots=True)
class Row:
    """One cgroup as the page shows it."""

    labels: str
    used: Used
    detail: Detail
    pressure: Mapping[str, Pressure]
    started_at: float
    at: float
    traffic: tuple[Traffic, ...] = ()
    disk_bytes: int = 0


def _rows(measured: Measured, machine: Machine) -> Iterator[Row]:
    def row(group: str, about: Mapping[str, str], started_at: float, **more: object) -> Iterator[Row]:
        if (used := measured.by_group.get(group)) is not None:
            detail = machine.details.get(group, Detail())
            pressure = machine.pressure if group == NODE_GROUP else detail.pressure
            said = labels(**{name: about.get(name, "") for name in _LABELS})
            yield Row(said, used, detail, pressure, started_at, measured.at, **more)  # type: ignore[arg-type]

    yield from row(NODE_GROUP, {"id": "/"}, 0.0, traffic=tuple(machine.traffic.get("", ())))
    for pod in measured.pods:
        about = {"id": f"/{pod.group}", "namespace": pod.namespace, "pod": pod.name}
        traffic = tuple(machine.traffic.get(pod.uid, ()))
        yield from row(pod.group, about, pod.started_at, traffic=traffic)
        for one in pod.containers:
            more = {"id": f"/{one.group}", "container": one.name, "image": one.image, "name": _name(pod, one)}
            yield from row(one.group, about | more, one.started_at, disk_bytes=_disk(machine, pod, one))


def _name(pod: Pod, one: Container) -> str:
    return f"{pod.group.rpartition('/')[2]}/{one.group.rpartition('/')[2]}"


def _disk(machine: Machine, pod: Pod, one: Container) -> int:
    disk = machine.disks.get(pod.uid)
    return disk.layers[one.name].bytes if disk is not None and one.name in disk.layers else 0


_Read = Callable[[Row], float]
_CADVISOR: tuple[tuple[str, str, str, str, _Read], ...] = (
    ("container_cpu_usage_seconds_total", "Cumulative cpu time consumed in seconds.", "counter", 'cpu="total",',
     lambda row: row.used.usage.cpu_nanos * _NANO),
    ("container_cpu_user_seconds_total", "Cumulative user cpu time consumed in seconds.", "counter", "",
     lambda row: row.detail.user_nanos * _NANO),
    ("container_cpu_system_seconds_total", "Cumulative system cpu time consumed in seconds.", "counter", "",
     lambda row: row.detail.system_nanos * _NANO),
    ("container_cpu_cfs_periods_total", "Number of elapsed enforcement period intervals.", "counter", "",
     lambda row: row.detail.periods),
    ("container_cpu_cfs_throttled_periods_total", "Number of throttled period intervals.", "counter", "",
     lambda row: row.detail.throttled_periods),
    ("container_cpu_cfs_throttled_seconds_total", "Total time duration the container has been throttled.", "counter",
     "", lambda row: row.detail.throttled_nanos * _NANO),
    ("container_memory_usage_bytes", "Current memory usage in bytes, whenever it was accessed.", "gauge", "",
     lambda row: row.used.usage.memory_bytes),
    ("container_memory_working_set_bytes", "Current working set in bytes.", "gauge", "",
     lambda row: row.used.usage.working_set_bytes),
    ("container_memory_rss", "Size of RSS in bytes.", "gauge", "", lambda row: row.used.usage.rss_bytes),
    ("container_memory_cache", "Number of bytes of page cache memory.", "gauge", "",
     lambda row: row.used.usage.cache_bytes),
    ("container_memory_mapped_file", "Size of memory mapped files in bytes.", "gauge", "",
     lambda row: row.used.usage.mapped_bytes),
    ("container_memory_swap", "Container swap usage in bytes.", "gauge", "", lambda row: row.used.usage.swap_bytes),
    ("container_memory_max_usage_bytes", "Maximum memory usage recorded in bytes.", "gauge", "",
     lambda row: row.detail.memory_peak_bytes),
    ("container_memory_failures_total", "Cumulative count of memory allocation failures.", "counter",
     'failure_type="pgfault",scope="hierarchy",', lambda row: row.used.usage.page_faults),
    ("container_memory_failures_total", "Cumulative count of memory allocation failures.", "counter",
     'failure_type="pgmajfault",scope="hierarchy",', lambda row: row.used.usage.major_faults),
    ("container_spec_memory_limit_bytes", "Memory limit for the container; 0 for none.", "gauge", "",
     lambda row: row.detail.memory_limit_bytes or 0),
    ("container_oom_events_total", "Count of out of memory events observed for the container.", "counter", "",
     lambda row: row.detail.oom_kills),
    ("container_processes", "Number of processes running inside the container.", "gauge", "",
     lambda row: row.used.usage.processes),
    ("container_fs_usage_bytes", "Number of bytes that are consumed by the container on this filesystem.", "gauge", "",
     lambda row: row.disk_bytes),
    ("container_start_time_seconds", "Start time of the container since unix epoch in seconds.", "gauge", "",
     lambda row: row.started_at),
    ("container_last_seen", "Last time a container was seen by the exporter.", "gauge", "", lambda row: row.at),
)  # fmt: skip


def _pressures(rows: Iterable[Row], at: int) -> Iterator[Family]:
    """PSI: waiting is what some of the group's tasks did, stalled what all of them did at once."""
    for resource in ("cpu", "memory", "io"):
        for word, which in (("waiting", "some"), ("stalled", "full")):
            values = {
                row.labels: getattr(row.pressure[resource], which).total_micros * _MICRO
                for row in rows
                if resource in row.pressure
            }
            help_ = f"Total time duration tasks in the container have been {word} for {resource}."
            yield Family(f"container_pressure_{resource}_{word}_seconds_total", help_, "counter", values, at)


def _networks(rows: Iterable[Row], at: int) -> Iterator[Family]:
    for way, words in (("rx", "receive"), ("tx", "transmit")):
        for what, counted in (("bytes", "bytes"), ("packets", "packets"), ("errors", "errors"),
                              ("dropped", "packets_dropped")):  # fmt: skip
            values = {
                f"{row.labels},{labels(interface=one.name)}": float(getattr(one, f"{way}_{what}"))
                for row in rows
                for one in row.traffic
            }
            help_ = f"Cumulative count of {counted.replace('_', ' ')}, {words}."
            yield Family(f"container_network_{words}_{counted}_total", help_, "counter", values, at)


def _merged(families: Iterable[Family]) -> Iterator[Family]:
    """Those of one name, next to each other, are one."""
    held: Family | None = None
    for family in families:
        if held is not None and held.name == family.name:
            held = Family(held.name, held.help, held.type_, {**held.values, **family.values}, held.at)
            continue
        if held is not None:
            yield held
        held = family
    if held is not None:
        yield held


def _machine(machine: Machine) -> Iterator[Family]:
    yield Family("machine_cpu_cores", "Number of logical CPU cores.", "gauge", {"": machine.cpus})
    yield Family("machine_memory_bytes", "Amount of memory installed on the machine.", "gauge", {"": machine.memory})
    yield Family("container_scrape_error", "1 if there was an error while getting metrics.", "gauge", {"": 0})
