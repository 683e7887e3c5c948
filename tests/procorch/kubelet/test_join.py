"""A node gets its credentials from the real API over https, with a token."""

from __future__ import annotations

import asyncio
import base64
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest

import store
from procorch import pki
from procorch.api import MASTERS, Api, ApiConfig, LocalTransport, User
from procorch.api.http import serve, server_context
from procorch.client import Client
from procorch.kubelet.join import Credentials, JoinFailed, join, keep_fresh, name_in
from procorch.objects import Object
from procorch.tokens import Token, secret_of
from procorch.transport import HttpTransport


@dataclass
class Master:
    server: str
    authority: pki.Authority
    admin: Client


@pytest.fixture
async def master(tmp_path: Path) -> AsyncIterator[Master]:
    authority = pki.Authority.open(tmp_path / "pki", time.time())
    pki.server_pair(tmp_path / "pki", authority, ["127.0.0.1"], time.time())
    log = await store.Log.open(":memory:")
    api = Api(log, config=ApiConfig(ca_pem=authority.pem))
    await api.start()
    tls = server_context(tmp_path / "pki/apiserver.crt", tmp_path / "pki/apiserver.key", authority.pem)
    listener = await serve(api, "127.0.0.1", 0, tls)
    admin = Client(LocalTransport(api, User("admin", (MASTERS,))))
    await admin.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "kube-system"}})
    yield Master(f"https://127.0.0.1:{listener.port}", authority, admin)
    await listener.close()
    await api.close()
    await log.close()


async def sign_all(master: Master) -> None:
    """What the masters' controller does."""
    async for _, csr in master.admin.watch("CertificateSigningRequest"):
        if (csr.get("status") or {}).get("certificate"):
            continue
        request = base64.b64decode(csr["spec"]["request"])
        signed = base64.b64encode(master.authority.sign_client(request, time.time())).decode()
        status: Object = {"status": {"certificate": signed}}
        await master.admin.patch("CertificateSigningRequest", csr["metadata"]["name"], status, subresource="status")


async def test_a_token_becomes_a_certificate_of_the_nodes_own(master: Master, tmp_path: Path) -> None:
    token = Token.new(master.authority.fingerprint)
    await master.admin.create(secret_of(token, expires=time.time() + 60))
    credentials = Credentials(tmp_path / "node/agent")

    signing = asyncio.get_running_loop().create_task(sign_all(master))
    await join(master.server, "one", str(token), credentials, time.time)
    signing.cancel()

    assert credentials.usable("one", time.time())
    assert name_in(credentials.certificate.read_bytes()) == "one"
    assert credentials.key.stat().st_mode & 0o777 == 0o600
    with pytest.raises(JoinFailed, match='credentials of node "one", not of "two"'):
        credentials.usable("two", time.time())


async def test_a_certificate_is_renewed_when_its_life_runs_out_and_used_from_then_on(
    master: Master, tmp_path: Path
) -> None:
    now = time.time()
    pair = master.authority.issue_client("system:node:one", ["system:nodes"], now)
    credentials = Credentials(tmp_path / "agent")
    credentials.directory.mkdir()
    credentials.save(master.authority.pem, pair.key, pair.certificate)
    context = credentials.context()
    transport = HttpTransport(master.server, context)
    loop = asyncio.get_running_loop()
    signing = loop.create_task(sign_all(master))

    # It is looked at when the agent starts: on a new one, and on one of which but little is left.
    fresh = loop.create_task(keep_fresh(credentials, "one", Client(transport), context, lambda: now))
    await asyncio.sleep(0.05)
    assert credentials.certificate.read_bytes() == pair.certificate
    fresh.cancel()
    late = now + 360 * 86400
    fresh = loop.create_task(keep_fresh(credentials, "one", Client(transport), context, lambda: late))
    async with asyncio.timeout(10):
        while credentials.certificate.read_bytes() == pair.certificate:
            await asyncio.sleep(0.01)
    await asyncio.sleep(0)
    fresh.cancel()
    signing.cancel()
    await transport.close()

    assert name_in(credentials.certificate.read_bytes()) == "one"
    assert credentials.key.read_bytes() != pair.key
    again = HttpTransport(master.server, credentials.context())
    assert (await Client(again).raw("GET", "/version")).status == 200
    await again.close()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        pytest.param("", "procorch token create", id="no token"),
        pytest.param("nonsense", "not a join token", id="no token's form"),
        pytest.param("abcdef.0123456789abcdef", "the part after @", id="no fingerprint"),
        pytest.param(f"abcdef.0123456789abcdef@{'0' * 64}", "is not the cluster", id="another cluster's"),
    ],
)
async def test_what_is_wrong_with_a_token_is_one_line(master: Master, tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(JoinFailed, match=said) as caught:
        await join(master.server, "one", text, Credentials(tmp_path / "agent"), time.time)

    assert "\n" not in str(caught.value)


async def test_a_token_that_is_not_known_is_refused(master: Master, tmp_path: Path) -> None:
    token = Token.new(master.authority.fingerprint)

    with pytest.raises(JoinFailed, match="refuses the token"):
        await join(master.server, "one", str(token), Credentials(tmp_path / "agent"), time.time)
