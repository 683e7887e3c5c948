"""Which ports of a node a pod asks for, and which are in each other's way."""

from __future__ import annotations

import pytest

from procorch.host_ports import HostPort, host_ports_of, is_taken


def test_containers_and_sidecars_ask_for_ports() -> None:
    def with_port(number: int, **more: str) -> dict[str, object]:
        return {
            "ports": [{"containerPort": 1}, {"containerPort": 1, "hostPort": number, "hostIP": "127.0.0.1"}],
            **more,
        }

    spec = {
        "containers": [with_port(1), {"ports": [{"hostPort": 2, "protocol": "UDP"}]}],
        "initContainers": [with_port(3, restartPolicy="Always"), with_port(4)],
    }
    assert list(host_ports_of(spec)) == [("TCP", "127.0.0.1", 1), ("UDP", "0.0.0.0", 2), ("TCP", "127.0.0.1", 3)]


@pytest.mark.parametrize(
    ("wanted", "taken"),
    [
        (("TCP", "0.0.0.0", 80), True),
        (("TCP", "10.0.0.1", 80), True),
        (("TCP", "10.0.0.2", 80), False),
        (("UDP", "10.0.0.1", 80), False),
        (("TCP", "10.0.0.1", 81), False),
    ],
)
def test_a_port_is_taken_on_its_address_or_on_all(wanted: HostPort, taken: bool) -> None:
    assert is_taken(wanted, [("TCP", "10.0.0.1", 80)]) is taken
