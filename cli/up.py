"""`procorch up`: a whole cluster on this machine, from nothing to Ready."""

from __future__ import annotations

import ipaddress
import os
import socket
import subprocess
import sys
import time
import traceback
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import click

from cli.directories import (
    data_dir_option,
    database_option,
    encryption_option,
    need_root,
    running,
    start_time,
    without_password,
)
from cli.node_options import node_arguments, node_options
from cli.node_resources import NodeResources, node_resources
from cli.registries import arguments, registry_options
from procorch.claims import locked
from procorch.supervisor import Program, StartFailed, Supervisor

if TYPE_CHECKING:
    from procorch.hosts import Lab

NETWORK = "10.79.0.0/24"
READY = "\0ready"


@dataclass(frozen=True, slots=True)
class Options:
    """What `up` was asked for. nodes: 0 for this machine itself as the one node. node_options: for the agents."""

    data_dir: Path
    nodes: int
    node_ip: str
    port: int
    pods: int
    write_kubeconfig: bool
    timeout: float
    network: str
    database: str
    node_options: tuple[str, ...]
    encryption: Path | None


@click.command("up")
@data_dir_option
@click.option("--nodes", type=click.IntRange(1, 200), help="That many nodes, each a host made of namespaces.")
@click.option("--node-ip", default="", help="This machine's address as node and pods reach it; found by default.")
@click.option("--port", type=click.IntRange(1, 65535), default=6443, show_default=True, help="Of the API.")
@click.option("--pods", type=click.IntRange(1, 1000), default=110, show_default=True, help="At most so many a node.")
@click.option("--write-kubeconfig", is_flag=True, help="Merge the cluster into ~/.kube/config and make it current.")
@click.option("--detach", "-d", is_flag=True, help="Return when the cluster is ready; it goes on running.")
@click.option("--network", default=NETWORK, show_default=True, help="With --nodes: the range of their addresses.")
@database_option
@encryption_option
@registry_options
@node_options
@node_resources
@click.option("--timeout", type=float, default=60.0, show_default=True, help="Seconds to wait until it is ready.")
def command(
    data_dir: Path,
    nodes: int | None,
    node_ip: str,
    port: int,
    pods: int,
    write_kubeconfig: bool,
    detach: bool,
    timeout: float,
    network: str,
    database: str,
    encryption_provider_config: Path | None,
    registries: tuple[str, ...],
    registry_ca: Path | None,
    registry_auth: Path | None,
    pod_manifest_path: Path | None,
    allowed_unsafe_sysctls: tuple[str, ...],
    node_resources: NodeResources,
) -> None:
    """Start a cluster on this machine: a master and a node, or with --nodes several nodes.

    Stop it with Ctrl-C or `procorch down`; its state stays for the next `up`. `procorch reset` removes all of it.
    """
    need_root("procorch up")
    make_private(data_dir)
    asked = (
        *arguments(registries, registry_ca, registry_auth),
        *node_arguments(pod_manifest_path, allowed_unsafe_sysctls),
        *node_resources.arguments(),
    )
    options = Options(
        data_dir.absolute(), nodes or 0, node_ip, port, pods, write_kubeconfig, timeout, network, database, asked,
        encryption_provider_config,
    )  # fmt: skip
    if detach:
        _detached(options)
    else:
        sys.exit(_foreground(options, Voice(None)))


def _detached(options: Options) -> NoReturn:
    """The same in a session of its own; its lines are shown until it says that the cluster is up."""
    log = options.data_dir / "log/up.log"
    reading, writing = os.pipe()
    child = os.fork()  # not a new interpreter: that would read all modules once more
    if child == 0:
        os.close(reading)
        os._exit(_in_a_session_of_its_own(options, log, writing))
    os.close(writing)
    with os.fdopen(reading) as lines:
        for line in lines:
            if line == f"{READY}\n":
                sys.exit(0)
            click.echo(line, nl=False)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    click.echo(log.read_text(errors="replace").strip(), err=True)
    sys.exit(code or 1)


def _in_a_session_of_its_own(options: Options, log: Path, descriptor: int) -> int:
    os.setsid()
    output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    for number, target in enumerate((os.open(os.devnull, os.O_RDONLY), output, output)):
        os.dup2(target, number)
    try:
        return _foreground(options, Voice(descriptor))
    except click.ClickException as error:
        error.show()
    except Exception:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
    return 1


def _foreground(options: Options, voice: Voice) -> int:
    """Runs until told to stop."""
    with ExitStack() as stack:
        _claim(options, stack)
        if options.nodes:
            refuse_overlap(options.network)
        return _run(options, voice, stack)


class Voice:
    """Says lines to whoever started us, and from `ready` on to standard output."""

    def __init__(self, descriptor: int | None) -> None:
        self._pipe = None if descriptor is None else os.fdopen(descriptor, "w", buffering=1)
        if self._pipe is not None:
            os.set_inheritable(self._pipe.fileno(), False)

    def say(self, line: str) -> None:
        try:
            print(line, file=self._pipe or sys.stdout, flush=True)
        except BrokenPipeError:  # whoever listened is gone; the cluster does not depend on that
            self._pipe = None
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        except OSError:  # the disk under the log is full
            pass

    def ready(self) -> None:
        if self._pipe is not None:
            self.say(READY)
            self._pipe.close()
            self._pipe = None


def _claim(options: Options, stack: ExitStack) -> None:
    """Only one `up` a directory, and only one server a port: said before anything is made."""

    def taken(_: str) -> click.ClickException:
        found = running(options.data_dir)
        who = f" (pid {found['pid']})" if found else ""
        return click.ClickException(
            f"a cluster is already up in {options.data_dir}{who}: see `procorch status`, stop it with `procorch down`; "
            "one more needs another --data-dir, --port and --network, and --nodes"
        )

    stack.enter_context(locked(options.data_dir / "run/up.lock", taken))
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("0.0.0.0", options.port))
        except OSError as error:
            raise click.ClickException(f"port {options.port}: {error.strerror}: choose another with --port") from None


def _run(options: Options, voice: Voice, stack: ExitStack) -> int:
    from procorch.pki import Authority
    from procorch.restoration import RestoreProblem, finish
    from procorch.tokens import Token

    begin = time.monotonic()
    data = options.data_dir
    try:
        finish(data)
        authority = Authority.open(data / "pki", time.time())
    except (ValueError, RestoreProblem) as error:
        raise click.ClickException(str(error)) from None
    token = Token.new(authority.fingerprint)
    address = options.node_ip or (str(ipaddress.IPv4Network(options.network)[1]) if options.nodes else own_address())
    server = f"https://127.0.0.1:{options.port}"
    describe = {
        "start_time": start_time(os.getpid()),
        "nodes": options.nodes,
        "server": server,
        "address": address,
        "since": time.time(),
        "database": without_password(options.database),
    }
    supervisor = Supervisor(data / "run", voice.say, describe)
    supervisor.catch_signals()
    master = [sys.executable, "-m", "cli", "master", "--data-dir", str(data), "--port", str(options.port)]
    master += ["--advertise-address", address, "--kubeconfig-server", server]
    if options.encryption is not None:
        master += ["--encryption-provider-config", str(options.encryption)]
    secret = {"PROCORCH_BOOTSTRAP_TOKEN": token.bearer, "PROCORCH_DATABASE": options.database}  # not for `ps` to show
    try:
        supervisor.start(Program("master", master, data / "log/master.log", secret))
        for program in _agents(options, address, str(token), stack):
            supervisor.start(program)
        supervisor.wait_ready(options.timeout)
        if not supervisor.stopping:
            _announce(options, voice.say, time.monotonic() - begin)
            voice.ready()
            supervisor.keep()
        return 0
    except StartFailed as error:
        raise click.ClickException(str(error)) from None
    finally:
        voice.say("stopping")
        supervisor.stop()
        stop_pods(data)


def _agents(options: Options, address: str, token: str, stack: ExitStack) -> list[Program]:
    data = options.data_dir
    environment = {"PROCORCH_TOKEN": token}
    common = ["--server", f"https://{address}:{options.port}", "--pods", str(options.pods), "--hide", str(data)]
    common += options.node_options
    if not options.nodes:
        argv = [sys.executable, "-m", "cli", "agent", "--data-dir", str(data / "node"), "--node-ip", address, *common]
        return [Program("agent", argv, data / "log/agent.log", environment)]
    from procorch.hosts import Lab

    lab = stack.enter_context(Lab(f"procorch-lab-{options.port}", network=options.network, uplink=True))
    programs = []
    for number in range(1, options.nodes + 1):
        name = f"node{number}"
        host = lab.host(name)
        argv = [sys.executable, "-m", "cli", "agent", "--data-dir", str(data / "nodes" / name)]
        argv += ["--node-name", name, "--node-ip", host.address, *common]
        programs.append(Program(name, argv, data / f"log/{name}.log", environment, _on_host(lab, name)))
    return programs


def _on_host(lab: Lab, name: str) -> Callable[..., subprocess.Popen[bytes]]:
    """Starts programs on the host of that name; one that lost power is switched on first, at its old address."""

    def spawn(*arguments: Any, **options: Any) -> subprocess.Popen[bytes]:
        host = lab.hosts[name]
        if not host.is_on:
            host.power_off()  # what is left of it goes
            host = lab.host(name, host.address)
        return host.popen(*arguments, **options)

    return spawn


def _announce(options: Options, say: Callable[[str], None], seconds: float) -> None:
    kubeconfig = options.data_dir / "admin.kubeconfig"
    nodes = f"{options.nodes} nodes" if options.nodes > 1 else "1 node"
    say(f"cluster ready in {seconds:.1f} s: {nodes}, API on https://127.0.0.1:{options.port}")
    if options.write_kubeconfig:
        from procorch.kubeconfig import KubeconfigError, default_path, merge

        target = default_path()
        if target == kubeconfig:  # $KUBECONFIG is the cluster's own file already
            target = default_path({})
        try:
            merge(target, kubeconfig)
        except (OSError, KubeconfigError) as error:
            say(f"  not written: {error}; use KUBECONFIG={kubeconfig}")
        else:
            say(f"  kubectl get nodes          ({target} now points here)")
    else:
        say(f"  export KUBECONFIG={kubeconfig}")
        say("  kubectl get nodes          (or: procorch get nodes)")


def make_private(data_dir: Path) -> None:
    """The data directory and the two in it that `up` itself uses. Raises a one-line error."""
    try:
        for directory in (data_dir, data_dir / "run", data_dir / "log"):
            directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        data_dir.chmod(0o711)  # a pod's process of another user must be able to pass through
    except OSError as error:
        raise click.ClickException(f"{error.filename}: {error.strerror}: choose another --data-dir") from None


def stop_pods(data_dir: Path) -> None:
    """End the pods' processes and undo the node's network; the cluster's state stays. Raises a one-line error."""
    if (data_dir / "node").is_dir():
        undo_node(data_dir / "node")


def undo_node(directory: Path) -> None:
    """The same for the node whose agent had that data directory. Raises a one-line error."""
    argv = [sys.executable, "-m", "cli", "agent", "--data-dir", str(directory), "--clean"]
    if subprocess.run(argv, check=False).returncode != 0:
        raise click.ClickException(
            f"the node in {directory} is not undone: mend what is said above, then do this again"
        )


def refuse_overlap(network: str) -> None:
    """Raises a one-line error where the hosts' range is one that this machine has already."""
    import psutil

    wanted = ipaddress.IPv4Network(network)
    for link, rows in psutil.net_if_addrs().items():
        for row in rows:
            if row.family == socket.AF_INET and row.netmask:
                there = ipaddress.IPv4Interface(f"{row.address}/{row.netmask}").network
                if there.overlaps(wanted):
                    raise click.ClickException(
                        f"the nodes' range {network} overlaps {link} ({there}): choose another with --network"
                    )


def own_address() -> str:
    """The address from which this machine would speak to others; loopback where it has no network.

    A datagram socket's connect chooses a route and sends nothing.
    """
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))
        except OSError:
            return "127.0.0.1"
        return str(probe.getsockname()[0])
