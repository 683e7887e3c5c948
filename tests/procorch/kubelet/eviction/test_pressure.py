"""Thresholds over time."""

from __future__ import annotations

from procorch.kubelet.eviction.pressure import Pressure
from procorch.kubelet.eviction.signals import Observed
from procorch.kubelet.eviction.thresholds import parse_config

CONFIG = parse_config(
    "memory.available<100,nodefs.available<10%", "memory.available<200", "memory.available=30s", transition=60
)


def test_a_hard_threshold_acts_at_once_and_its_condition_stays_for_a_while() -> None:
    pressure = Pressure(CONFIG)
    assert pressure.observe({"memory.available": Observed(500, 1000)}, 0) == []
    assert pressure.conditions == frozenset()

    due = pressure.observe({"memory.available": Observed(99, 1000)}, 1)
    assert [(one.amount, one.grace) for one in due] == [(100, None)]
    assert pressure.conditions == {"MemoryPressure"}

    well = {"memory.available": Observed(500, 1000)}
    assert pressure.observe(well, 2) == []
    assert pressure.observe(well, 60) == [] and pressure.conditions == {"MemoryPressure"}
    assert pressure.observe(well, 61) == [] and pressure.conditions == frozenset()


def test_a_soft_threshold_has_to_be_met_for_its_grace_without_a_break() -> None:
    pressure = Pressure(CONFIG)
    low, well = {"memory.available": Observed(150, 1000)}, {"memory.available": Observed(500, 1000)}

    assert pressure.observe(low, 0) == []
    assert pressure.conditions == {"MemoryPressure"}
    assert pressure.observe(well, 20) == []
    assert pressure.observe(low, 25) == []
    assert pressure.observe(low, 50) == []
    assert [one.grace for one in pressure.observe(low, 55)] == [30]


def test_memory_comes_before_disk_and_hard_before_soft() -> None:
    pressure = Pressure(CONFIG)
    low = {"nodefs.available": Observed(9, 100), "memory.available": Observed(50, 1000)}

    pressure.observe(low, 0)
    due = pressure.observe(low, 30)
    assert [(one.signal, one.grace) for one in due] == [
        ("memory.available", None), ("memory.available", 30), ("nodefs.available", None),
    ]  # fmt: skip
    assert pressure.conditions == {"MemoryPressure", "DiskPressure"}
