"""How one proves to a registry who one is: its challenge becomes the Authorization of the next request.

    401, WWW-Authenticate: Basic …                                   ──▶ Basic, by the credential
    401, WWW-Authenticate: Bearer realm="…",service="…",scope="…"    ──▶ GET realm (Basic, by the credential) ──▶ token

Source: the OCI distribution specification and Docker's "Token Authentication Specification" with its OAuth2 part.
"""

from __future__ import annotations

import asyncio
import base64
import json
import re
from dataclasses import dataclass

import aiohttp
from yarl import URL

from runtime.layers import Refused

from .credentials import Credential
from .http import Unavailable, failing, read

TOKEN_BYTES = 1 << 20
TOKEN_SECONDS = 60  # a token that does not say how long it lives; as the specification has it
EARLY = 5.0
_SCHEME = re.compile(r"\s*,?\s*([A-Za-z][A-Za-z0-9-]*)(?:\s+(?=[A-Za-z0-9_-]+=)|\s*(?=,|$))")
_PARAMETER = re.compile(r'\s*,?\s*([A-Za-z0-9_-]+)=(?:"((?:[^"\\]|\\.)*)"|([^\s,"]+))')


class Denied(Refused):
    """The registry does not let this caller in."""


@dataclass(frozen=True, slots=True)
class Challenge:
    """scheme: in lower case."""

    scheme: str
    parameters: dict[str, str]


@dataclass(frozen=True, slots=True)
class Authorization:
    """header: as it is sent; expires: in the loop's time, None for never."""

    header: str
    expires: float | None = None

    def is_fresh(self, now: float) -> bool:
        return self.expires is None or now < self.expires


def challenges(text: str) -> list[Challenge]:
    """What a WWW-Authenticate header offers; what is malformed in it is left out."""
    found: list[Challenge] = []
    at = 0
    while (scheme := _SCHEME.match(text, at)) is not None and scheme.end() > at:
        at = scheme.end()
        parameters = {}
        while (one := _PARAMETER.match(text, at)) is not None:
            at = one.end()
            quoted = one.group(2)
            parameters[one.group(1).lower()] = re.sub(r"\\(.)", r"\1", quoted) if quoted is not None else one.group(3)
        found.append(Challenge(scheme.group(1).lower(), parameters))
    return found


def basic(credential: Credential) -> str:
    """The header of HTTP's Basic scheme."""
    return "Basic " + base64.b64encode(f"{credential.username}:{credential.password}".encode()).decode()


def _bearer(token: object) -> str:
    """Raises Refused for what would not stay within a header."""
    if not isinstance(token, str) or not token.isascii() or not token.isprintable() or " " in token:
        raise Refused("a token is made of visible characters without spaces")
    return f"Bearer {token}"


async def authorize(
    session: aiohttp.ClientSession, header: str, credential: Credential | None, scope: str, *, secure: bool
) -> Authorization:
    """secure: the registry was asked by TLS, so the credential may only go where TLS is, too.

    Raises Denied where there is nothing to answer the challenge with; Refused, Unavailable.
    """
    offered = {one.scheme: one.parameters for one in challenges(header)}
    if credential is not None and credential.registry_token:
        return Authorization(_bearer(credential.registry_token))
    if "bearer" in offered:
        return await _token(session, offered["bearer"], credential, scope, secure)
    if "basic" in offered and credential is not None and credential.username:
        return Authorization(basic(credential))
    raise Denied("it wants to know who asks" if credential is None else "it takes no credentials of this kind")


async def _token(
    session: aiohttp.ClientSession, bearer: dict[str, str], credential: Credential | None, scope: str, secure: bool
) -> Authorization:
    realm = bearer.get("realm", "")
    try:
        url = URL(realm)
    except ValueError:
        url = URL()
    if not url.host or (url.scheme != "https" and (secure or url.scheme != "http")):
        raise Refused(f'its tokens come from "{realm[:200]}", which is no https:// address')
    query = {"service": bearer["service"]} if bearer.get("service") else {}
    query["scope"] = bearer.get("scope") or scope
    if credential is not None and credential.identity_token:
        form = query | {
            "grant_type": "refresh_token", "refresh_token": credential.identity_token, "client_id": "procorch",
        }  # fmt: skip
        request = session.post(url, data=form, allow_redirects=False)
    else:
        headers = {"Authorization": basic(credential)} if credential is not None and credential.username else {}
        request = session.get(url.update_query(query), headers=headers, allow_redirects=False)
    with failing(url):
        answer = await request
    async with answer:
        if answer.status in (400, 401, 403):
            raise Denied(f"{url.host} gives no token (HTTP {answer.status})")
        if answer.status != 200:
            raise Unavailable(f"{url.host} answers {answer.status} instead of a token")
        body = await read(answer, TOKEN_BYTES, "a token")
    try:
        data = json.loads(body)
        token, seconds = data.get("token") or data.get("access_token"), data.get("expires_in") or TOKEN_SECONDS
        header = _bearer(token)
        lives = max(float(seconds), TOKEN_SECONDS)
    except (ValueError, AttributeError, TypeError):
        raise Refused(f"{url.host} gave something that is no token") from None
    return Authorization(header, asyncio.get_running_loop().time() + lives - EARLY)
