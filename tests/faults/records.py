"""What lives have written down, as operations and streams."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from tests.faults.history import UNKNOWN, Change, Held, History, Operation, Put, Segment, Stream, Told


def entries(path: Path) -> list[dict[str, Any]]:
    """The lines of a record; a kill may have cut the last one short."""
    return [json.loads(line) for line in path.read_bytes().split(b"\n")[:-1]]


def operations(found: Iterable[Mapping[str, Any]]) -> list[Operation]:
    """What was asked, with what was answered; unknown where nothing was."""
    answers = {entry["says"]: entry for entry in found if "says" in entry}
    return [_operation(entry, answers.get(entry["asks"], {})) for entry in found if "asks" in entry]


def _operation(asked: Mapping[str, Any], said: Mapping[str, Any]) -> Operation:
    return Operation(
        asked["life"],
        asked["client"],
        asked["kind"],
        asked["at"],
        said.get("at"),
        said.get("outcome", UNKNOWN),
        tuple(Put(*write) for write in asked.get("writes", ())),
        tuple(said.get("revisions", ())),
        asked.get("asked", ""),
        said.get("as_of", 0),
        asked.get("past", False),
        _held(said.get("found", {})),
    )


def streams(found: Iterable[Mapping[str, Any]], watchers: Iterable[Stream]) -> list[Stream]:
    """Fills the watchers' streams with the connections and events of a record."""
    named = {stream.name: stream for stream in watchers}
    for entry in found:
        if "stream" in entry:
            segments = named[entry["stream"]].segments
            if "told" in entry:
                segments[-1].lists.append([Told(*told) for told in entry["told"]])
            else:
                listed = entry.get("listed")
                segments.append(Segment(entry["life"], entry["after"], [], None if listed is None else _held(listed)))
    return list(named.values())


def last_seen(stream: Stream) -> int | None:
    """From where a watcher would go on: the last event or bookmark, or where it asked from."""
    for segment in reversed(stream.segments):
        told = [told.revision for together in segment.lists for told in together]
        return told[-1] if told else segment.after
    return None


def appends(done: Iterable[Operation], truth: Iterable[Change]) -> list[tuple[int, ...]]:
    """The revisions of what was appended together and is in the database."""
    placed = {change.token: change.revision for change in truth if change.token}
    found = []
    for operation in done:
        if operation.kind == "append" and len(operation.writes) > 1:
            for index, write in enumerate(operation.writes):
                if write.token in placed:
                    first = placed[write.token] - index
                    found.append(tuple(range(first, first + len(operation.writes))))
                    break
    return found


def history(done: list[Operation], seen: list[Stream], truth: list[Change]) -> History:
    """The truth, with the heartbeats that were seen and with what belongs together."""
    from tests.faults.checks import sightings

    return History(sightings(done, seen, truth), appends(done, truth))


def _held(found: Mapping[str, Any]) -> dict[str, Held]:
    return {key: Held(*value) for key, value in found.items()}
