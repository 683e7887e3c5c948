"""Manifests and blobs from a registry that does what it should not."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web

from runtime.layers import Refused
from runtime.registry.auth import Denied, basic
from runtime.registry.credentials import Credential
from runtime.registry.hosts import Endpoint
from runtime.registry.http import Unavailable
from runtime.registry.repository import TRIES, Blob, NotThere, Repository
from tests.runtime.registry.conftest import PAUSE
from tests.runtime.registry.servers import Hostile, answers, cut, endless, make
from tests.runtime.test_archives import digest_of

DATA = os.urandom(3_000_000)
BLOB = Blob(digest_of(DATA), len(DATA))
PATH = f"/v2/app/blobs/{BLOB.digest}"
IMAGE = make(b"")


@pytest.fixture
def app(hostile: Hostile, session: aiohttp.ClientSession) -> Repository:
    hostile.put("app", "1", IMAGE)
    hostile.blobs[PATH] = DATA
    return Repository(session, Endpoint(hostile.url), "app", pause=PAUSE)


async def test_a_manifest_by_tag_and_by_digest(app: Repository) -> None:
    by_tag = await app.manifest("1")

    assert (by_tag.body, by_tag.digest) == (IMAGE.body, IMAGE.digest)
    assert await app.manifest(IMAGE.digest) == by_tag


@pytest.mark.parametrize(
    ("wanted", "answer"),
    [
        pytest.param(IMAGE.digest, answers(200, b"{}"), id="another manifest than was asked for"),
        pytest.param("1", answers(200, b"{}", Docker_Content_Digest=IMAGE.digest), id="another than it says"),
    ],
)
async def test_a_wrong_manifest_is_refused(
    app: Repository, hostile: Hostile, wanted: str, answer: Callable[..., object]
) -> None:
    hostile.fail(f"/v2/app/manifests/{wanted}", answer)  # type: ignore[arg-type]

    with pytest.raises(Refused, match="is not what its digest says"):
        await app.manifest(wanted)


async def test_what_is_not_there_is_told_in_the_registrys_words(app: Repository) -> None:
    with pytest.raises(NotThere, match="answers 404: manifest unknown"):
        await app.manifest("2")


async def test_a_failing_registry_is_tried_again_but_not_for_ever(app: Repository, hostile: Hostile) -> None:
    path = "/v2/app/manifests/1"
    hostile.fail(path, answers(500), answers(429, Retry_After="0"), cut(b"x" * 100, 10))
    assert (await app.manifest("1")).body == IMAGE.body

    hostile.fail(path, *[answers(503)] * 50)
    before = hostile.asked(path)
    with pytest.raises(Unavailable, match="answers 503"):
        await app.manifest("1")
    assert hostile.asked(path) - before == TRIES


async def test_a_blob_is_written_as_it_is(app: Repository, tmp_path: Path) -> None:
    await app.blob(BLOB, tmp_path / "blob")

    assert (tmp_path / "blob").read_bytes() == DATA


@pytest.mark.parametrize("ranges", [True, False], ids=["goes on where it was", "begins anew where it must"])
async def test_a_blob_that_was_cut_off(app: Repository, hostile: Hostile, tmp_path: Path, ranges: bool) -> None:
    hostile.ranges = ranges
    seen: list[str] = []

    async def note(request: web.Request) -> None:
        if request.path == PATH:
            seen.append(request.headers.get("Range", ""))

    hostile.always = note
    hostile.fail(PATH, cut(DATA, 1_500_000), answers(500))

    await app.blob(BLOB, tmp_path / "blob")

    assert (tmp_path / "blob").read_bytes() == DATA
    assert seen[0] == "" and all(one.startswith("bytes=") for one in seen[1:]) and len(seen) == 3


async def test_a_blob_that_makes_progress_is_never_given_up(app: Repository, hostile: Hostile, tmp_path: Path) -> None:
    async def a_little(request: web.Request) -> web.StreamResponse:
        at = int((request.headers.get("Range") or "bytes=0-")[6:-1])
        response = web.StreamResponse(status=206 if at else 200)
        response.headers["Content-Range"] = f"bytes {at}-{len(DATA) - 1}/{len(DATA)}"
        response.headers["Content-Length"] = str(len(DATA) - at)
        await response.prepare(request)
        await response.write(DATA[at : at + 350_000])
        assert request.transport is not None
        request.transport.close()
        return response

    hostile.fail(PATH, *[a_little] * 8)
    await app.blob(BLOB, tmp_path / "blob")

    assert (tmp_path / "blob").read_bytes() == DATA
    assert hostile.asked(PATH) == 9


async def test_a_blob_without_an_end_is_given_up_at_its_size(app: Repository, hostile: Hostile, tmp_path: Path) -> None:
    hostile.fail(PATH, endless())

    with pytest.raises(Refused, match=f"larger than the {len(DATA)} bytes announced"):
        await app.blob(BLOB, tmp_path / "blob")
    assert hostile.asked(PATH) == 1
    assert (tmp_path / "blob").stat().st_size <= len(DATA)


@pytest.mark.parametrize(
    ("handlers", "error", "said"),
    [
        pytest.param([answers(200, bytes(len(DATA)))], Refused, "is not what its digest says", id="other bytes"),
        pytest.param([answers(200, DATA[:-1])] * TRIES, Unavailable, "ended layer", id="too few"),
        pytest.param([answers(403)], Denied, "answers 403", id="forbidden"),
        pytest.param([answers(404)], NotThere, "answers 404", id="gone"),
        pytest.param([answers(418)], Refused, "answers 418", id="anything else"),
        pytest.param([cut(DATA, 0)] * TRIES, Unavailable, "127.0.0.1", id="always cut off"),
    ],
)
async def test_a_blob_that_is_refused(
    app: Repository, hostile: Hostile, tmp_path: Path, handlers: list[object], error: type[Refused], said: str
) -> None:
    hostile.ranges = False
    hostile.fail(PATH, *handlers)  # type: ignore[arg-type]

    with pytest.raises(error, match=said):
        await app.blob(BLOB, tmp_path / "blob")


async def test_two_halves_that_do_not_fit_are_had_again_as_one(
    app: Repository, hostile: Hostile, tmp_path: Path
) -> None:
    hostile.fail(PATH, cut(bytes(len(DATA)), 1_500_000))

    await app.blob(BLOB, tmp_path / "blob")

    assert (tmp_path / "blob").read_bytes() == DATA


async def test_a_small_blob_is_bounded_and_checked(app: Repository, hostile: Hostile) -> None:
    config = Blob(IMAGE.config, len(IMAGE.blobs[IMAGE.config]))
    path = f"/v2/app/blobs/{IMAGE.config}"

    assert await app.text(config, "the config") == IMAGE.blobs[IMAGE.config]
    hostile.fail(path, answers(200, b"x" * (config.size + 1)), answers(200, b"{}"))
    with pytest.raises(Refused, match="the config is larger"):
        await app.text(config, "the config")
    with pytest.raises(Refused, match="the config is not what its digest says"):
        await app.text(config, "the config")


class Guarded:
    """Only with a token, which only `me` gets; `lives` for so many requests."""

    def __init__(self, hostile: Hostile, lives: int = 1000) -> None:
        self.hostile, self.lives, self.tokens = hostile, lives, 0
        hostile.always = self.handle

    async def handle(self, request: web.Request) -> web.StreamResponse | None:
        if request.path == "/token":
            if request.headers.get("Authorization") != basic(Credential("me", "secret")):
                return web.Response(status=401)
            self.tokens += 1
            self.left = self.lives
            return web.json_response({"token": f"T{self.tokens}", "expires_in": 300})
        if request.headers.get("Authorization") == f"Bearer T{self.tokens}" and self.left:
            self.left -= 1
            return None
        challenge = f'Bearer realm="{self.hostile.url}/token",service="r",scope="repository:app:pull"'
        return web.Response(status=401, headers={"WWW-Authenticate": challenge})


async def test_one_token_is_enough_for_many_requests(
    app: Repository, hostile: Hostile, session: aiohttp.ClientSession, tmp_path: Path
) -> None:
    guard = Guarded(hostile)
    mine = Repository(session, Endpoint(hostile.url), "app", Credential("me", "secret"), pause=PAUSE)

    await mine.manifest("1")
    await mine.blob(BLOB, tmp_path / "blob")

    assert guard.tokens == 1
    with pytest.raises(Denied):
        await app.manifest("1")


async def test_a_token_that_is_not_taken_any_more_is_renewed(
    app: Repository, hostile: Hostile, session: aiohttp.ClientSession
) -> None:
    guard = Guarded(hostile, lives=1)
    mine = Repository(session, Endpoint(hostile.url), "app", Credential("me", "secret"), pause=PAUSE)

    for _ in range(3):
        await mine.manifest("1")

    assert guard.tokens == 3


async def test_who_is_asked_for_whose_images_is_told_to_mirrors(
    app: Repository, hostile: Hostile, session: aiohttp.ClientSession
) -> None:
    seen = []

    async def note(request: web.Request) -> None:
        seen.append(dict(request.query))

    hostile.always = note
    await Repository(session, Endpoint(hostile.url, "", "docker.io"), "app").manifest("1")

    assert seen == [{"ns": "docker.io"}]


@pytest.mark.parametrize(
    ("body", "tags"),
    [
        (b'{"tags": ["1", "2", 3]}', ["1", "2"]),
        (b'{"tags": null}', []),
        (b"[]", []),
        (b"no json", []),
        (b"x" * (1 << 20), []),
    ],
)
async def test_tags_are_told_where_the_registry_tells(
    app: Repository, hostile: Hostile, body: bytes, tags: list[str]
) -> None:
    hostile.fail("/v2/app/tags/list", answers(200, body))

    assert await app.tags() == tags


@pytest.mark.parametrize(
    "row", [None, {}, {"digest": "sha256:1", "size": 1}, {"digest": BLOB.digest}, {"digest": BLOB.digest, "size": -1},
            {"digest": BLOB.digest, "size": True}, {"digest": "../../etc/passwd", "size": 1}],
)  # fmt: skip
def test_what_is_no_descriptor(row: object) -> None:
    with pytest.raises(Refused, match="a layer has no proper"):
        Blob.of(row, "a layer")
