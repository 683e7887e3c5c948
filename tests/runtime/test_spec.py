"""Values: what the package shows, and what a state says of itself."""

from __future__ import annotations

import runtime
from runtime import ProcessState


def test_every_name_that_the_package_promises_is_there():
    assert all(getattr(runtime, name).__name__ == name for name in runtime.__all__)


def test_a_process_runs_until_its_end_is_known():
    assert ProcessState("main", 7, started_at=1.0).running
    assert not ProcessState("main", 7, started_at=1.0, finished_at=2.0).running
