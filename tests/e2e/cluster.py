"""A cluster as its users see it: programs run on its host, and what they print."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from procorch.hosts import Host
from tests.e2e import logs

BIN = Path(sys.executable).parent
ROOT = Path(__file__).parents[2]
SEED = Path(__file__).parent / "seed"


class Failed(AssertionError):
    """A command ended with another exit code than expected; the message holds what it printed."""


class Cluster:
    """One cluster, and the programs that a user runs on its host.

    kubectl: the path of the one to drive; a second one (`with_kubectl`) may drive the same cluster.
    """

    def __init__(self, host: Host, data_dir: Path, kubectl: str) -> None:
        self.host, self.data_dir, self.program = host, data_dir, kubectl
        self.environment = {
            **os.environ,
            "KUBECONFIG": str(data_dir / "admin.kubeconfig"),
            "HOME": str(data_dir.parent),
            "PROCORCH_DATA_DIR": str(data_dir),
            "KUBECACHEDIR": str(data_dir.parent / "kubecache"),
        }

    def with_kubectl(self, program: str) -> Cluster:
        return Cluster(self.host, self.data_dir, program)

    def run(self, *argv: object, input: str | None = None, timeout: float = 60) -> subprocess.CompletedProcess[str]:
        """Any program on the host, as it ended."""
        return self.host.run(
            [str(one) for one in argv],
            input=input,
            timeout=timeout,
            capture_output=True,
            text=True,
            env=self.environment,
            cwd=str(self.data_dir.parent),
        )

    def kubectl(self, *argv: object, input: str | None = None, code: int = 0, timeout: float = 60) -> str:
        """What kubectl printed; with code=1 what it printed as its error."""
        return self._checked(self.run(self.program, *argv, input=input, timeout=timeout), code)

    def procorch(self, *argv: object, input: str | None = None, code: int = 0, timeout: float = 60) -> str:
        return self._checked(self.run(BIN / "procorch", *argv, input=input, timeout=timeout), code)

    @staticmethod
    def _checked(done: subprocess.CompletedProcess[str], code: int) -> str:
        if done.returncode != code:
            raise Failed(f"{' '.join(done.args)}\nended with {done.returncode}:\n{done.stdout}{done.stderr}")
        return done.stdout if code == 0 else done.stderr

    def get(self, *argv: object) -> Any:
        """An object or a list, decoded."""
        return json.loads(self.kubectl("get", *argv, "-o", "json"))

    def path(self, template: str, *argv: object) -> str:
        """`get … -o jsonpath=template`."""
        return self.kubectl("get", *argv, "-o", f"jsonpath={template}")

    def until(self, done: Callable[[], Any], what: str, seconds: float = 30) -> Any:
        """Waits until `done` gives something true, and gives it; Failed tells how the cluster stands otherwise.

        Between two looks it waits for as long as one takes: of several runs at once, none is to wait for looks alone.
        """
        deadline = time.monotonic() + seconds
        while True:
            began = time.monotonic()
            try:
                if found := done():
                    return found
                last: object = found
            except Failed as error:
                last = error
            if time.monotonic() > deadline:
                state = self.run(self.program, "get", "pods,events", "-A", "-o", "wide").stdout[-6000:]
                raise Failed(f"not so after {seconds:.0f} s: {what} (last: {last})\n{state}")
            time.sleep(max(0.1, time.monotonic() - began))

    def ready(self, count: int, *argv: object, seconds: float = 40) -> None:
        """Waits until exactly so many of the chosen pods are Ready."""
        template = "{.items[*].status.conditions[?(@.type=='Ready')].status}"

        def enough() -> bool:
            states = self.path(template, "pods", *argv).split()
            return (len(states) == count and set(states) <= {"True"}) or (count == 0 and not states)

        self.until(enough, f"{count} pods of {' '.join(map(str, argv))} are ready", seconds)

    def fetch(self, url: str, timeout: float = 5) -> subprocess.CompletedProcess[str]:
        return self.run("curl", "-sS", "-m", timeout, "--noproxy", "*", url)


def bring_up(host: Host, kubectl: str, *options: str) -> Cluster:
    """`procorch up --detach` on a host, with a state directory of its own."""
    cluster = Cluster(host, logs.home() / "state", kubectl)
    print(cluster.procorch("up", "--detach", "--data-dir", cluster.data_dir, *options, timeout=90))
    return cluster


def take_down(cluster: Cluster) -> None:
    cluster.procorch("reset", "--yes", "--data-dir", cluster.data_dir, timeout=120)
    shutil.rmtree(cluster.data_dir.parent, ignore_errors=True)
