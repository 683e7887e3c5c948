# A test may wait for a file.
"""The pause itself: small, unseen by what it supervises, and not held up by an agent."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from runtime import ProcessSpec, SandboxSpec
from runtime.channel import Channel

pytestmark = pytest.mark.kernel


async def test_its_name_tells_whose_it_is(sandbox):
    assert Path(f"/proc/{sandbox.pid}/cmdline").read_bytes().rstrip(b"\0") == b"procorch:pause box"
    assert Path(f"/proc/{sandbox.pid}/environ").read_bytes() == b""


async def test_no_mount_of_it_is_seen_on_the_machine(bench, sandbox):
    await sandbox.start(ProcessSpec("main", ("/bin/sleep", "100")))
    assert str(bench.directory) not in Path("/proc/self/mountinfo").read_text()


async def test_an_agent_that_does_not_read_is_cut_off_and_others_are_served(bench, sandbox):
    deaf = Channel.connect(sandbox.directory)
    asyncio.get_running_loop().remove_reader(deaf._sock.fileno())
    for _ in range(300):
        deaf._send(b"\0\0\0\x0e" + b'{"do":"hello"}')
    _, output = await bench.run(sandbox, "echo served")
    deaf.close()

    assert output == "served"


async def test_nonsense_on_its_socket_is_answered_with_an_error(sandbox):
    channel = Channel.connect(sandbox.directory)
    with pytest.raises(Exception, match="do_dance"):
        await channel.ask({"do": "dance"})
    with pytest.raises(Exception, match="not running"):
        await channel.ask({"do": "signal", "name": "none", "signum": 9})
    channel.close()
    assert sandbox.alive


async def test_it_is_small(runtime):
    boxes = [await runtime.create(SandboxSpec(f"box-{number}")) for number in range(10)]
    for box in boxes:
        await box.start(ProcessSpec("main", ("/bin/sleep", "100")))
    rows = (Path(f"/proc/{boxes[-1].pid}/smaps_rollup").read_text()).splitlines()
    pss = next(int(row.split()[1]) for row in rows if row.startswith("Pss:"))

    # The figure to reach is 1 MiB with many; here ten share what a zygote has.
    assert pss < 3 * 1024
