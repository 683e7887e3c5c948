"""How the long-running programs log, stop and fail."""

from __future__ import annotations

import logging
import signal
import subprocess
import sys

import pytest

from cli.program import _Lines, _value

PROGRAM = """
import asyncio
import click
from cli.program import run_program

async def main(ready):
    ready()
    print("ready", flush=True)
    {body}

async def last():
    {last}

click.command()(lambda: run_program(main, "info", last))()
"""


def _start(body: str, last: str = "pass") -> subprocess.Popen[str]:
    argv = [sys.executable, "-c", PROGRAM.format(body=body, last=last)]
    return subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_told_to_stop_it_ends_well(number):
    process = _start("await asyncio.sleep(60)")
    assert process.stdout is not None and process.stdout.readline() == "ready\n"
    process.send_signal(number)

    assert process.communicate(timeout=20) == ("", "")
    assert process.returncode == 0


def test_what_is_to_be_done_before_is_done_while_it_still_works():
    process = _start("await asyncio.sleep(60)", "await asyncio.sleep(0.01); print('last', flush=True)")
    assert process.stdout is not None and process.stdout.readline() == "ready\n"
    process.send_signal(signal.SIGTERM)

    assert process.communicate(timeout=20) == ("last\n", "")
    assert process.returncode == 0


def test_told_twice_it_does_not_wait_for_that():
    process = _start("await asyncio.sleep(60)", "print('last', flush=True); await asyncio.sleep(60)")
    assert process.stdout is not None and process.stdout.readline() == "ready\n"
    process.send_signal(signal.SIGTERM)
    assert process.stdout.readline() == "last\n"
    process.send_signal(signal.SIGTERM)

    assert process.communicate(timeout=20) == ("", "")
    assert process.returncode == 0


@pytest.mark.parametrize(
    "body",
    [
        pytest.param("raise OSError('port 6443: in use')", id="raised by the program itself"),
        pytest.param(
            "raise ExceptionGroup('tasks', [ExceptionGroup('inner', [OSError('port 6443: in use')])])",
            id="raised in a task of a task",
        ),
    ],
)
def test_what_cannot_be_helped_by_a_stack_trace_is_one_line(body):
    process = _start(body)
    _, errors = process.communicate(timeout=20)

    assert process.returncode == 1
    assert errors.splitlines()[-1].endswith("port 6443: in use") and "Traceback" not in errors


def test_a_log_line_is_a_sentence_and_its_values():
    record = logging.makeLogRecord({"name": "x", "levelname": "INFO", "msg": "pod stopped", "pod": "d/a", "why": "a b"})

    assert _Lines("%(levelname)s %(name)s %(message)s").format(record) == 'INFO x pod stopped pod=d/a why="a b"'
    assert [_value(one) for one in ("", "a", 'a"b', "a\nb")] == ['""', "a", '"a\\"b"', '"a\\nb"']


def test_a_master_that_has_no_place_for_its_state_says_so_in_one_line(tmp_path):
    (tmp_path / "file").write_text("")
    argv = [sys.executable, "-m", "cli", "master", "--data-dir", str(tmp_path / "file/state")]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=20, check=False)

    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert "Not a directory: run it with sudo, or choose another --data-dir" in done.stderr
