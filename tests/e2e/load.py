"""A client that asks a Service without a pause, and counts who answered and what went wrong."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from tests.e2e.cluster import Cluster
from tests.e2e.manifests import PORT

_LOAD = """
import json, select, socket, sys
address, answers, errors = (sys.argv[1], int(sys.argv[2])), {}, []
while not select.select([sys.stdin], [], [], 0.005)[0]:
    try:
        with socket.create_connection(address, timeout=5) as link:
            link.sendall(b"GET / HTTP/1.0\\r\\n\\r\\n")
            data = b"".join(iter(lambda: link.recv(4096), b""))
        name = data.split(b"\\r\\n\\r\\n")[1].split()[0].decode()
        answers[name] = answers.get(name, 0) + 1
        if len(answers) == 2 and min(answers.values()) == 1:
            print("under way", flush=True)
    except (OSError, IndexError) as error:
        errors.append(repr(error))
print(json.dumps([answers, errors]))
"""


@dataclass(slots=True)
class Load:
    """After the block: host name → how many answers; what was not answered, and why."""

    answers: dict[str, int] = field(default_factory=dict)
    errors: list[str] = field(default_factory=list)


@contextmanager
def load(cluster: Cluster, address: str) -> Iterator[Load]:
    """From the cluster's host; the block begins when two pods have answered."""
    client = cluster.host.popen(["python3", "-c", _LOAD, address, str(PORT)], stdin=-1, stdout=-1, text=True)
    assert client.stdout is not None
    found = Load()
    try:
        assert client.stdout.readline() == "under way\n"
        yield found
    finally:
        output, _ = client.communicate("", timeout=10)
    found.answers, found.errors = json.loads(output.splitlines()[-1])
