"""Whole clusters on hosts made of namespaces, brought up as a user would, and driven by the real kubectl."""

from __future__ import annotations

import os
import shutil
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest

from procorch.hosts import Lab
from tests.e2e import logs
from tests.e2e.cluster import BIN, ROOT, Cluster, bring_up, take_down

_BEGUN = pytest.StashKey[float]()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """A test that fails shows the ends of the logs that were written while it ran."""
    report = yield
    begun = item.stash.setdefault(_BEGUN, call.start)
    if report.failed:
        own = [path] if (path := getattr(item, "funcargs", {}).get("tmp_path")) else []
        report.sections.extend((f"the end of {log}", text) for log, text in logs.tails(begun, *own))
    return report


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
