"""Probes: how many answers make a verdict."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest

from procorch.kubelet.probes import Tally, watch


@pytest.mark.parametrize(
    ("probe", "answers", "verdicts"),
    [
        pytest.param({}, [True], [True], id="one success is enough"),
        pytest.param({}, [False, False], [], id="two failures are not"),
        pytest.param({}, [False, False, False], [False], id="three are"),
        pytest.param({}, [False, False, True, False, False], [True], id="a success begins the count anew"),
        pytest.param({"successThreshold": 2}, [True, True], [True], id="two successes where asked"),
        pytest.param({"failureThreshold": 1}, [False], [False], id="one failure where asked"),
    ],
)
def test_tally(probe: dict[str, Any], answers: list[bool], verdicts: list[bool]) -> None:
    tally = Tally(probe)

    assert [tally.verdict for answer in answers if tally.count(answer)] == verdicts


async def test_a_probe_goes_on_until_enough_is_heard() -> None:
    answers: Iterator[tuple[bool, str]] = iter([(False, "no"), (True, ""), (True, "never asked")])
    heard: list[str] = []

    async def ask(timeout: float) -> tuple[bool, str]:
        assert timeout == 3
        return next(answers)

    async with asyncio.timeout(5):
        await watch(
            {"timeoutSeconds": 3, "periodSeconds": 1, "initialDelaySeconds": 60},
            ask,
            running_for=lambda: 100.0,
            found=lambda good: good,
            failed=heard.append,
        )

    assert heard == ["no"]
    assert next(answers) == (True, "never asked")
