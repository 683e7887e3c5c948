"""What is particular to the mode that serves by sockets; what every mode must do is in test_modes.py."""

from __future__ import annotations

import resource
import socket
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from network.proxy import UDP, Backend, ServicePort
from network.proxy.sockets import SocketProxy

if TYPE_CHECKING:
    from tests.network.conftest import Node

pytestmark = pytest.mark.kernel


@pytest.fixture
def proxy(node: Node) -> Iterator[SocketProxy]:
    async def make() -> SocketProxy:
        mode = SocketProxy(node.network)
        await mode.start()
        return mode

    mode = node.call(make())
    yield mode
    node.call(mode.close())


def test_who_knocks_at_the_proxys_own_port_is_reset(node: Node, proxy: SocketProxy) -> None:
    assert proxy._listener is not None
    address = proxy._listener.getsockname()
    pod = node.pod("client")

    with pytest.raises(ConnectionResetError), pod.connect(*address) as connection:
        connection.recv(1)


def test_thousands_of_services_share_one_listener(node: Node, proxy: SocketProxy) -> None:
    backends = (Backend("10.240.0.9", 80),)
    wanted = [ServicePort(f"10.96.{n >> 8}.{n & 255}", 80, backends=backends) for n in range(3000)]
    node.call(proxy.sync(wanted))

    assert len(set(proxy._led.values())) == 1
    node.call(proxy.sync(wanted[:1]))
    assert proxy._led == {wanted[0].key: proxy._listener.getsockname()[1]}  # type: ignore[union-attr]


def test_each_udp_service_has_a_socket_while_it_is_in_the_table(node: Node, proxy: SocketProxy) -> None:
    backends = (Backend("10.240.0.9", 53),)
    rows = [ServicePort(f"10.96.0.{n}", 53, UDP, backends=backends) for n in (1, 2)]
    node.call(proxy.sync(rows))
    assert len(proxy._doors) == 2
    node.call(proxy.sync([ServicePort("10.96.0.1", 53, UDP)]))

    assert list(proxy._doors) == [rows[0].key]
    assert proxy._led == {}


def test_without_descriptors_new_clients_wait_and_are_served_later(node: Node, proxy: SocketProxy) -> None:
    server = node.pod("server")
    with server.listen(8080) as listener:
        node.call(proxy.sync([ServicePort("10.96.0.50", 80, backends=(Backend(server.address, 8080),))]))
        client = node.inside(lambda: socket.socket())
        client.settimeout(5)
        limits = resource.getrlimit(resource.RLIMIT_NOFILE)
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (3, limits[1]))
            client.connect(("10.96.0.50", 80))  # accepted by the kernel, not yet by the proxy
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, limits)
        connection, _ = listener.accept()
        connection.sendall(b"hello")

        assert client.recv(10) == b"hello"
        client.close()
        connection.close()
