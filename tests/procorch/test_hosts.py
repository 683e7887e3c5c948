"""Hosts made of namespaces: apart from each other and from the machine, and gone when they are off."""

import os
import select
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from network import links
from network.netlink import Netlink
from procorch.hosts import Host, Lab, Subtree

pytestmark = pytest.mark.kernel


@pytest.fixture
def name() -> str:
    return f"procorch-network-{os.getpid()}-hosts"


@pytest.fixture
def lab(name: str) -> Iterator[Lab]:
    with Lab(name) as lab:
        yield lab


def output(host: Host, *argv: str) -> str:
    return str(host.run(argv, capture_output=True, text=True, check=True).stdout).strip()


def test_a_host_has_its_own_name_processes_and_run_directory(lab: Lab) -> None:
    host = lab.host("one")

    assert output(host, "hostname") == "one"
    assert output(host, "ls", "/run") == ""
    assert output(host, "sh", "-c", "ls -d /proc/[0-9]*").split()[0] == "/proc/1"
    assert len(output(host, "sh", "-c", "ls -d /proc/[0-9]*").split()) <= 3
    assert socket.gethostname() != "one"


def test_a_host_sees_its_own_cgroups_as_the_whole_tree(lab: Lab, name: str) -> None:
    host = lab.host("one")
    lines = output(host, "cat", "/proc/self/cgroup").splitlines()
    mount, _ = host.cgroup.mounts[0]
    output(host, "mkdir", f"{mount}/made-inside")

    if host.cgroup.unified:
        assert lines == [f"0::/{name}/one/init"]
    else:
        assert {line.split(":")[2] for line in lines if line.split(":")[1] in ("memory", "cpu", "pids")} == {"/"}
    assert (mount / name / "one" / "made-inside").is_dir()


def test_two_hosts_reach_each_other_by_tcp_and_nothing_outside(lab: Lab) -> None:
    one, two = lab.host("one"), lab.host("two", "10.79.0.9")
    listener = two.inside(lambda: socket.create_server(("0.0.0.0", 8080)))

    with listener, one.inside(lambda: socket.create_connection(("10.79.0.9", 8080), 2)) as near:
        far, peer = listener.accept()
        far.close()
        assert peer[0] == one.address
        assert near.getsockname()[0] == one.address == "10.79.0.2"
    with pytest.raises(OSError, match=r"unreachable|No route"):
        one.inside(lambda: socket.create_connection(("192.0.2.1", 80), 2))


def test_power_off_ends_every_process_of_the_host_and_its_cgroups(lab: Lab) -> None:
    host = lab.host("one")
    process = host.popen(["sh", "-c", "setsid sleep 1000 & exec sleep 1000"])
    host.power_off()

    assert process.poll() == -signal.SIGKILL
    assert not host.is_on
    assert not any(directory.exists() for directory in host.cgroup.directories())
    with pytest.raises(ProcessLookupError):
        host.run(["true"])


def test_killing_the_init_powers_the_host_off(lab: Lab) -> None:
    host = lab.host("one")
    process = host.popen(["sleep", "1000"])
    os.kill(host.pid, signal.SIGKILL)

    host.wait()

    assert process.returncode == -signal.SIGKILL
    assert not host.is_on


def test_orphans_are_reaped_by_the_init(lab: Lab) -> None:
    host = lab.host("one")
    output(host, "sh", "-c", "(sleep 0.01 &) ; sleep 0.1")

    assert " Z " not in output(host, "sh", "-c", "cat /proc/[0-9]*/stat")


def test_a_host_can_be_powered_on_again_under_its_name(lab: Lab) -> None:
    lab.host("one").power_off()
    again = lab.host("one")

    assert output(again, "hostname") == "one"
    assert again.address == "10.79.0.3"


def test_close_leaves_no_process_cgroup_or_descriptor(name: str) -> None:
    before = sum(1 for _ in Path("/proc/self/fd").iterdir()), threading.active_count()
    with Lab(name) as lab:
        inits = [lab.host(f"h{n}").pid for n in range(3)]
        lab.hosts["h0"].popen(["sleep", "1000"])

    assert not any(Path(f"/proc/{pid}").exists() for pid in inits)
    assert not any(directory.exists() for directory in Subtree(name).directories())
    assert (sum(1 for _ in Path("/proc/self/fd").iterdir()), threading.active_count()) == before


def test_hosts_end_with_the_program_that_made_them(name: str, tmp_path: Path) -> None:
    program = f"from procorch.hosts import Lab; lab = Lab({name!r}); print(lab.host('one').pid, flush=True); input()"
    maker = subprocess.Popen(
        [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=Path.cwd()
    )
    assert maker.stdout is not None and maker.stdin is not None
    pidfd = os.pidfd_open(int(maker.stdout.readline()))
    maker.kill()
    maker.wait()

    assert select.select([pidfd], [], [], 5)[0], "the init outlived its lab"
    os.close(pidfd)
    maker.stdin.close()
    maker.stdout.close()
    Subtree(name).remove()


def test_the_uplink_joins_the_machine_to_the_switch_and_goes_with_the_lab(lab: Lab, name: str) -> None:
    """The machine is played by a host of another lab: the real one stays untouched."""
    machine = lab.host("machine")

    def play() -> tuple[str, bool]:
        inner = Lab(f"{name}-inner", network="10.78.0.0/24", uplink=True)
        try:
            host = inner.host("master")
            server = host.inside(lambda: socket.create_server(("0.0.0.0", 6443)))
            with server, socket.create_connection((host.address, 6443), 2) as connection:
                here = connection.getsockname()[0]
        finally:
            inner.close()
        with Netlink() as netlink:
            return here, links.link_of(netlink, inner.uplink) is None

    assert machine.inside(play) == ("10.78.0.1", True)
