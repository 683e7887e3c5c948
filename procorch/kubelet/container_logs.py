"""`kubectl logs` on the node's link, under the kubelet API's path: /containerLogs/{namespace}/{pod}/{container}.

The files are written by the pods' pauses and read by runtime.logs; here is what the request asks of them. A container
that ends wakes those who follow it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import aclosing
from pathlib import Path

from procorch.clock import Clock, parse_timestamp
from procorch.kubelet.dial import reply
from procorch.kubelet.launch import log_path
from procorch.kubelet.record import Attempt, PodRecord, process_name
from procorch.link import Stream
from procorch.objects import Object, uid_of
from runtime import Runtime
from runtime.logs import LogReader, Wanted

_STREAMS = {"": "", "All": "", "Stdout": "stdout", "Stderr": "stderr"}


def wanted_of(query: Mapping[str, str], now: float) -> Wanted:
    """PodLogOptions as a query. now: epoch seconds, from which sinceSeconds counts. Raises ValueError."""
    since = parse_timestamp(query["sinceTime"]) if query.get("sinceTime") else None
    if query.get("sinceSeconds"):
        since = now - int(query["sinceSeconds"])
    if (stream := query.get("stream", "")) not in _STREAMS:
        raise ValueError(f"stream: {stream}: must be All, Stdout or Stderr")
    return Wanted(
        tail=int(query["tailLines"]) if query.get("tailLines") else None,
        since=since,
        stream=_STREAMS[stream],
        timestamps=query.get("timestamps") == "true",
        limit_bytes=int(query["limitBytes"]) if query.get("limitBytes") else None,
        follow=query.get("follow") == "true",
    )


class ContainerLogs:
    """directory: of all pods. find: a pod and its record by namespace/name, None for one that is not here."""

    def __init__(
        self,
        directory: Path,
        runtime: Runtime,
        clock: Clock,
        find: Callable[[str], tuple[Object, PodRecord] | None],
        node_name: str,
    ) -> None:
        self._directory = directory
        self._runtime = runtime
        self._clock = clock
        self._find = find
        self._node_name = node_name
        self._followers: dict[str, set[LogReader]] = {}  # by sandbox

    def changed(self, sandbox_id: str) -> None:
        """A process of the sandbox may have ended: nothing more comes from it."""
        for reader in self._followers.get(sandbox_id, ()):
            reader.poke()

    async def serve(self, steps: list[str], query: Mapping[str, str], out: Stream) -> None:
        """Answers with the log, or with a status and a sentence."""
        if len(steps) != 3:
            await reply(out, 404, "a log is named by its namespace, pod and container")
            return
        namespace, name, container = steps
        if (found := self._find(f"{namespace}/{name}")) is None:
            await reply(out, 404, f'pod "{name}" not found on node {self._node_name}')
            return
        pod, pod_record = found
        try:
            wanted = wanted_of(query, self._clock())
        except ValueError as error:
            await reply(out, 400, str(error))
            return
        previous = query.get("previous") == "true"
        record = pod_record.containers.get(container)
        attempt = None if record is None else record.last if previous else record.current
        if attempt is None:
            what = "previous terminated container" if previous else "container"
            await reply(out, 400, f'{what} "{container}" in pod "{name}" not found')
            return
        path = log_path(self._directory / uid_of(pod), container, attempt.number)
        if not path.parent.exists():
            await reply(out, 404, f'the log of container "{container}" in pod "{name}" is gone')
            return
        await out.respond({"status": 200, "headers": {"Content-Type": "text/plain"}})
        reader = LogReader(path, wanted, lambda: not self._runs(container, attempt))
        followers = self._followers.setdefault(attempt.sandbox, set())
        followers.add(reader)
        try:
            async with aclosing(aiter(reader)) as pieces:
                async for piece in pieces:
                    await out.write(piece)
        finally:
            followers.discard(reader)
            if not followers:
                self._followers.pop(attempt.sandbox, None)

    def _runs(self, container: str, attempt: Attempt) -> bool:
        """Whether it may still write: the machine's word, which is there before the record has it."""
        sandbox = self._runtime.sandboxes.get(attempt.sandbox)
        state = None if sandbox is None else sandbox.processes().get(process_name(container, attempt.number))
        return state is not None and state.running
