"""References become images in the store: by a real registry, and by one that does what it should not."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from runtime.archives import architecture
from runtime.images import ImageStore
from runtime.layers import Bounds, Refused
from runtime.references import Reference
from runtime.registry import http
from runtime.registry.credentials import Keyring
from runtime.registry.hosts import Registries
from runtime.registry.puller import TRANSFERS, Puller
from tests.runtime.registry.servers import (
    Hostile,
    Made,
    RealRegistry,
    answers,
    endless,
    held,
    hostile_registry,
    index_of,
    make,
    real_registry,
)
from tests.runtime.registry.test_http import certificate
from tests.runtime.test_archives import tar_of

NOBODY = Keyring()
ME = {"username": "me", "password": "secret"}


def keyring(host: str, **entry: str) -> Keyring:
    return Keyring.parse(json.dumps({"auths": {host: entry or ME}}))


def left(store: ImageStore) -> list[str]:
    return sorted(path.name for path in store.directory.glob(".*.partial"))


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealRegistry]:
    with real_registry(tmp_path_factory.mktemp("real") / "registry") as registry:
        yield registry


# The real registry


async def test_an_image_is_pulled_as_it_was_pushed(
    real: RealRegistry, store: ImageStore, puller_of: Callable[..., Puller]
) -> None:
    below, above = tar_of({"a": b"1", "d/b": b"2"}), tar_of({".wh.a": b"", "c": b"3"})
    made = make(below, above, Cmd=["/c"], Env=["A=b"])
    real.push("team/app", "1", made)
    reference = Reference.parse(f"{real.host}/team/app:1")

    pulled = await puller_of(real.url).pull(reference, NOBODY)

    assert pulled.digest == made.digest and pulled.image.id == made.config
    assert sorted(str(path.relative_to(pulled.image.root)) for path in pulled.image.root.rglob("*")) == [
        "c",
        "d",
        "d/b",
    ]
    assert pulled.image.config["Cmd"] == ["/c"]
    for name in (f"{real.host}/team/app:1", f"{real.host}/team/app@{made.digest}", f"{reference}@{made.digest}"):
        found = store.named(name)
        assert found is not None and found[1] == pulled.image
        assert (found[0].digest, found[0].access) == (made.digest, None)
    assert left(store) == []


async def test_what_is_there_is_not_transferred_again(
    real: RealRegistry, store: ImageStore, puller_of: Callable[..., Puller]
) -> None:
    real.push("again", "1", make(tar_of({"a": b"once"})))
    puller, reference = puller_of(real.url), Reference.parse(f"{real.host}/again:1")
    first = await puller.pull(reference, NOBODY)
    blobs = real.asked("again/blobs/sha256")

    assert (await puller.pull(reference, NOBODY)).image == first.image
    assert real.asked("again/blobs/sha256") == blobs

    real.push("again", "1", make(tar_of({"a": b"twice"})))
    second = await puller.pull(reference, NOBODY)
    found = store.named(str(reference))
    assert found is not None and found[1] == second.image != first.image
    assert store.named(f"{real.host}/again@{first.digest}") is not None, "by its digest the old one is still there"


async def test_of_an_index_the_image_for_this_machine_is_taken(
    real: RealRegistry, puller_of: Callable[..., Puller]
) -> None:
    ours, other = make(tar_of({"ours": b""})), make(tar_of({"other": b""}), arch="s390x")
    made = index_of(("s390x", other), (architecture(), ours))
    real.push("many", "1", made)

    pulled = await puller_of(real.url).pull(Reference.parse(f"{real.host}/many:1"), NOBODY)

    assert (pulled.image.root / "ours").exists()
    assert pulled.digest == made.digest, "what the tag names is the index"


async def test_a_wrong_tag_is_told_with_those_that_there_are(
    real: RealRegistry, puller_of: Callable[..., Puller]
) -> None:
    made = make(tar_of({"a": b"1"}))
    real.push("tags", "1.0", made)
    real.push("tags", "1.1", made)

    with pytest.raises(Refused, match=r"manifest unknown.* it has no tags:2; the tags there are 1\.0, 1\.1"):
        await puller_of(real.url).pull(Reference.parse(f"{real.host}/tags:2"), NOBODY)
    with pytest.raises(Refused, match="it has no nothing:1; check the name, or push the image there"):
        await puller_of(real.url).pull(Reference.parse(f"{real.host}/nothing:1"), NOBODY)


async def test_a_mirror_has_what_is_written_without_a_host(
    real: RealRegistry, store: ImageStore, puller_of: Callable[..., Puller]
) -> None:
    made = make(tar_of({"a": b"mirror"}))
    real.push("library/busybox", "latest", made)
    real.push("hub/library/other", "latest", made)

    await puller_of(f"docker.io={real.url}").pull(Reference.parse("busybox"), NOBODY)
    await puller_of(f"*={real.url}/hub").pull(Reference.parse("other"), NOBODY)

    assert [name for name, _ in store.items()] == sorted(
        f"docker.io/library/{name}{kind}" for name in ("busybox", "other") for kind in (":latest", f"@{made.digest}")
    )


async def test_a_private_registry_with_tls(tmp_path: Path, store: ImageStore) -> None:
    cert, key = certificate(tmp_path)
    made = make(tar_of({"a": b"private"}))
    with real_registry(tmp_path / "registry", private=True, tls=(cert, cert, key)) as real:
        real.push("app", "1", made)
        reference = Reference.parse(f"{real.host}/app:1")
        async with http.session(cert) as session, asyncio.TaskGroup() as tasks:
            puller = Puller(store, Registries([real.url]), session, tasks, pause=0.01)
            with pytest.raises(
                Refused, match=r"does not let in: .*give the pod or its ServiceAccount imagePullSecrets"
            ):
                await puller.pull(reference, NOBODY)
            wrong = keyring(real.host, username="me", password="guess")
            with pytest.raises(Refused, match="the credentials of me do not do: check the Secret"):
                await puller.pull(reference, wrong)
            assert store.named(str(reference)) is None

            pulled = await puller.pull(reference, wrong + keyring(f"https://{real.host}/v1/"))

    found = store.named(str(reference))
    assert found is not None and found[1] == pulled.image
    assert found[0].access == tuple(keyring(real.host).fingerprints)
    assert b"secret" not in b"".join(path.read_bytes() for path in store.directory.glob("*.json"))


# What it should not do


async def test_of_one_reference_there_is_one_pull(hostile: Hostile, puller_of: Callable[..., Puller]) -> None:
    made = hostile.put("app", "1", make(tar_of({"a": b"1"})))
    puller, reference = puller_of(hostile.url), Reference.parse(f"{hostile.host}/app:1")

    pulled = await asyncio.gather(*(puller.pull(reference, NOBODY) for _ in range(20)))

    assert len({one.image.id for one in pulled}) == 1
    assert hostile.asked("/manifests/1") == 1 and hostile.asked(f"/blobs/{made.layers[0]}") == 1


async def test_who_has_other_credentials_asks_for_himself(hostile: Hostile, puller_of: Callable[..., Puller]) -> None:
    made = hostile.put("app", "1", make(tar_of({"a": b"1"})))
    puller, reference = puller_of(hostile.url), Reference.parse(f"{hostile.host}/app:1")

    await asyncio.gather(puller.pull(reference, NOBODY), puller.pull(reference, keyring(hostile.host)))

    assert hostile.asked("/manifests/1") == 2
    assert hostile.asked(f"/blobs/{made.layers[0]}") == 1, "the bytes are the same"


async def test_a_failure_is_everybodys_and_the_next_pull_is_new(
    hostile: Hostile, puller_of: Callable[..., Puller]
) -> None:
    made = hostile.put("app", "1", make(tar_of({"a": b"1"})))
    hostile.fail(f"/v2/app/blobs/{made.layers[0]}", answers(200, b"x" * len(made.blobs[made.layers[0]])))
    puller, reference = puller_of(hostile.url), Reference.parse(f"{hostile.host}/app:1")

    failed = await asyncio.gather(*(puller.pull(reference, NOBODY) for _ in range(3)), return_exceptions=True)

    assert all(isinstance(one, Refused) and "not what its digest says" in str(one) for one in failed)
    assert (await puller.pull(reference, NOBODY)).image.id == made.config


async def test_what_nobody_thought_of_ends_one_pull_and_nothing_else(
    hostile: Hostile, puller_of: Callable[..., Puller], monkeypatch: pytest.MonkeyPatch
) -> None:
    made = hostile.put("app", "1", make(tar_of({"a": b"1"})))
    puller, reference = puller_of(hostile.url), Reference.parse(f"{hostile.host}/app:1")
    with monkeypatch.context() as patch:
        patch.setattr("runtime.registry.puller.choose", None)
        hostile.put("app", "1", index_of((architecture(), made)))
        with pytest.raises(TypeError):
            await puller.pull(reference, NOBODY)

    assert (await puller.pull(reference, NOBODY)).image.id == made.config


async def test_a_pull_ends_when_nobody_waits_and_leaves_nothing(
    hostile: Hostile, store: ImageStore, puller_of: Callable[..., Puller]
) -> None:
    made, gate = hostile.put("app", "1", make(tar_of({"a": b"1"}))), asyncio.Event()
    layer = f"/v2/app/blobs/{made.layers[0]}"
    hostile.fail(layer, held(gate, answers(500)))
    puller, reference = puller_of(hostile.url), Reference.parse(f"{hostile.host}/app:1")
    waiting = [asyncio.get_running_loop().create_task(puller.pull(reference, NOBODY)) for _ in range(2)]
    async with asyncio.timeout(10):
        while not hostile.asked(layer):
            await asyncio.sleep(0.01)
        waiting[0].cancel()
        await asyncio.wait([waiting[0]])
        assert len(left(store)) == 1, "one still waits"
        waiting[1].cancel()
        while left(store):
            await asyncio.sleep(0.01)
    gate.set()

    assert (await puller.pull(reference, NOBODY)).image.id == made.config


async def test_layers_come_side_by_side_but_not_all_at_once(hostile: Hostile, puller_of: Callable[..., Puller]) -> None:
    made = hostile.put("app", "1", make(*(tar_of({f"f{number}": b"x"}) for number in range(3 * TRANSFERS))))
    gate, under_way, most = asyncio.Event(), 0, 0

    def counted(digest: str):  # type: ignore[no-untyped-def]
        async def handler(request):  # type: ignore[no-untyped-def]
            nonlocal under_way, most
            under_way += 1
            most = max(most, under_way)
            if under_way == TRANSFERS:
                gate.set()
            await gate.wait()
            await asyncio.sleep(0.01)
            under_way -= 1
            return await answers(200, made.blobs[digest])(request)

        return handler

    for digest in made.layers:
        hostile.fail(f"/v2/app/blobs/{digest}", counted(digest))
    async with asyncio.timeout(20):
        await puller_of(hostile.url).pull(Reference.parse(f"{hostile.host}/app:1"), NOBODY)

    assert most == TRANSFERS


async def test_the_next_registry_is_asked_where_one_cannot_answer(
    hostile: Hostile, puller_of: Callable[..., Puller]
) -> None:
    made = make(tar_of({"a": b"1"}))
    async with hostile_registry() as empty, hostile_registry() as broken:
        broken.always = answers(503)
        hostile.put("library/app", "1", made)
        words = [f"docker.io={one.url}" for one in (empty, broken, hostile)]

        pulled = await puller_of(*words).pull(Reference.parse("app:1"), NOBODY)
        assert pulled.image.id == made.config

        with pytest.raises(Refused) as caught:
            await puller_of(*words[:2]).pull(Reference.parse("app:1"), NOBODY)
        assert f"{empty.host} answers 404" in str(caught.value) and f"{broken.host} answers 503" in str(caught.value)


async def test_credentials_are_only_for_the_host_that_they_are_for(
    hostile: Hostile, puller_of: Callable[..., Puller]
) -> None:
    """A mirror gets its own and not those of the host whose images it has."""
    hostile.put("library/app", "1", make(tar_of({"a": b"1"})))
    asked = []

    async def guard(request):  # type: ignore[no-untyped-def]
        asked.append(request.headers.get("Authorization"))
        return None if asked[-1] else await answers(401, WWW_Authenticate='Basic realm="x"')(request)

    hostile.always = guard
    puller, reference = puller_of(f"docker.io={hostile.url}"), Reference.parse("app:1")
    with pytest.raises(Refused, match="imagePullSecrets"):
        await puller.pull(reference, keyring("docker.io"))
    assert set(asked) == {None}

    await puller.pull(reference, keyring(hostile.host))


def with_manifest(change: Callable[[dict[str, object]], object]) -> Made:
    made = make(tar_of({"a": b"1"}))
    manifest = json.loads(made.body)
    change(manifest)
    return Made(json.dumps(manifest).encode(), made.media_type, made.blobs)


def larger(manifest: dict[str, object]) -> None:
    manifest["layers"][0]["size"] = 1 << 50  # type: ignore[index]


@pytest.mark.parametrize(
    ("made", "said"),
    [
        pytest.param(Made(b"no json", "text/plain"), "is no JSON object", id="no JSON"),
        pytest.param(Made(b"[" * 100_000, "text/plain"), "is no JSON object", id="deep JSON"),
        pytest.param(Made(b'{"schemaVersion": 1}', "x/y"), "of a kind that cannot be run", id="an old manifest"),
        pytest.param(with_manifest(lambda one: one.pop("layers")), "of a kind that cannot be run", id="no layers"),
        pytest.param(with_manifest(lambda one: one.update(layers=[7])), "layer 0 has no proper digest", id="no layer"),
        pytest.param(
            with_manifest(lambda one: one.update(layers=[{"digest": "sha256:../../x", "size": 1}])),
            "layer 0 has no proper digest",
            id="a path as a digest",
        ),
        pytest.param(with_manifest(lambda one: one.update(layers=[])), "does not name the layers", id="too few layers"),
        pytest.param(with_manifest(larger), r"bytes, of which .* takes", id="larger than the disk"),
        pytest.param(
            index_of(("s390x", make(tar_of({}), arch="s390x"))),
            "for linux/.*, but for linux/s390x",
            id="another machine's",
        ),
        pytest.param(
            make(tar_of({}), arch="s390x"), "holds no image for linux/", id="another machine's, without index"
        ),
        pytest.param(make(b"no tar"), "damaged", id="a layer that is no tar"),
        pytest.param(make(tar_of({"../x": b""})), "leads out of the image", id="a layer that leads out"),
    ],
)
async def test_what_is_refused_leaves_nothing(
    hostile: Hostile, store: ImageStore, puller_of: Callable[..., Puller], made: Made, said: str
) -> None:
    hostile.put("app", "1", made)

    with pytest.raises(Refused, match=said):
        await puller_of(hostile.url).pull(Reference.parse(f"{hostile.host}/app:1"), NOBODY)
    assert store.items() == [] and left(store) == []


async def test_an_index_in_a_circle_ends(hostile: Hostile, puller_of: Callable[..., Puller]) -> None:
    inner = make(tar_of({}))
    for _ in range(6):
        inner = index_of((architecture(), inner))
    hostile.put("app", "1", inner)

    with pytest.raises(Refused, match="index within index"):
        await puller_of(hostile.url).pull(Reference.parse(f"{hostile.host}/app:1"), NOBODY)


async def test_what_unpacks_to_too_much_is_refused(hostile: Hostile, tmp_path: Path, session) -> None:  # type: ignore[no-untyped-def]
    small = ImageStore(tmp_path / "small", Bounds(size=100_000))
    hostile.put("app", "1", make(tar_of({"a": bytes(1_000_000)})))
    async with asyncio.TaskGroup() as tasks:
        puller = Puller(small, Registries([hostile.url]), session, tasks, pause=0.01)
        with pytest.raises(Refused, match="larger than"):
            await puller.pull(Reference.parse(f"{hostile.host}/app:1"), NOBODY)
    assert left(small) == []


async def test_a_killed_pull_leaves_nothing_once_the_store_is_cleared(hostile: Hostile, store: ImageStore) -> None:
    made = hostile.put("app", "1", make(tar_of({"a": os.urandom(100_000)}), tar_of({"b": os.urandom(100_000)})))
    second = f"/v2/app/blobs/{made.layers[1]}"
    never = asyncio.Event()
    hostile.fail(second, held(never, endless()))
    program = f"""
import asyncio, pathlib
from runtime.images import ImageStore
from runtime.references import Reference
from runtime.registry import http
from runtime.registry.credentials import Keyring
from runtime.registry.hosts import Registries
from runtime.registry.puller import Puller
async def main():
    async with http.session() as session, asyncio.TaskGroup() as tasks:
        store = ImageStore(pathlib.Path({str(store.directory)!r}))
        await Puller(store, Registries([{hostile.url!r}]), session, tasks).pull(
            Reference.parse({hostile.host + "/app:1"!r}), Keyring())
asyncio.run(main())
"""
    process = subprocess.Popen([sys.executable, "-c", program])
    deadline = time.monotonic() + 20
    while not hostile.asked(second):
        assert process.poll() is None and time.monotonic() < deadline
        await asyncio.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert len(left(store)) == 1 and store.items() == []

    store.clear()

    assert left(store) == []
    never.set()
