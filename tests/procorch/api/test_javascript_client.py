"""The official JavaScript client, unchanged: its informer lists, follows, and goes on after the API was restarted."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests import node

PACKAGE = "@kubernetes/client-node@1.4.0"
# As its readers are told to write it: an informer that ends with an error is started again.
PROGRAM = """
import * as k8s from '@kubernetes/client-node';
const config = new k8s.KubeConfig();
config.loadFromFile(process.argv[2]);
const core = config.makeApiClient(k8s.CoreV1Api);
const informer = k8s.makeInformer(config, '/api/v1/namespaces/default/configmaps',
  () => core.listNamespacedConfigMap({namespace: 'default'}), 'follow=yes');
const say = (event, obj) => console.log(JSON.stringify([event, obj?.metadata?.name, obj?.data?.k]));
for (const event of ['add', 'update', 'delete']) informer.on(event, (obj) => say(event, obj));
const begin = () => informer.start().catch(() => setTimeout(begin, 100));
informer.on('error', () => setTimeout(begin, 100));
begin();
process.stdin.on('end', () => process.exit(0)).resume();
"""


class Followed:
    """What the informer has said so far."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    async def until(self, *wanted: Any) -> None:
        """Reads until each of these has been said, in any order."""
        assert self._process.stdout is not None
        left, said = [list(one) for one in wanted], []
        try:
            async with asyncio.timeout(60):
                while left and (line := await self._process.stdout.readline()):
                    said.append(json.loads(line))
                    left = [one for one in left if one not in said]
        except TimeoutError:
            pass
        assert left == [], said


@pytest.fixture
async def followed(served, tmp_path) -> AsyncIterator[Followed]:
    try:
        modules = node.modules(PACKAGE)
    except node.Missing as error:
        pytest.skip(str(error))
    (tmp_path / "node_modules").symlink_to(modules)
    (tmp_path / "follow.mjs").write_text(PROGRAM)
    process = await asyncio.create_subprocess_exec(
        "node", "follow.mjs", str(served.kubeconfig()), cwd=tmp_path, stdin=-1, stdout=-1
    )
    yield Followed(process)
    assert process.stdin is not None
    process.stdin.close()
    await process.wait()


def config_map(name: str, value: str) -> dict[str, Any]:
    about = {"name": name, "namespace": "default", "labels": {"follow": "yes"}}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": about, "data": {"k": value}}


async def test_an_informer_follows_over_a_restart(served, followed):
    await served.client.create(config_map("one", "a"))
    await followed.until(["add", "one", "a"])
    await served.client.update(config_map("one", "b"))
    await served.client.create(config_map("two", "a"))
    await followed.until(["update", "one", "b"], ["add", "two", "a"])
    unseen = config_map("other", "a")
    unseen["metadata"]["labels"] = {}
    await served.client.create(unseen)

    await served.restart()
    await served.client.update(config_map("two", "c"))
    await served.client.delete("ConfigMap", "default/one")
    await followed.until(["update", "two", "c"], ["delete", "one", "b"])

    gone = config_map("two", "c")
    gone["metadata"]["labels"] = {}
    await served.client.update(gone)
    await followed.until(["delete", "two", "c"])
