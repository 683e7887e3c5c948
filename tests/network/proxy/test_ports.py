"""Local ports: searched for among a few, found while there are some, and never all taken from other programs."""

from __future__ import annotations

import errno
import os
import socket
import struct
from collections.abc import Iterator
from pathlib import Path

import pytest

from network import links, netns
from network.netlink import Netlink
from network.proxy.ports import Ports, windows

FILE = "/proc/sys/net/ipv4/ip_local_port_range"


def test_windows_cover_three_quarters_of_the_range_once() -> None:
    spans = [struct.unpack("=I", value)[0] for value in windows(32768, 60999)]
    spans = [(value & 0xFFFF, value >> 16) for value in spans]
    covered = [port for low, high in spans for port in range(low, high + 1)]

    assert covered == list(range(32768, 32768 + 28231 * 3 // 4 + 1))
    assert max(high - low for low, high in spans) < 64


def test_a_range_of_one_port_has_one_window() -> None:
    assert windows(5000, 5000) == [struct.pack("=I", 5000 << 16 | 5000)]


@pytest.fixture
def place() -> Iterator[int]:
    """A network namespace with 127.0.0.1 and a range of 400 ports."""
    made = netns.create()

    def prepare() -> None:
        Path(FILE).write_text("40000 40399")
        with Netlink() as netlink:
            netlink.send(links.change_link("lo", up=True))

    netns.inside(made, prepare)
    yield made
    os.close(made)


@pytest.mark.kernel
def test_connects_find_the_free_ports_and_say_when_there_are_none_and_leave_some_to_others(place: int) -> None:
    def fill() -> tuple[list[int], int, int]:
        ports, opened, results = Ports(), [], []
        with socket.create_server(("127.0.0.1", 80), backlog=512) as listener:
            for _ in range(500):
                one = socket.SocketType(socket.AF_INET, socket.SOCK_STREAM)
                opened.append(one)
                results.append(ports.connect(one, listener.getsockname()))
            taken = {one.getsockname()[1] for one, result in zip(opened, results, strict=True) if result == 0}
            with socket.socket() as other:
                other.bind(("0.0.0.0", 0))
                free = other.getsockname()[1]
            for one in opened:
                one.close()
        return results, len(taken), free

    results, taken, free = netns.inside(place, fill)

    if taken > 300:
        pytest.skip("a kernel without IP_LOCAL_PORT_RANGE: it searches the whole range by itself")
    assert set(results) == {0, errno.EADDRNOTAVAIL}
    assert taken == 300
    assert 40000 <= free <= 40399


def test_a_changed_range_is_seen_and_a_missing_one_leaves_it_to_the_kernel(tmp_path: Path) -> None:
    file = tmp_path / "range"
    ports = Ports(file)
    assert ports._windows == []
    file.write_text("1000\t1255\n")
    ports.refresh()

    assert ports._windows == windows(1000, 1255)
    with socket.create_server(("127.0.0.1", 0)) as listener, socket.socket() as one:
        assert Ports(tmp_path / "none").connect(one, listener.getsockname()) == 0
