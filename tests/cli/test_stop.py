"""`procorch stop` against a real API (that pods end in order, only a cluster shows: tests/e2e/test_command_line.py)."""

from __future__ import annotations

from tests.cli.test_scale import RC


def test_a_controller_is_scaled_down_and_deleted(procorch):
    procorch.server.create(RC)

    assert procorch("stop", "rc", "web") == "replicationcontroller/web stopped\n"
    assert procorch.run("get", "rc", "web").exit_code == 1


def test_what_is_not_there_is_an_error(procorch):
    assert "(NotFound)" in procorch.run("stop", "rc", "no").stderr
    assert procorch.run("stop", "rc").exit_code == 2
