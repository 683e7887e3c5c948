"""`procorch status`: exit codes and what it counts (against a whole cluster: tests/e2e/test_lifecycle.py)."""

from __future__ import annotations

import json
import os

from cli.directories import start_time


def test_where_nothing_is_up_the_code_is_3(procorch, tmp_path):
    result = procorch.run("status", "--data-dir", str(tmp_path))

    assert result.exit_code == 3
    assert "start one with `procorch up`" in result.stdout


def test_programs_nodes_and_pods_are_counted(procorch, pod, tmp_path):
    (tmp_path / "run").mkdir()
    state = {
        "pid": os.getpid(), "start_time": start_time(os.getpid()), "since": 0.0, "server": procorch.server.url,
        "address": "10.0.0.1", "programs": {"master": {"pid": 7, "ready": True}},
    }  # fmt: skip
    (tmp_path / "run/up.json").write_text(json.dumps(state))
    (tmp_path / "admin.kubeconfig").write_text(procorch.kubeconfig.read_text())
    procorch.server.create(pod("a"))
    rows = [line.split() for line in procorch("status", "--data-dir", str(tmp_path)).splitlines()]

    assert ["master", "7", "yes", str(tmp_path / "log/master.log")] in rows
    assert ["(not", "scheduled)", "1", "0"] in rows


def test_a_damaged_store_is_told(procorch, tmp_path):
    (tmp_path / "run").mkdir()
    state = {"pid": os.getpid(), "start_time": start_time(os.getpid()), "since": 0.0, "server": procorch.server.url,
             "address": "10.0.0.1", "programs": {}}  # fmt: skip
    (tmp_path / "run/up.json").write_text(json.dumps(state))
    (tmp_path / "admin.kubeconfig").write_text(procorch.kubeconfig.read_text())
    procorch.server.api.log.damaged[7] = "/registry/pods/default/a"
    result = procorch.run("status", "--data-dir", str(tmp_path))

    assert result.exit_code == 0
    assert "store has 1 damaged values: see `procorch check`" in result.stderr
