"""Thresholds as people write them."""

from __future__ import annotations

import pytest

from procorch.kubelet.eviction.thresholds import EvictionConfig, Threshold, parse_config, seconds


def test_hard_and_soft() -> None:
    config = parse_config(
        "memory.available<100Mi, nodefs.available<10%", "memory.available<1Gi", "memory.available=1m30s", 60, 5
    )

    assert config.thresholds == (
        Threshold("memory.available", 100 << 20),
        Threshold("nodefs.available", share=0.1),
        Threshold("memory.available", 1 << 30, grace=90.0),
    )
    assert (config.transition, config.most_grace) == (60, 5)
    assert config.hard("memory.available") == Threshold("memory.available", 100 << 20)
    assert config.hard("pid.available") is None


def test_what_is_not_said_is_as_in_kubernetes() -> None:
    told = {one.signal: one.words(1000 << 20) for one in parse_config().thresholds}

    assert told == {
        "memory.available": "100Mi",
        "nodefs.available": "100Mi",
        "nodefs.inodesFree": "52428800",
        "imagefs.available": "150Mi",
        "imagefs.inodesFree": "52428800",
        "pid.available": "500",
    }


@pytest.mark.parametrize("hard", ["", "memory.available<0%", "memory.available<100%", "memory.available<0"])
def test_a_signal_can_be_left_out(hard: str) -> None:
    assert parse_config(hard) == EvictionConfig()


@pytest.mark.parametrize(
    ("hard", "soft", "grace", "problem"),
    [
        ("memory.available>1Gi", "", "", "write SIGNAL<AMOUNT with one of memory.available"),
        ("disk<1Gi", "", "", "eviction: disk<1Gi: write SIGNAL<AMOUNT"),
        ("memory.available<much", "", "", "eviction: memory.available<much: quantities must match"),
        ("memory.available<-1Gi", "", "", "not an amount"),
        ("memory.available<101%", "", "", "not an amount"),
        ("", "memory.available<1Gi", "", "needs a grace period: memory.available=1m30s"),
        ("", "memory.available<1Gi", "memory.available", "write SIGNAL=DURATION"),
        ("pid.available<1,pid.available<2", "", "", "one hard and one soft threshold at most"),
    ],
)
def test_what_is_wrong_is_said(hard: str, soft: str, grace: str, problem: str) -> None:
    with pytest.raises(ValueError, match=problem.replace("(", r"\(")):
        parse_config(hard, soft, grace)


@pytest.mark.parametrize(("text", "value"), [("90s", 90), ("1m30s", 90), ("1h", 3600), ("0.5s", 0.5)])
def test_a_duration(text: str, value: float) -> None:
    assert seconds(text) == value


@pytest.mark.parametrize("text", ["", "90", "1d", "s"])
def test_no_duration(text: str) -> None:
    with pytest.raises(ValueError, match="not a duration"):
        seconds(text)
