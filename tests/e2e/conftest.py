"""Whole clusters on hosts made of namespaces, brought up as a user would, and driven by the real kubectl."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from procorch.hosts import Lab
from tests.e2e.cluster import BIN, ROOT, Cluster, bring_up, take_down


@pytest.fixture(scope="session")
def kubectls() -> list[str]:
    """The newest kubectl, from PyPI, and any other that is on this machine."""
    ours = str(BIN / "kubectl")
    path = os.pathsep.join(p for p in os.environ.get("PATH", "").split(os.pathsep) if Path(p) != BIN)
    other = shutil.which("kubectl", path=path)
    return [ours, *([other] if other else [])]


@pytest.fixture(scope="session")
def lab() -> Iterator[Lab]:
    if os.geteuid() != 0:
        pytest.skip("needs root")
    with Lab(f"procorch-e2e-{os.getpid()}", network="10.78.0.0/24") as made:
        yield made


@pytest.fixture(scope="session")
def cluster(lab: Lab, kubectls: list[str]) -> Iterator[Cluster]:
    """One cluster for all tests that do no harm to others: each works in a namespace of its own."""
    made = bring_up(lab.host("one"), kubectls[0])
    made.kubectl("apply", "-f", ROOT / "examples/seed/images.yaml")
    yield made
    take_down(made)


@pytest.fixture
def namespace(cluster: Cluster, request: pytest.FixtureRequest) -> Iterator[str]:
    """A namespace that goes with the test."""
    name = f"t{abs(hash(request.node.nodeid)) % 10**10}"
    cluster.kubectl("create", "namespace", name)
    yield name
    cluster.kubectl("delete", "namespace", name, "--wait=false")
