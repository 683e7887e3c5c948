"""A node's images, with and without registries."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from procorch.kubelet.images import Images, Keyring, Pull, RegistryConfig, open_images
from runtime.images import ImageStore
from runtime.layers import Refused
from tests.runtime.registry.servers import hostile_registry, make
from tests.runtime.registry.test_http import tls
from tests.runtime.test_archives import tar_of, write


async def nobody() -> Keyring:
    return Keyring()


async def pulled(images: Images, name: str) -> str:
    found = images.find(name, [])
    assert isinstance(found, Pull)
    return (await images.fetch(found, nobody, lambda: None)).resolved.image_id


async def test_a_registry_of_an_own_authority_with_the_nodes_credentials(tmp_path: Path) -> None:
    context, ca = tls(tmp_path)
    auth = tmp_path / "config.json"
    async with hostile_registry(context) as registry, asyncio.TaskGroup() as tasks:
        made = registry.put("app", "latest", make(tar_of({"a": b"1"})))
        auth.write_text(json.dumps({"auths": {registry.host: {"username": "node", "password": "x"}}}))
        registry.put("library/app", "latest", made)
        seen = []

        async def guard(request):  # type: ignore[no-untyped-def]
            from aiohttp import web

            seen.append(request.headers.get("Authorization"))
            return None if seen[-1] else web.Response(status=401, headers={"WWW-Authenticate": "Basic realm=x"})

        registry.always = guard
        config = RegistryConfig((f"docker.io={registry.url}",), ca, auth)
        async with open_images(ImageStore(tmp_path / "images"), config, tasks) as images:
            assert await pulled(images, f"{registry.host}/app") == f"{registry.host}/app@{made.digest}"
            assert await pulled(images, "app") == f"docker.io/library/app@{made.digest}"
    assert "Basic bm9kZTp4" in seen


@pytest.mark.parametrize(
    ("config", "said"),
    [
        (RegistryConfig(("a b",)), "write HOST"),
        (RegistryConfig(("r.local",), ca=Path("/no/ca.pem")), "/no/ca.pem: No such file"),
        (RegistryConfig(("r.local",), ca=Path("/etc/hostname")), "/etc/hostname: "),
        (RegistryConfig(("r.local",), auth=Path("/no/config.json")), "/no/config.json: No such file"),
    ],
)
async def test_what_is_wrong_is_told_at_the_start(tmp_path: Path, config: RegistryConfig, said: str) -> None:
    async with asyncio.TaskGroup() as tasks:
        with pytest.raises(Refused, match=said):
            async with open_images(ImageStore(tmp_path), config, tasks):
                pass


async def test_what_a_killed_agent_left_is_cleared(tmp_path: Path) -> None:
    write(tmp_path / ".pull-x.partial", {"blobs/a": b"1"})
    async with asyncio.TaskGroup() as tasks, open_images(ImageStore(tmp_path), RegistryConfig(), tasks) as images:
        assert images.store.items() == [] and not (tmp_path / ".pull-x.partial").exists()
