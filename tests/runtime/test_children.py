"""The processes of a pause: their logs, their ends, and what may not be asked of them."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from runtime import ProcessSpec
from runtime.channel import Channel

pytestmark = pytest.mark.kernel


async def test_a_log_that_cannot_be_written_ends_nothing(bench, sandbox):
    await sandbox.start(bench.shell("echo lost; sleep 100", "full", log_path=Path("/dev/full")))
    await sandbox.start(bench.shell("echo lost; sleep 100", "nowhere", log_path=bench.logs / "no" / "log"))
    _, output = await bench.run(sandbox, "echo fine")

    assert output == "fine"
    assert all(state.running for state in sandbox.processes().values())


async def test_much_output_of_one_does_not_hold_up_another(bench, sandbox):
    await sandbox.start(bench.shell("exec cat /dev/zero", "loud", log_path=None))
    _, output = await asyncio.wait_for(bench.run(sandbox, "echo quick"), 60)
    assert output == "quick"


async def test_all_output_is_there_when_the_end_is_told(bench, sandbox):
    state, output = await bench.run(sandbox, "seq 1 20000")
    assert state.exit_code == 0
    assert output.split() == [str(number) for number in range(1, 20001)]


async def test_what_cannot_be_done_to_a_process_is_said(sandbox):
    await sandbox.start(ProcessSpec("main", ("/bin/sleep", "100")))
    channel = Channel.connect(sandbox.directory)
    for question, answer in (
        ({"do": "start", "name": "main"}, "main: there is a process of this name already"),
        ({"do": "forget", "name": "main"}, "main: still running"),
        ({"do": "run", "name": "none"}, "none: not running"),
        ({"do": "signal", "name": "none", "signum": 9}, "none: not running"),
    ):
        with pytest.raises(Exception, match=answer):
            await channel.ask(question)
    channel.close()

    assert sandbox.processes()["main"].running


async def test_how_one_ended_is_on_disk_too_until_it_is_forgotten(bench, sandbox):
    await sandbox.start(bench.shell("exit 3"))
    await sandbox.wait("main")
    channel = Channel.connect(sandbox.directory)
    await channel.ask({"do": "hello"})  # an answer comes when what was told before is written down
    channel.close()
    kept = sandbox.directory / "processes.json"
    assert [(row["name"], row["exit_code"]) for row in json.loads(kept.read_text())] == [("main", 3)]

    await sandbox.forget("main")

    assert json.loads(kept.read_text()) == []
