"""How the store is encrypted, and that it be written anew: what an administrator asks at /procorch/encryption."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson

import store
from procorch.api.request import JSON, Request, Response, answer
from procorch.api.routes import Route
from procorch.encryption import EncryptionProblem, name_of, object_of, read
from procorch.objects import BadRequest, MethodNotAllowed, Object

if TYPE_CHECKING:
    from procorch.api.api import Api

logger = logging.getLogger(__name__)

OPTION = "--encryption-provider-config"
TOLD_EVERY = 0.5
"""Seconds between two lines that say how far it is."""


async def reload(log: store.Log, path: Path) -> None:
    """Puts the rules of a file into force, if with them everything in the store can be read. Raises EncryptionProblem,
    OSError, LogError: then the old ones hold on."""
    rules = await asyncio.to_thread(read, path)
    known = {key.id: key.name for rule in (*rules, *log.resealing.rules) for key in rule.providers if key is not None}
    given = {key.id for rule in rules for key in rule.providers if key is not None}
    by_prefix = {rule.prefix: rule for rule in rules}
    for tally in await log.resealing.tally(rules):
        resource = "objects" if tally.prefix is None else name_of(tally.prefix)
        if tally.key is not None and tally.key not in given:
            name = known.get(tally.key, tally.key.hex())
            raise EncryptionProblem(
                f"{path}: {tally.values} values of {resource} need key {name}, which is not there; "
                "leave it in the file until `procorch encryption rewrite` is done"
            )
        if tally.key is None and tally.prefix is not None and None not in by_prefix[tally.prefix].providers:
            raise EncryptionProblem(
                f"{path}: {tally.values} values of {resource} are not encrypted; "
                "let identity be the last provider until `procorch encryption rewrite` is done"
            )
    if given != {key.id for rule in log.resealing.rules for key in rule.providers if key is not None}:
        logger.info("encryption: other keys", extra={"file": str(path), "keys": [known[one] for one in given]})
    log.resealing.use(rules)


async def serve(api: Api, route: Route, request: Request) -> Response:
    """Raises ApiError, LogError."""
    path = api.config.encryption
    if route.verb == "get":
        return answer(await _status(api.log, path))
    if route.verb != "post":
        raise MethodNotAllowed.of()
    if path is None:
        raise BadRequest.of(f"nothing is encrypted here: start the master with {OPTION} FILE")
    try:
        await reload(api.log, path)
    except (EncryptionProblem, OSError) as error:
        raise BadRequest.of(str(error)) from None
    return Response(200, {"Content-Type": JSON}, stream=_rewrite(api.log, path))


async def _rewrite(log: store.Log, path: Path) -> AsyncGenerator[bytes, None]:
    """Lines of JSON: how many so far; at the end also what could not be, or the error."""
    timer = asyncio.get_running_loop().time
    told = timer()
    outcome = store.Outcome()
    try:
        async for outcome in log.resealing.reseal():
            if timer() - told > TOLD_EVERY:
                told = timer()
                yield orjson.dumps({"changed": outcome.changed}) + b"\n"
        lost = [
            {"object": object_of(key), "revision": revision, "why": why}
            for (key, revision), why in outcome.lost.items()
        ]
        end: Object = {"changed": outcome.changed, "left": outcome.left, "lost": lost, **await _status(log, path)}
        logger.info("encryption: values rewritten", extra={"changed": outcome.changed, "lost": len(lost)})
    except store.LogError as error:
        end = {"changed": outcome.changed, "error": str(error)}
    yield orjson.dumps(end) + b"\n"


async def _status(log: store.Log, path: Path | None) -> dict[str, Any]:
    """forms: of what is in the store, how it lies there and how many values. unused: keys that nothing needs."""
    rules = {rule.prefix: rule for rule in log.resealing.rules}
    keys = {key.id: key.name for rule in rules.values() for key in rule.providers if key is not None}
    forms = []
    for prefix, key, values in sorted(await log.resealing.tally(), key=lambda tally: tally.prefix or "~"):
        writer = rules[prefix].providers[0] if prefix is not None else None
        forms.append(
            {
                "resource": "" if prefix is None else name_of(prefix),
                "key": "" if key is None else keys.get(key, key.hex()),
                "values": values,
                "current": key == (None if writer is None else writer.id),
            }
        )
    needed = {rule.providers[0].name for rule in rules.values() if rule.providers[0] is not None}
    needed |= {str(form["key"]) for form in forms}
    return {
        "file": str(path or ""),
        "forms": forms,
        "unused": [name for name in dict.fromkeys(keys.values()) if name not in needed],
    }
