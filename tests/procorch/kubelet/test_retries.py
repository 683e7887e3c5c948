"""When what could not be done is tried again."""

from __future__ import annotations

import pytest

from procorch.kubelet.retries import FIRST, IMAGE_FIRST, IMAGE_MOST, MOST, SHOWN, Retries


@pytest.mark.parametrize(
    ("image", "waits"),
    [
        pytest.param(None, [FIRST, 2 * FIRST, 4 * FIRST, 8 * FIRST, 16 * FIRST, MOST, MOST], id="anything"),
        pytest.param("mysql", [IMAGE_FIRST, 20.0, 40.0, 80.0, 160.0, IMAGE_MOST, IMAGE_MOST], id="an image"),
    ],
)
def test_each_failure_doubles_the_wait(image: str | None, waits: list[float]) -> None:
    retries, now, found = Retries(), 1000.0, []
    for _ in waits:
        retries.failed("a", now, image=image)
        found.append(next(wait for wait in range(1, 400) if retries.may("a", now + wait)))
        now += found[-1]

    assert found == waits


def test_what_worked_begins_anew() -> None:
    retries = Retries()
    retries.failed("a", 0.0)
    assert retries.is_failing("a")
    retries.worked("a")

    assert not retries.is_failing("a")
    assert retries.may("a", 0.0)
    retries.failed("a", 0.0)
    assert retries.may("a", FIRST)


def test_a_container_named_like_the_pod_is_not_the_pod() -> None:
    retries = Retries()
    retries.failed("pod", 0.0)
    retries.failed("a", 0.0)

    assert not retries.may("pod", 0.0)
    assert retries.may("b", 0.0)


def test_a_change_lets_be_tried_what_it_may_help() -> None:
    retries = Retries()
    retries.failed("a", 0.0, image="mysql")
    retries.failed("b", 0.0)

    retries.at_once("a")
    assert (retries.may("a", 0.0), retries.may("b", 0.0)) == (True, False)
    retries.now()
    assert retries.may("b", 0.0)


def test_the_next_look_is_the_earliest_of_all() -> None:
    retries = Retries()
    assert retries.next(0.0) is None
    retries.failed("b", 0.0)
    assert retries.next(0.0) == FIRST
    retries.refresh_at = 1.5
    assert retries.next(0.0) == 1.5
    assert retries.next(1.5) == 0.05, "at once, but never in a circle"


def test_a_failed_pull_is_shown_a_moment_before_the_back_off() -> None:
    retries = Retries()
    retries.failed("a", 0.0, image="mysql", note="why")

    assert retries.next(0.0) == SHOWN
    assert retries.next(SHOWN) == IMAGE_FIRST - SHOWN
    assert retries.is_image("a")
    assert (retries.of("a").image, retries.of("a").note) == ("mysql", "why")
    assert not retries.is_image("b")
