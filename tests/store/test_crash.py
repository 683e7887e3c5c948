"""A process is killed under load again and again: what it acknowledged is there, and no revision comes twice."""

import random
import subprocess
import sys
from pathlib import Path

from store import Log, Write

LOAD = """
import asyncio, os, sys
from store import Log, Write

async def main():
    log = await Log.open(sys.argv[1], reserved=1000)
    life = sys.argv[2]

    async def write(writer):
        number = 0
        while True:
            number += 1
            name = f"{life}-{writer}-{number}"
            value = os.urandom(700)
            left, right = await log.append(Write(f"/left/{name}", value, 0), Write(f"/right/{name}", value, 0))
            beat = await log.note(Write("/beat", name.encode()))
            os.write(1, f"{name} {left} {right} {beat}\\n".encode())

    await asyncio.gather(*map(write, range(8)))

asyncio.run(main())
"""


async def test_kill_9_loses_no_acknowledged_write_keeps_no_half_and_reuses_no_revision(path: Path):
    kept: dict[str, int] = {}
    highest = 0
    for life in range(20):
        child = subprocess.Popen([sys.executable, "-c", LOAD, path, str(life)], stdout=subprocess.PIPE, text=True)
        assert child.stdout is not None
        acknowledged = [child.stdout.readline() for _ in range(random.Random(life).randrange(1, 300))]
        child.kill()
        acknowledged += [line for line in child.stdout if line.endswith("\n")]
        child.wait()
        numbers: list[int] = []
        for line in acknowledged:
            name, left, right, beat = line.split()
            kept[f"/left/{name}"], kept[f"/right/{name}"] = int(left), int(right)
            numbers += [int(left), int(right), int(beat)]
        assert min(numbers) > highest, "a revision of an earlier life came again"
        highest = max(highest, *numbers)

        log = await Log.open(path)
        rows = {row.key: row for row in await log.items("/")}
        assert log.revision >= highest
        highest = max(highest, *await log.append(Write("/after", b"")))
        await log.close()
        assert {key: rows[key].revision for key in kept if key in rows} == kept
        lefts = {key.removeprefix("/left/"): row.value for key, row in rows.items() if key.startswith("/left/")}
        rights = {key.removeprefix("/right/"): row.value for key, row in rows.items() if key.startswith("/right/")}
        assert lefts == rights
