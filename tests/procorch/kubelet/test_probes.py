"""Probes: how many answers make a verdict."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from procorch.kubelet.handlers import Heard, Outcome
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


GOOD, BAD = (Outcome.GOOD, ""), (Outcome.BAD, "no")


async def asked(*answers: Heard, age: float = 100.0, **probe: Any) -> tuple[list[Heard], list[bool], list[float]]:
    """What a probe tells and finds until its answers are over, and after which pauses it asks."""
    left, told, found, pauses = list(answers), list[Heard](), list[bool](), list[float]()
    loop = asyncio.get_running_loop()
    last = loop.time()

    async def ask(timeout: float) -> Heard:
        nonlocal last
        pauses.append(loop.time() - last)
        last = loop.time()
        assert timeout == 3
        return left.pop(0)

    def verdict(good: bool) -> bool:
        found.append(good)
        return not left

    async with asyncio.timeout(5):
        await watch(
            {"timeoutSeconds": 3, "periodSeconds": 1, **probe},
            ask,
            running_for=lambda: age,
            found=verdict,
            told=lambda outcome, heard: told.append((outcome, heard)),
            share=0.2,
        )
    return told, found, pauses


async def test_a_probe_goes_on_until_enough_is_heard() -> None:
    told, found, pauses = await asked(BAD, GOOD, initialDelaySeconds=60, failureThreshold=1)

    assert (told, found) == ([BAD], [False, True])
    assert pauses[1] >= 0.99, "a period lies between two questions"


async def test_a_warning_is_a_success_that_is_told() -> None:
    warning = (Outcome.WARNING, "moved")

    assert (await asked(warning))[:2] == ([warning], [True])


async def test_what_could_not_be_asked_counts_for_nothing() -> None:
    error = (Outcome.ERROR, "no such program")

    told, found, _ = await asked(error, BAD, GOOD, failureThreshold=2)

    assert (told, found) == ([error, BAD], [True])


@pytest.mark.parametrize(
    ("age", "least", "most"),
    [
        pytest.param(100.0, 0.2, 5.0, id="it runs for long: the agent came back"),
        pytest.param(0.0, 0.0, 0.15, id="it was just started"),
    ],
)
async def test_an_agent_that_comes_back_does_not_ask_all_at_once(age: float, least: float, most: float) -> None:
    assert least <= (await asked(GOOD, age=age))[2][0] <= most
