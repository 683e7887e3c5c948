"""What a table needs of the node."""

from __future__ import annotations

from network.proxy.plan import plan
from network.proxy.table import TCP, UDP, Backend, ServicePort

B = (Backend("10.240.0.2", 8080),)


def test_rows_with_backends_are_led_to_the_proxy_by_their_protocol() -> None:
    web, dns = ServicePort("10.96.0.1", 80, backends=B), ServicePort("10.96.0.2", 53, UDP, backends=B)
    found = plan([web, dns])

    assert (found.streams, found.datagrams) == ({web.key}, {dns.key})
    assert found.node_ports == {}


def test_a_row_without_backends_is_left_to_the_kernels_refusal() -> None:
    found = plan([ServicePort("10.96.0.1", 80, node_port=30080)])

    assert (found.streams, found.node_ports, len(found.services)) == (set(), {}, 1)


def test_a_node_port_belongs_to_the_first_row_that_wants_it_for_each_protocol() -> None:
    rows = [
        ServicePort("10.96.0.1", 80, node_port=30080, backends=B),
        ServicePort("10.96.0.2", 80, node_port=30080, backends=B),
        ServicePort("10.96.0.3", 80, UDP, node_port=30080, backends=B),
        ServicePort(None, 80, node_port=30081, backends=B),
    ]

    assert plan(rows).node_ports == {
        (TCP, 30080): rows[0].key,
        (UDP, 30080): rows[2].key,
        (TCP, 30081): rows[3].key,
    }


def test_a_row_without_an_address_is_not_led_anywhere() -> None:
    assert plan([ServicePort(None, 80, node_port=30081, backends=B)]).streams == set()
