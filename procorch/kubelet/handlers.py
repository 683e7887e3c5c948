"""One question to a container, or one hook: exec, httpGet, tcpSocket and sleep, with Kubernetes' words for failures.

Requests go from the node to the pod's address, as Kubernetes' do.
"""

from __future__ import annotations

import asyncio
import os
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import aiohttp
from yarl import URL

from procorch.kubelet.record import process_name
from runtime import ProcessSpec, RuntimeFailed, Sandbox

MOST_OUTPUT = 10 * 1024
_MOST_BODY = 10 * 1024


@dataclass(frozen=True, slots=True)
class Target:
    """The container that is asked. address: the pod's, or the node's for a pod on its network."""

    sandbox: Sandbox
    container: Mapping[str, Any]
    attempt: int
    launch: ProcessSpec
    address: str


async def ask(handler: Mapping[str, Any], target: Target, timeout: float) -> tuple[bool, str]:
    """(success, what was heard). timeout: seconds. Never raises but for cancellation."""
    try:
        async with asyncio.timeout(timeout):
            if (row := handler.get("exec")) is not None:
                return await _exec(row.get("command") or [], target, timeout)
            if (row := handler.get("httpGet")) is not None:
                return await _http_get(row, target)
            if (row := handler.get("tcpSocket")) is not None:
                return await _tcp(row, target)
            if (row := handler.get("sleep")) is not None:
                await asyncio.sleep(float(row.get("seconds") or 0))
                return True, ""
    except TimeoutError:
        return False, f"context deadline exceeded: no answer within {timeout:g}s"
    except (OSError, aiohttp.ClientError, RuntimeFailed, ValueError) as error:
        return False, str(error) or type(error).__name__
    return False, f"{', '.join(handler) or 'no handler'}: not supported"


async def _exec(command: list[str], target: Target, timeout: float) -> tuple[bool, str]:
    launch = target.launch
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
    if ran.timed_out:
        return False, f'command timed out: "{" ".join(command)}" timed out after {timeout:g}s'
    heard = (ran.stdout + ran.stderr).decode(errors="replace")
    return ran.exit_code == 0 and not ran.error, ran.error or heard


async def _http_get(row: Mapping[str, Any], target: Target) -> tuple[bool, str]:
    scheme = (row.get("scheme") or "HTTP").lower()
    host, port = row.get("host") or target.address, _port(row["port"], target.container)
    path = row.get("path") or "/"
    url = URL(f"{scheme}://{host}:{port}{path if path.startswith('/') else '/' + path}", encoded=True)
    headers = {"User-Agent": "kube-probe/1.37", "Accept": "*/*", "Connection": "close"}
    headers |= {one["name"]: one.get("value") or "" for one in row.get("httpHeaders") or []}
    context = ssl.create_default_context()
    context.check_hostname = False  # as Kubernetes: a probe asks whether somebody answers, not who
    context.verify_mode = ssl.CERT_NONE
    try:
        async with (
            aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=context)) as session,
            session.get(url, headers=headers, allow_redirects=False) as response,
        ):
            await response.content.read(_MOST_BODY)
            if 200 <= response.status < 400:
                return True, ""
            return False, f"HTTP probe failed with statuscode: {response.status}"
    except aiohttp.ClientConnectorError as error:
        return False, f'Get "{url}": {_dial(host, port, error.os_error)}'
    except (OSError, aiohttp.ClientError) as error:
        return False, f'Get "{url}": {str(error) or type(error).__name__}'


async def _tcp(row: Mapping[str, Any], target: Target) -> tuple[bool, str]:
    host, port = row.get("host") or target.address, _port(row["port"], target.container)
    try:
        _, writer = await asyncio.open_connection(host, port)
    except OSError as error:
        return False, _dial(host, port, error)
    writer.close()
    return True, ""


def _dial(host: str, port: int, error: OSError) -> str:
    words = os.strerror(error.errno).lower() if error.errno else str(error)
    return f"dial tcp {host}:{port}: connect: {words}"


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
