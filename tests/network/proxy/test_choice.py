"""Which backend a connection goes to."""

from __future__ import annotations

from network.proxy.choice import FAILED_SECONDS, Balancer
from network.proxy.table import Backend

A, B, C = (Backend(f"10.0.0.{n}", 80) for n in (1, 2, 3))


def balancer(*backends: Backend, affinity: int | None = None) -> Balancer:
    made = Balancer()
    made.update(backends, affinity)
    return made


def test_each_backend_has_its_turn_and_every_order_names_all() -> None:
    one = balancer(A, B, C)
    orders = [one.order("client", 0) for _ in range(6)]

    assert sorted(order[0] for order in orders) == [A, A, B, B, C, C]
    assert all(set(order) == {A, B, C} for order in orders)


def test_without_backends_there_is_nothing_to_try() -> None:
    assert balancer().order("client", 0) == ()


def test_a_backend_that_failed_is_tried_last_for_a_while() -> None:
    one = balancer(A, B, C)
    one.failed(B, 10.0)

    assert all(one.order("client", 10.0 + t)[-1] == B for t in (0, 1, FAILED_SECONDS - 0.1))
    assert B in {one.order("client", 10.0 + FAILED_SECONDS)[0] for _ in range(3)}


def test_a_client_keeps_its_backend_until_it_was_away_too_long() -> None:
    one = balancer(A, B, C, affinity=60)
    one.connected("client", B, 0)
    one.connected("client", B, 50)

    assert {one.order("client", 109)[0] for _ in range(5)} == {B}
    assert {one.order("client", 110)[0] for _ in range(5)} == {A, B, C}


def test_clients_of_backends_that_stay_are_not_moved_and_those_of_lost_ones_are() -> None:
    one = balancer(A, B, affinity=60)
    one.connected("near", A, 0)
    one.connected("far", B, 0)
    one.update((A, C), 60)

    assert {one.order("near", 1)[0] for _ in range(5)} == {A}
    assert {one.order("far", 1)[0] for _ in range(5)} == {A, C}


def test_without_affinity_nobody_is_remembered_and_with_it_the_forgotten_are_dropped() -> None:
    one = balancer(A, B)
    one.connected("client", A, 0)
    assert {one.order("client", 0)[0] for _ in range(2)} == {A, B}
    one.update((A, B), 10)
    for n in range(10_000):
        one.connected(str(n), A, float(n))

    assert len(one._clients) <= 4097
