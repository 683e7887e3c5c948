"""One question to a container, or one hook: exec, httpGet, tcpSocket, grpc and sleep, in Kubernetes' words.

What goes to the pod's own address begins inside the pod's network, so that no rule about others' traffic cuts it; where
a probe names another `host`, it is asked from the node, as Kubernetes' kubelet does.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any

from yarl import URL

from procorch.kubelet import grpc_health, http_get, inside
from procorch.kubelet.http_get import NoAnswer, dial_words
from procorch.kubelet.record import process_name
from runtime import ProcessSpec, RuntimeFailed, Sandbox

MOST_OUTPUT = 10 * 1024
_PAUSE_SECONDS = 10.0  # to end a command whose time is up, and to tell
VERSION = "1.37"
PROBE, HOOK = f"kube-probe/{VERSION}", f"kube-lifecycle/{VERSION}"


class Outcome(Enum):
    """WARNING: good, but somebody should look. ERROR: it could not be asked, which says nothing of the container."""

    GOOD = "good"
    WARNING = "warning"
    BAD = "bad"
    ERROR = "error"


Heard = tuple[Outcome, str]
"""How it went, and in which words."""


@dataclass(frozen=True, slots=True)
class Target:
    """The container that is asked. address: the pod's, or the node's for a pod on its network."""

    sandbox: Sandbox
    container: Mapping[str, Any]
    attempt: int
    launch: ProcessSpec
    address: str


async def ask(handler: Mapping[str, Any], target: Target, timeout: float) -> Heard:
    """A probe's question. timeout: seconds. Never raises but for cancellation."""
    try:
        if (row := handler.get("exec")) is not None:
            return await _exec(row.get("command") or [], target, timeout)
        if (row := handler.get("httpGet")) is not None:
            return _judged(await _get(row, target, timeout, PROBE))
        if (row := handler.get("tcpSocket")) is not None:
            return await _tcp(row, target, timeout)
        if (row := handler.get("grpc")) is not None:
            return await _grpc(row, target, timeout)
    except (NoAnswer, OSError) as error:
        return Outcome.BAD, str(error) or type(error).__name__
    except (RuntimeFailed, ValueError) as error:
        return Outcome.ERROR, str(error) or type(error).__name__
    return Outcome.ERROR, f"missing probe handler for {target.container['name']}"


async def run_hook(handler: Mapping[str, Any], target: Target, timeout: float) -> tuple[bool, str]:
    """(success, what was heard) of a postStart or preStop. Of http any answer will do, as in Kubernetes."""
    try:
        async with asyncio.timeout(timeout):
            if (row := handler.get("httpGet")) is not None:
                await _get(row, target, timeout, HOOK)
                return True, ""
            if (row := handler.get("sleep")) is not None:
                await asyncio.sleep(float(row.get("seconds") or 0))
                return True, ""
            outcome, heard = await ask(handler, target, timeout)
            return outcome is Outcome.GOOD, heard
    except TimeoutError:
        return False, f"context deadline exceeded: no answer within {timeout:g}s"
    except (NoAnswer, ValueError) as error:
        return False, str(error)


async def _exec(command: list[str], target: Target, timeout: float) -> Heard:
    launch = target.launch
    try:
        async with asyncio.timeout(timeout + _PAUSE_SECONDS):
            ran = await target.sandbox.exec(
                process_name(target.container["name"], target.attempt),
                command,
                env=launch.env,
                cwd=launch.cwd,
                user=launch.user,
                capabilities=launch.capabilities,
                no_new_privs=launch.no_new_privs,
                timeout=timeout,
                most=MOST_OUTPUT,
            )
    except TimeoutError:
        return Outcome.ERROR, "the pod's pause does not answer"
    if ran.timed_out:
        return Outcome.BAD, f'command timed out: "{" ".join(command)}" timed out after {timeout:g}s'
    if ran.error:
        return Outcome.ERROR, ran.error
    heard = (ran.stdout + ran.stderr).decode(errors="replace")
    return Outcome.GOOD if ran.exit_code == 0 else Outcome.BAD, heard


async def _get(row: Mapping[str, Any], target: Target, timeout: float, agent: str) -> http_get.Answer:
    """Raises NoAnswer, ValueError."""
    scheme = (row.get("scheme") or "HTTP").lower()
    host, port = row.get("host") or target.address, _port(row["port"], target.container)
    path = row.get("path") or "/"
    authority = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    url = URL(f"{scheme}://{authority}{path if path.startswith('/') else '/' + path}", encoded=True)

    async def dial(to: str, at: int) -> socket.socket:
        return await _dial(to, at, target)

    return await http_get.get(url, http_get.header_rows(row.get("httpHeaders") or [], agent), dial, timeout)


def _judged(answer: http_get.Answer) -> Heard:
    if 200 <= answer.status < 300:
        return Outcome.GOOD, ""
    if 300 <= answer.status < 400:
        text = answer.body.decode(errors="replace")
        return Outcome.WARNING, f"Probe terminated redirects, Response body: {text}"
    return Outcome.BAD, f"HTTP probe failed with statuscode: {answer.status}"


async def _tcp(row: Mapping[str, Any], target: Target, timeout: float) -> Heard:
    host, port = row.get("host") or target.address, _port(row["port"], target.container)
    try:
        async with asyncio.timeout(timeout):
            (await _dial(host, port, target)).close()
    except TimeoutError:
        return Outcome.BAD, f"dial tcp {host}:{port}: i/o timeout"
    except OSError as error:
        return Outcome.BAD, dial_words(f"{host}:{port}", error)
    return Outcome.GOOD, ""


async def _grpc(row: Mapping[str, Any], target: Target, timeout: float) -> Heard:
    port, connected = int(row["port"]), False
    where = f"{target.address}:{port}"
    try:
        async with asyncio.timeout(timeout):
            try:
                sock = await _dial(target.address, port, target)
            except OSError as error:
                return Outcome.BAD, f'error: failed to connect service at "{where}": {dial_words(where, error)}'
            connected = True
            good, heard = await grpc_health.check(sock, where, row.get("service") or "", timeout, PROBE)
    except TimeoutError:
        if connected:
            return Outcome.BAD, f"timeout: health rpc did not complete within {timeout:g}s"
        why = f'timeout: failed to connect service "{where}" within {timeout:g}s: context deadline exceeded'
        return Outcome.BAD, why
    return Outcome.GOOD if good else Outcome.BAD, heard


async def _dial(host: str, port: int, target: Target) -> socket.socket:
    """Raises OSError."""
    if host == target.address:
        return await inside.connect(target.sandbox, host, port)
    loop = asyncio.get_running_loop()
    failure: OSError | None = None
    for family, kind, protocol, _, place in await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM):
        made = socket.socket(family, kind | socket.SOCK_NONBLOCK, protocol)
        try:
            await loop.sock_connect(made, place)
            return made
        except OSError as error:
            made.close()
            failure = failure or error
        except BaseException:
            made.close()
            raise
    raise failure or OSError(f"{host}: no such host")


def _port(value: Any, container: Mapping[str, Any]) -> int:
    """A number, or the name of one of the container's ports. Raises ValueError."""
    if isinstance(value, int):
        return value
    for row in container.get("ports") or []:
        if row.get("name") == value:
            return int(row["containerPort"])
    if str(value).isdecimal():
        return int(value)
    raise ValueError(f"couldn't find port {value} in container {container['name']}")
