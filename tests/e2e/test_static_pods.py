"""Static pods, as an administrator sees them: a file in a directory, kubectl, and a master that is away."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from procorch.hosts import Lab
from tests.e2e.cluster import bring_up, take_down

pytestmark = [pytest.mark.e2e, pytest.mark.kernel, pytest.mark.timeout(180)]

MANIFEST = """\
apiVersion: v1
kind: Pod
metadata: {name: web, labels: {app: web}}
spec:
  terminationGracePeriodSeconds: 1
  containers:
    - name: server
      image: host
      command: [/bin/sh, -c, "echo MESSAGE; exec sleep 3600"]
"""


def write(path: Path, message: str) -> None:
    fresh = path.with_suffix(".tmp")
    fresh.write_text(MANIFEST.replace("MESSAGE", message))
    fresh.rename(path)


def test_static_pods(lab: Lab, kubectls: list[str], tmp_path: Path) -> None:
    """S077: a node runs them by itself; the API shows them, and cannot end them."""
    manifests = tmp_path / "manifests"
    manifests.mkdir()
    write(manifests / "web.yaml", "first")
    cluster = bring_up(lab.host("static"), kubectls[0], "--pod-manifest-path", str(manifests))
    try:
        cluster.ready(1, "-l", "app=web")
        pod = cluster.get("pod", "web-static")
        assert pod["metadata"]["ownerReferences"][0]["kind"] == "Node"
        assert "Controlled By:  Node/static" in cluster.kubectl("describe", "pod", "web-static")
        assert "Started container server" in cluster.kubectl("describe", "pod", "web-static")
        assert cluster.kubectl("logs", "web-static") == "first\n"
        container = pod["status"]["containerStatuses"][0]["containerID"]

        cluster.kubectl("delete", "pod", "web-static")
        cluster.ready(1, "-l", "app=web")
        again = cluster.get("pod", "web-static")
        assert again["metadata"]["uid"] != pod["metadata"]["uid"]
        assert again["status"]["containerStatuses"][0]["containerID"] == container
        refused = cluster.kubectl("annotate", "pod", "web-static", "kubernetes.io/config.mirror-", code=1)
        assert "may not remove or update mirror pod annotation" in refused
        drained = cluster.kubectl("drain", "static", "--ignore-daemonsets")
        assert "drained" in drained and "web" not in drained
        cluster.kubectl("uncordon", "static")

        write(manifests / "web.yaml", "second")

        def replaced() -> Any:
            return (
                json.loads(cluster.kubectl("get", "pod", "web-static", "-o", "json"))["metadata"]["annotations"]
                != (pod["metadata"]["annotations"])
            )

        cluster.until(replaced, "the changed manifest is another pod")
        cluster.ready(1, "-l", "app=web")
        assert cluster.kubectl("logs", "web-static") == "second\n"
        (manifests / "web.yaml").unlink()
        cluster.ready(0, "-l", "app=web")
    finally:
        take_down(cluster)
