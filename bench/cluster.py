"""The whole cluster on a host of its own: start-up, idleness, a pod's way, many pods: `python -m bench.cluster`.

It needs root. The host is made of namespaces and goes with all that ran there; the cluster in it is the one that
`procorch up` makes.
"""

from __future__ import annotations

import json
import os
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from procorch.hosts import Host, Lab

BIN = Path(sys.executable).parent
STARTS = 5
MOST_PODS = 500


class Cluster:
    """`procorch up --detach` on a host, with nothing there before.

    seconds: until `kubectl get nodes` said Ready; up: of them, until `procorch up` returned.
    """

    def __init__(self, host: Host, home: Path) -> None:
        self.host, self.home, self.data_dir = host, home, home / "state"
        begun = time.perf_counter()
        self.run(BIN / "procorch", "up", "--detach", "--data-dir", self.data_dir, "--pods", MOST_PODS)
        self.up = time.perf_counter() - begun
        while " Ready " not in self.run(BIN / "kubectl", "get", "nodes"):
            if time.perf_counter() - begun > 60:
                raise TimeoutError("the node is not Ready after 60 s")
        self.seconds = time.perf_counter() - begun

    def run(self, *argv: object, timeout: float = 120) -> str:
        """What the program printed; RuntimeError with what it complained of."""
        places = {"KUBECONFIG": str(self.data_dir / "admin.kubeconfig"), "HOME": str(self.home)}
        words = [str(one) for one in argv]
        environment = {**os.environ, **places}
        done = self.host.run(words, capture_output=True, text=True, timeout=timeout, env=environment)
        if done.returncode:
            raise RuntimeError(f"{' '.join(words)} ended with {done.returncode}:\n{done.stdout}{done.stderr}")
        return str(done.stdout)


@contextmanager
def cluster(lab: Lab, name: str) -> Iterator[Cluster]:
    """A new host with a cluster; both are gone afterwards."""
    host, home = lab.host(name), Path(tempfile.mkdtemp(prefix="procorch-bench-"))
    home.chmod(0o755)
    try:
        made = Cluster(host, home)
        yield made
        made.run(BIN / "procorch", "reset", "--yes", "--data-dir", made.data_dir)
    finally:
        host.power_off()
        shutil.rmtree(home, ignore_errors=True)


def measure(lab: Lab) -> list[tuple[str, str]]:
    whole, alone = [], []
    for number in range(STARTS):
        with cluster(lab, f"start{number}") as made:
            whole.append(made.seconds)
            alone.append(made.up)
    with cluster(lab, "node") as made:
        found = json.loads(made.run(sys.executable, "-m", "bench.cluster_inside", made.data_dir, timeout=600))
    ready = f"median {statistics.median(whole):.2f} s ({min(whole):.2f} to {max(whole):.2f})"
    returned = f"median {statistics.median(alone):.2f} s"
    return [
        ("from nothing: `up` to `kubectl get nodes` Ready", ready),
        ("from nothing: `up` has returned", returned),
        *((what, figure) for what, figure in found),
    ]


def rows() -> list[tuple[str, str]]:
    """(what, figure). Takes some three minutes; uses the disk of the temporary directory (TMPDIR)."""
    if os.geteuid() != 0:
        return [("whole cluster", "needs root")]
    with Lab(f"procorch-bench-{os.getpid()}", network="10.77.0.0/24") as lab:
        return measure(lab)


if __name__ == "__main__":
    for what, figure in rows():
        print(f"{what:<50} {figure}")
