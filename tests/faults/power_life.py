"""A program around `store.Log` that is traced, and says on standard output what was acknowledged: for each append a
line of JSON with the revisions and what was written, for each heartbeat one with its revision."""

from __future__ import annotations

import asyncio
import importlib
import json
import os
import random
import sys
from typing import Any

from store import Log, Retention, Write
from store.dialects.sqlite import Sqlite
from tests.faults.store_life import token_of

KEYS = [f"/data/{number:02d}" for number in range(30)]


async def main(path: str, seed: int, appends: int) -> None:
    draw = random.Random(seed)
    log = await Log.open(path, retention=Retention(age=None, size=None), reserved=1000)
    left = iter(range(appends))

    async def write() -> None:
        for number in left:
            keys = draw.sample(KEYS, draw.choice((1, 1, 2, 3)))
            writes = [Write(key, f"{number}.{key} ".encode() + draw.randbytes(draw.randrange(3000))) for key in keys]
            if draw.random() < 0.05:
                writes[0] = writes[0]._replace(forget=True)
            revisions = await log.append(*writes)
            _say(revisions=revisions, writes=[(write.key, token_of(write.value)) for write in writes])
            if draw.random() < 0.3:
                _say(note=await log.note(Write("/beat", b"beat ")))
            if draw.random() < 0.02:
                await log.compact(draw.randint(log.oldest, log.revision))

    async with asyncio.TaskGroup() as tasks:
        for _ in range(3):
            tasks.create_task(write(), name="writer")
    os._exit(0)  # as it stands: a clean end is no power cut


def _say(**what: Any) -> None:
    os.write(1, json.dumps(what).encode() + b"\n")


if __name__ == "__main__":
    path_, seed_, appends_, level, settings = sys.argv[1:]
    for module, name, value in json.loads(settings):
        setattr(importlib.import_module(module), name, value)
    if level != "FULL":  # to show that what is lost then is found
        plain = Sqlite.connect

        def connect(self: Sqlite) -> Any:
            connection = plain(self)
            connection.execute(f"PRAGMA synchronous={level}")
            return connection

        Sqlite.connect = connect  # type: ignore[method-assign]
    asyncio.run(main(path_, int(seed_), int(appends_)))
