"""Several hosts on one machine: namespaces and a cgroup subtree each, joined by a switch in a namespace of its own.

Tests and `procorch up --nodes N` make their hosts here. The machine's own network, mounts and cgroups stay as they
are: all that is added to it are the cgroups `<lab>/<host>`, and with `uplink=True` one veth.

    with Lab("procorch-example") as lab:
        one, two = lab.host("one"), lab.host("two")
        one.run(["hostname"], capture_output=True).stdout      # b"one\\n"
        one.power_off()                                        # and all that ran there is gone

A host is its init: a process that is number 1 of its own pid namespace and reaps. Whatever kills it (`kill -9`, the
end of the program that made the lab) ends every process of the host, and with them its namespaces.
"""

from __future__ import annotations

import contextlib
import ctypes
import ipaddress
import os
import select
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, TypeVar

from network import links, netns
from network.netlink import Netlink

Result = TypeVar("Result")

# The kernel reaps for who ignores SIGCHLD. stdin is the lifeline: it ends when nobody holds its other end any more.
_INIT = """
import os, signal
signal.signal(signal.SIGCHLD, signal.SIG_IGN)
os.write(1, b".")
os.close(1)
while os.read(0, 1):
    pass
"""
_CLONE_FS, _NEWNS, _NEWCGROUP = 0x200, 0x20000, 0x02000000
_NEWUTS, _NEWIPC, _NEWPID = 0x04000000, 0x08000000, 0x20000000
_ALL = _NEWNS | _NEWUTS | _NEWIPC | _NEWPID | netns.CLONE_NEWNET
_MS_BIND, _MS_REC, _MS_PRIVATE = 0x1000, 0x4000, 0x40000
_JOIN_V2 = 'echo 0 > /sys/fs/cgroup/init/cgroup.procs && exec "$@"'
_libc = ctypes.CDLL(None, use_errno=True)


def _mount(source: str, target: str, kind: str = "", flags: int = 0, data: str = "") -> None:
    if _libc.mount(source.encode(), target.encode(), kind.encode(), ctypes.c_ulong(flags), data.encode()) != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"mount {source} on {target}: {os.strerror(number)}")


class Subtree:
    """A cgroup of one path in every hierarchy of the machine, v1 or v2; missing parents are made too."""

    def __init__(self, path: str) -> None:
        self.mounts = list(_hierarchies())
        self.unified = any(kind == "cgroup2" for _, kind in self.mounts)
        self.path = path

    def directories(self) -> Iterator[Path]:
        for mount, _ in self.mounts:
            yield mount / self.path

    def create(self) -> None:
        for mount, kind in self.mounts:
            here = mount
            for step in Path(self.path).parts:
                _delegate(here, kind)
                here = here / step
                here.mkdir(exist_ok=True)
                for name in ("cpuset.cpus", "cpuset.mems"):  # v1: empty in a new group, and nobody can join then
                    if kind == "cgroup" and (here / name).exists() and not (here / name).read_text().strip():
                        (here / name).write_text((here.parent / name).read_text())
            if kind == "cgroup2":
                (here / "init").mkdir(exist_ok=True)  # processes may only be in leaves

    def join(self) -> None:
        """Move the calling thread (v1; v2 moves whole processes: see `join_process`)."""
        if not self.unified:
            for directory in self.directories():
                (directory / "tasks").write_text("0")

    def join_process(self, pid: int) -> None:
        """v2: move a process into the leaf, by a thread that sees the subtree as the whole tree (see `bind`)."""
        if self.unified:
            for mount, _ in self.mounts:
                (mount / "init" / "cgroup.procs").write_text(str(pid))

    def bind(self) -> None:
        """Show the subtree as if it were all there is, in the calling thread's mount namespace."""
        for (mount, _), directory in zip(self.mounts, self.directories(), strict=True):
            _mount(str(directory), str(mount), flags=_MS_BIND)

    def remove(self) -> None:
        """Remove the group and all below it; what is in use after two seconds stays."""
        for directory in self.directories():
            for here, _, _ in os.walk(directory, topdown=False):
                _remove_group(Path(here))


def _hierarchies() -> Iterator[tuple[Path, str]]:
    """Where the machine's cgroup controllers are mounted, and `cgroup` or `cgroup2`; named and hybrid ones left out."""
    seen: set[str] = set()
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        fields, _, rest = line.partition(" - ")
        kind, _, options = rest.split()[:3]
        point, device = fields.split()[4], fields.split()[2]
        if device in seen or "name=" in options or (kind == "cgroup2" and point != "/sys/fs/cgroup"):
            continue
        if kind in ("cgroup", "cgroup2") and point.startswith("/sys/fs/cgroup"):
            seen.add(device)
            yield Path(point), kind


def _delegate(group: Path, kind: str) -> None:
    """v2: let the children of a group have the controllers that it has."""
    if kind == "cgroup2":
        for name in (group / "cgroup.controllers").read_text().split():
            with contextlib.suppress(OSError):  # a controller that cannot be given on is not there below
                (group / "cgroup.subtree_control").write_text(f"+{name}")


def _remove_group(path: Path) -> None:
    end = time.monotonic() + 2
    while True:
        try:
            return path.rmdir()
        except FileNotFoundError:
            return
        except OSError:
            if time.monotonic() > end:
                return
            time.sleep(0.005)  # the last dead process leaves a moment later


class Host:
    """One host: `run` and `popen` start programs in it, `inside` calls a function in its network namespace.

    address: its IPv4 address on the switch. pid: of its init, as the machine sees it.
    """

    def __init__(self, lab: Lab, name: str, address: str) -> None:
        self.lab, self.name, self.address = lab, name, address
        self.cgroup = Subtree(f"{lab.cgroup}/{name}")
        self._children: list[subprocess.Popen[Any]] = []
        self._netns = -1
        self._init = netns.in_thread(self._power_on, f"host-{name}")
        self._pidfd = os.pidfd_open(self._init.pid)
        lab.plug(self, self._netns)

    @property
    def pid(self) -> int:
        return self._init.pid

    @property
    def is_on(self) -> bool:
        for child in self._children:
            child.poll()  # an init ends when those that we started are reaped
        return self._pidfd >= 0 and not select.select([self._pidfd], [], [], 0)[0]

    def wait(self) -> None:
        """Wait until the host is off, whoever killed it."""
        for child in self._children:
            child.wait()
        self._init.wait()

    def _power_on(self) -> subprocess.Popen[bytes]:
        """Runs in a thread of its own, which becomes a part of the host and then ends."""
        self.cgroup.create()
        self.cgroup.join()
        netns.unshare(_ALL | _CLONE_FS | (0 if self.cgroup.unified else _NEWCGROUP))
        _mount("none", "/", flags=_MS_REC | _MS_PRIVATE)
        _mount("tmpfs", "/run", "tmpfs", data="mode=755")
        self.cgroup.bind()
        socket.sethostname(self.name)
        self._netns = netns.current()
        argv = [f"procorch:host:{self.name}", "-I", "-S", "-c", _INIT]
        init = subprocess.Popen(
            argv,
            executable=sys.executable,
            stdin=self.lab.lifeline,
            stdout=subprocess.PIPE,
            start_new_session=True,  # Ctrl-C in the terminal is for the program that made the lab
            cwd="/",
        )
        assert init.stdout is not None
        if init.stdout.read() != b".":
            raise RuntimeError(f"host {self.name}: its init did not start (exit code {init.wait()})")
        init.stdout.close()
        self.cgroup.join_process(init.pid)
        # Only a process of the new pid namespace can mount its /proc.
        subprocess.run(["mount", "-n", "-t", "proc", "proc", "/proc"], check=True, cwd="/")
        return init

    def inside(self, function: Callable[[], Result]) -> Result:
        """Call `function` in a thread that is in the host's network namespace (and in no other of its namespaces).

        Sockets made there stay there; threads started there are there too.
        """
        return netns.inside(self._netns, function)

    def popen(self, argv: Sequence[str], **options: Any) -> subprocess.Popen[Any]:
        """Start a program in the host; the options are subprocess.Popen's. Raises OSError when the host is off."""
        if not self.is_on:
            raise ProcessLookupError(f"host {self.name} is off")
        options.setdefault("cwd", Path.cwd())
        command = ["sh", "-c", _JOIN_V2, "sh", *argv] if self.cgroup.unified else list(argv)

        def run() -> subprocess.Popen[Any]:
            self.cgroup.join()
            netns.unshare(_CLONE_FS)
            netns.setns(self._pidfd, _ALL | (0 if self.cgroup.unified else _NEWCGROUP))
            return subprocess.Popen(command, **options)

        process = netns.in_thread(run, f"host-{self.name}")
        self._children = [child for child in self._children if child.returncode is None] + [process]
        return process

    def run(
        self,
        argv: Sequence[str],
        *,
        input: Any = None,
        timeout: float | None = None,
        check: bool = False,
        **options: Any,
    ) -> subprocess.CompletedProcess[Any]:
        """Run a program in the host to its end, as subprocess.run does."""
        if options.pop("capture_output", False):
            options.update(stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        if input is not None:
            options["stdin"] = subprocess.PIPE
        with self.popen(argv, **options) as process:
            try:
                output, errors = process.communicate(input, timeout)
            except BaseException:
                process.kill()
                raise
        done = subprocess.CompletedProcess(list(argv), process.returncode, output, errors)
        if check:
            done.check_returncode()
        return done

    def power_off(self) -> None:
        """Kill the init and with it all that runs here; returns when nothing of it is left. May be called twice."""
        if self._pidfd < 0:
            return
        with contextlib.suppress(ProcessLookupError):
            signal.pidfd_send_signal(self._pidfd, signal.SIGKILL)
        self.wait()
        for fd in (self._pidfd, self._netns):
            os.close(fd)
        self._pidfd = self._netns = -1
        self.cgroup.remove()


class Lab:
    """A switch and the hosts on it. What it made is gone after `close`, or after the process that made it.

    name: of the cgroup above the hosts' own and, cut short, of the uplink.
    network: the switch's range; its last address is a router that answers "unreachable" to all that is not on the
    switch. uplink: give the machine itself the first address of the network, so that a user's kubectl reaches a host.
    """

    def __init__(self, name: str, *, network: str = "10.79.0.0/24", uplink: bool = False) -> None:
        self.name = self.cgroup = name
        self.network = ipaddress.IPv4Network(network)
        self.hosts: dict[str, Host] = {}
        self._lock = threading.Lock()
        self._ports = 0
        self._given = {str(self.network[1]), str(self.network[-2])}
        self.lifeline, self._held = os.pipe()
        self.switch = netns.create()
        netns.inside(self.switch, self._build)
        self.uplink = f"{name[:11]}-up" if uplink else ""
        if self.uplink:
            self._connect_machine()

    @property
    def gateway(self) -> str:
        return str(self.network[-2])

    def __enter__(self) -> Lab:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _build(self) -> None:
        """The switch: a bridge and a router with no way out, both in the namespace of the calling thread."""
        with Netlink() as netlink:
            netlink.send(links.change_link("lo", up=True), links.add_bridge("switch", 1500, self.gateway))
            bridge = links.link_of(netlink, "switch")
            assert bridge is not None
            netlink.send(
                links.add_address(bridge.index, self.gateway, self.network.prefixlen),
                links.add_route(links.Route("0.0.0.0/0", unreachable=True)),
            )
        Path("/proc/sys/net/ipv4/ip_forward").write_text("1")  # or what has no route is dropped without a word

    def _connect_machine(self) -> None:
        def adopt() -> None:
            with Netlink() as netlink:
                bridge = links.link_of(netlink, "switch")
                assert bridge is not None
                netlink.send(links.change_link("uplink", up=True, master=bridge.index))

        address = str(self.network[1])
        with Netlink() as netlink:
            netlink.send(links.add_veth(self.uplink, "uplink", self.switch, self.gateway))
            link = links.link_of(netlink, self.uplink)
            assert link is not None
            netlink.send(links.add_address(link.index, address, self.network.prefixlen))
        netns.inside(self.switch, adopt)

    def plug(self, host: Host, host_netns: int) -> None:
        """Join a host to the switch: eth0 with its address, a default route to the router that leads nowhere."""
        with self._lock:
            self._ports += 1
            port = f"port{self._ports}"

        def switch_side() -> None:
            with Netlink() as netlink:
                bridge = links.link_of(netlink, "switch")
                assert bridge is not None
                netlink.send(links.add_veth(port, "eth0", host_netns, host.address, master=bridge.index))

        def host_side() -> None:
            with Netlink() as netlink:
                netlink.send(links.change_link("lo", up=True), links.change_link("eth0", up=True))
                link = links.link_of(netlink, "eth0")
                assert link is not None
                netlink.send(
                    links.add_address(link.index, host.address, self.network.prefixlen),
                    links.add_route(links.Route("0.0.0.0/0", self.gateway, protocol=links.STATIC)),
                )
                links.wait_operational(netlink, "eth0")

        def wait() -> None:
            with Netlink() as netlink:
                links.wait_operational(netlink, port)
                links.wait_operational(netlink, "switch")

        netns.inside(self.switch, switch_side)
        netns.inside(host_netns, host_side)
        netns.inside(self.switch, wait)

    def host(self, name: str, address: str | None = None) -> Host:
        """A new host, on. Without an address it gets the network's next free one, from the second on."""
        if name in self.hosts and self.hosts[name].is_on:
            raise ValueError(f"host {name} is there already")
        with self._lock:
            chosen = address or next(str(one) for one in self.network.hosts() if str(one) not in self._given)
            self._given.add(chosen)
        self.hosts[name] = Host(self, name, chosen)
        return self.hosts[name]

    def close(self) -> None:
        """Power everything off and take down all that was made. May be called twice."""
        for host in self.hosts.values():
            host.power_off()
        if self.switch < 0:
            return
        if self.uplink:
            with Netlink() as netlink, contextlib.suppress(OSError):
                netlink.send(links.delete_link(self.uplink))
        for fd in (self.switch, self.lifeline, self._held):
            os.close(fd)
        self.switch = -1
        remove_cgroups(self.cgroup)


def remove_cgroups(name: str) -> None:
    """Remove what a lab of that name left when its program was killed. The groups are empty then."""
    Subtree(name).remove()
