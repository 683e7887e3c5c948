"""The rows of the table."""

from __future__ import annotations

from network.proxy.table import UDP, Backend, ServicePort


def test_a_row_is_the_same_service_port_whatever_its_backends_name_and_node_port() -> None:
    one = ServicePort("10.96.0.1", 80, node_port=30080, backends=(Backend("10.0.0.1", 1),), name="a")

    assert one.key == ServicePort("10.96.0.1", 80).key
    assert len({row.key for row in (one, ServicePort("10.96.0.1", 80, UDP), ServicePort("10.96.0.2", 80))}) == 3


def test_rows_without_an_address_are_told_apart_by_their_node_ports() -> None:
    assert ServicePort(None, 80, node_port=30080).key != ServicePort(None, 80, node_port=30081).key
