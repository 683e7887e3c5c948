"""What the two long-running programs share: logs, the event loop, how they stop, and the one line when they cannot."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import signal
import sys
from collections.abc import Awaitable, Callable

import click

from procorch.notify import notify
from procorch.supervisor import die_with_supervisor

_PLAIN = set(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}

Main = Callable[[Callable[[], None]], Awaitable[None]]
"""Runs until cancelled; calls what it is given when it is ready."""


class _Lines(logging.Formatter):
    """`2026-01-02T15:04:05.678 INFO procorch.master pod stopped pod=default/web code=137`"""

    default_time_format = "%Y-%m-%dT%H:%M:%S"
    default_msec_format = "%s.%03d"

    def format(self, record: logging.LogRecord) -> str:
        extra = {name: value for name, value in vars(record).items() if name not in _PLAIN}
        line = super().format(record)
        if not extra:
            return line
        head, newline, trace = line.partition("\n")
        return head + "".join(f" {name}={_value(value)}" for name, value in extra.items()) + newline + trace


def _value(value: object) -> str:
    text = str(value)
    return text if text and text.isprintable() and " " not in text and '"' not in text else json.dumps(text)


def set_up_logs(level: str) -> None:
    handler = logging.StreamHandler()
    handler.setFormatter(_Lines("%(asctime)s %(levelname)s %(name)s %(message)s"))
    logging.basicConfig(level=level.upper(), handlers=[handler])
    for noisy in ("aiohttp.access", "asyncio"):
        logging.getLogger(noisy).setLevel(logging.WARNING)


def run_program(main: Main, level: str, before_stop: Callable[[], Awaitable[None]] | None = None) -> None:
    """Runs `main` until SIGTERM or SIGINT, then `before_stop`, which a second signal cuts short.

    Exit code 1 with one line for what cannot be helped by a stack trace.
    """
    import uvloop

    set_up_logs(level)
    die_with_supervisor()
    problem: BaseException | None = None
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(_until_told(main, before_stop))
    except* (OSError, ValueError, RuntimeError) as group:
        if os.environ.get("PROCORCH_TRACE"):
            raise
        problem = _first(group)
    except* KeyboardInterrupt as interrupt:
        problem = _first(interrupt)
    # Raised within `except*` it would come out in a group of its own, as a stack trace (Debian 12's Python 3.11.2).
    if isinstance(problem, KeyboardInterrupt):
        sys.exit(130)
    if problem is not None:
        raise click.ClickException(f"{problem}" or type(problem).__name__)


def _first(group: BaseExceptionGroup[BaseException]) -> BaseException:
    error: BaseException = group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


async def _until_told(main: Main, before_stop: Callable[[], Awaitable[None]] | None = None) -> None:
    loop = asyncio.get_running_loop()
    task = asyncio.current_task()
    assert task is not None
    told = False
    last: asyncio.Task[None] | None = None

    async def end() -> None:
        try:
            if before_stop is not None:
                await before_stop()
        finally:
            task.cancel()

    def stop() -> None:
        nonlocal told, last
        if told:
            task.cancel()
            return
        told = True
        notify("STOPPING=1")
        last = loop.create_task(end(), name="stop")

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop)
    try:
        await main(lambda: notify("READY=1"))
    except asyncio.CancelledError:
        if not told:
            raise
