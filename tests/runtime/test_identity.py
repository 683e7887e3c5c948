"""Which process a pid means."""

from __future__ import annotations

import os
import subprocess
from dataclasses import replace

import pytest

from runtime.identity import Identity, start_ticks


def test_a_process_is_opened_by_its_whole_name_only():
    me = Identity.of(os.getpid())
    os.close(me.open())

    for other in (replace(me, start=me.start + 1), replace(me, boot="another")):
        with pytest.raises(ProcessLookupError):
            other.open()


def test_a_process_that_ended_is_none_even_before_it_is_reaped():
    process = subprocess.Popen(["sleep", "100"])
    assert start_ticks(process.pid) is not None
    process.kill()
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)

    assert start_ticks(process.pid) is None
    with pytest.raises(ProcessLookupError):
        Identity.of(process.pid)
    process.wait()


def test_a_name_with_brackets_does_not_confuse():
    process = subprocess.Popen(["bash", "-c", "exec -a 'a) R 1 (b' sleep 100"])
    assert start_ticks(process.pid) is not None
    process.kill()
    process.wait()
