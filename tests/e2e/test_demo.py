"""`make demo` as a new user meets it, and a second time, and what is left after `make demo-down`."""

from __future__ import annotations

import os
import shutil
import sys

import pytest

from procorch.hosts import Lab
from tests.e2e import logs
from tests.e2e.cluster import BIN, ROOT

pytestmark = [pytest.mark.e2e, pytest.mark.kernel, pytest.mark.timeout(240)]


def test_the_demo_shows_the_page_twice_and_is_taken_down_without_a_trace(lab: Lab) -> None:
    """U06, U10."""
    host = lab.host("demo")
    home = logs.home()
    environment = {**os.environ, "DATA_DIR": str(home / "state"), "HOME": str(home)}
    environment.pop("KUBECONFIG", None)
    links = host.run(["ls", "/sys/class/net"], capture_output=True, text=True).stdout
    for _ in range(2):
        argv = [sys.executable, str(ROOT / "examples/demo.py")]
        done = host.run(argv, capture_output=True, text=True, env=environment, timeout=200, cwd=str(home))

        assert done.returncode == 0, done.stdout + done.stderr
        assert done.stdout.count("Kernighan") == 2, "through the node's port, and from a pod"
        for word in ("NAME", "replicationcontroller/myweb", "service/mysql", "pod/hello", "scale rc myweb"):
            assert word in done.stdout
    reset = [str(BIN / "procorch"), "reset", "--yes", "--data-dir", str(home / "state")]
    host.run(reset, check=True, env=environment, cwd=str(home), capture_output=True)

    assert not (home / "state").exists()
    assert host.run(["ls", "/sys/class/net"], capture_output=True, text=True).stdout == links
    shutil.rmtree(home)
