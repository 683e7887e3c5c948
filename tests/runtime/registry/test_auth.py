"""Challenges and what answers them."""

from __future__ import annotations

import json

import aiohttp
import pytest
from aiohttp import web

from runtime.layers import Refused
from runtime.registry.auth import Challenge, Denied, authorize, challenges
from runtime.registry.credentials import Credential
from tests.runtime.registry.servers import Hostile, answers

ME = Credential("me", "secret")
BASIC = "Basic bWU6c2VjcmV0"


def bearer(**parameters: str) -> Challenge:
    return Challenge("bearer", parameters)


@pytest.mark.parametrize(
    ("header", "found"),
    [
        ('Basic realm="x"', [Challenge("basic", {"realm": "x"})]),
        (
            'Bearer realm="https://a/token",service="r.local",scope="repository:a/b:pull,push"',
            [bearer(realm="https://a/token", service="r.local", scope="repository:a/b:pull,push")],
        ),
        (r'Basic realm="a \"b\"", Bearer realm=x', [Challenge("basic", {"realm": 'a "b"'}), bearer(realm="x")]),
        ("Negotiate, Basic realm=x", [Challenge("negotiate", {}), Challenge("basic", {"realm": "x"})]),
        ("", []),
        ("=,=", []),
        ("Basic " * 5000, None),
    ],
)  # fmt: skip
def test_challenges(header: str, found: list[Challenge] | None) -> None:
    if found is None:
        challenges(header)  # does not take for ever
    else:
        assert challenges(header)[: len(found)] == found


async def test_basic(session: aiohttp.ClientSession) -> None:
    found = await authorize(session, 'Basic realm="x"', ME, "repository:app:pull", secure=True)

    assert (found.header, found.expires) == (BASIC, None)


@pytest.mark.parametrize(
    ("header", "credential"),
    [
        ('Basic realm="x"', None),
        ('Basic realm="x"', Credential(identity_token="t")),
        ('Digest realm="x"', ME),
        ("", ME),
    ],
)
async def test_what_cannot_be_answered(
    session: aiohttp.ClientSession, header: str, credential: Credential | None
) -> None:
    with pytest.raises(Denied):
        await authorize(session, header, credential, "s", secure=True)


async def test_a_token_is_had_with_the_credential_and_lives_as_it_says(
    session: aiohttp.ClientSession, hostile: Hostile
) -> None:
    asked: list[web.Request] = []

    async def give(request: web.Request) -> web.Response:
        asked.append(request)
        return web.json_response({"token": "T", "expires_in": 300})

    hostile.fail("/token", give, give)
    header = f'Bearer realm="{hostile.url}/token",service="r"'

    found = await authorize(session, header, ME, "repository:app:pull", secure=False)
    await authorize(session, header, None, "repository:app:pull", secure=False)

    assert found.header == "Bearer T"
    assert dict(asked[0].query) == {"service": "r", "scope": "repository:app:pull"}
    assert [one.headers.get("Authorization") for one in asked] == [BASIC, None]
    assert found.expires is not None and found.is_fresh(found.expires - 1) and not found.is_fresh(found.expires + 1)


async def test_an_identity_token_is_exchanged(session: aiohttp.ClientSession, hostile: Hostile) -> None:
    async def give(request: web.Request) -> web.Response:
        form = await request.post()
        assert request.method == "POST" and form["grant_type"] == "refresh_token" and form["refresh_token"] == "I"
        return web.json_response({"access_token": "T"})

    hostile.fail("/token", give)
    header = f'Bearer realm="{hostile.url}/token",service="r"'

    found = await authorize(session, header, Credential(identity_token="I"), "s", secure=False)

    assert found.header == "Bearer T"


async def test_a_registry_token_is_sent_as_it_is(session: aiohttp.ClientSession) -> None:
    found = await authorize(session, "Bearer realm=x", Credential(registry_token="R"), "s", secure=True)

    assert found.header == "Bearer R"


@pytest.mark.parametrize("token", ["a\r\nX: y", "a b", "ä", "a\0"])
async def test_a_registry_token_that_would_not_stay_in_its_header(session: aiohttp.ClientSession, token: str) -> None:
    with pytest.raises(Refused, match="visible characters"):
        await authorize(session, "Bearer realm=x", Credential(registry_token=token), "s", secure=True)


@pytest.mark.parametrize("realm", ["", "http://[", "ftp://a/b", "/token", "https://", "file:///etc/passwd"])
async def test_a_token_comes_from_an_address(session: aiohttp.ClientSession, realm: str) -> None:
    with pytest.raises(Refused, match="no https:// address"):
        await authorize(session, f'Bearer realm="{realm}"', ME, "s", secure=False)


async def test_a_credential_does_not_leave_tls(session: aiohttp.ClientSession, hostile: Hostile) -> None:
    with pytest.raises(Refused, match="no https:// address"):
        await authorize(session, f'Bearer realm="{hostile.url}/token"', ME, "s", secure=True)

    assert hostile.requests == []


@pytest.mark.parametrize(
    ("status", "body", "error"),
    [
        (401, b"", Denied),
        (403, b"", Denied),
        (302, b"", Refused),
        (200, b"no json", Refused),
        (200, b"[]", Refused),
        (200, json.dumps({"token": 7}).encode(), Refused),
        (200, json.dumps({"token": "a\r\nX: y"}).encode(), Refused),
        (200, b"x" * (2 << 20), Refused),
    ],
)
async def test_what_is_no_token(
    session: aiohttp.ClientSession, hostile: Hostile, status: int, body: bytes, error: type[Exception]
) -> None:
    hostile.fail("/token", answers(status, body, Location=f"{hostile.url}/elsewhere"))

    with pytest.raises(error):
        await authorize(session, f'Bearer realm="{hostile.url}/token"', ME, "s", secure=False)

    assert hostile.asked("/elsewhere") == 0
