"""The machines of the Vagrantfile as a program has them: kubectl from here, root on each, power.

machines = Machines()
machines.kubectl("get", "nodes")
machines.root("node1", "systemctl restart procorch-agent")
machines.power_off("node2")
"""

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

HERE = Path(__file__).resolve().parent
STATE = HERE / ".vagrant"
KUBECONFIG = STATE / "kubeconfig"
NODES = {"node1": "192.168.56.11", "node2": "192.168.56.12"}
READY = "jsonpath={.items[*].status.conditions[?(@.type=='Ready')].status}"


class Machines:
    """Three machines that are up. Raises subprocess.CalledProcessError where one is not."""

    def __init__(self) -> None:
        self._ssh_config = STATE / "ssh-config"
        self._learn_addresses()
        text = self.root("master", "cat /var/lib/procorch/admin.kubeconfig")
        KUBECONFIG.touch(mode=0o600)
        KUBECONFIG.write_text(text)

    def _learn_addresses(self) -> None:
        self._ssh_config.write_text(vagrant("ssh-config", capture=True))

    def root(self, name: str, script: str, timeout: float = 120) -> str:
        """What a shell script printed, run as root on the machine of that name."""
        ssh = ["ssh", "-F", str(self._ssh_config), name, "sudo", "sh", "-s"]
        return subprocess.run(
            ssh, input=script, check=True, timeout=timeout, stdout=subprocess.PIPE, text=True
        ).stdout.strip()

    def kubectl(self, *words: str, input: str | None = None, timeout: float = 120) -> str:
        """What kubectl printed; its errors go to ours."""
        beside = Path(sys.executable).with_name("kubectl")
        program = str(beside) if beside.exists() else shutil.which("kubectl") or "kubectl"
        argv = [program, "--kubeconfig", str(KUBECONFIG), *words]
        return subprocess.run(
            argv, input=input, check=True, timeout=timeout, stdout=subprocess.PIPE, text=True
        ).stdout.strip()

    def get(self, *words: str) -> Any:
        return json.loads(self.kubectl("get", *words, "-o", "json"))

    def ready(self) -> int:
        """How many nodes are Ready."""
        return self.kubectl("get", "nodes", "-o", READY).split().count("True")

    def shut_down(self, name: str) -> None:
        """As its own `poweroff` does; returns when it is off."""
        self._end(name, "systemctl poweroff")

    def power_off(self, name: str) -> None:
        """As if its plug were pulled: its kernel ends at once. (What `halt --force` does depends on the provider.)"""
        self._end(name, "echo o > /proc/sysrq-trigger")

    def _end(self, name: str, command: str) -> None:
        self.root(name, f"nohup sh -c 'sleep 1; {command}' > /dev/null 2>&1 &")
        until(
            f"{name} is off",
            lambda: ",state,running" not in vagrant("status", "--machine-readable", name, capture=True),
            240,
        )

    def power_on(self, name: str) -> None:
        vagrant("up", "--no-provision", name)
        self._learn_addresses()  # its address for ssh may be another


def vagrant(*words: str, capture: bool = False) -> str:
    """Run vagrant in the Vagrantfile's folder; its output is shown, or with `capture` returned."""
    environment = {**os.environ, "VAGRANT_CHECKPOINT_DISABLE": "1"}
    stdout = subprocess.PIPE if capture else None
    done = subprocess.run(["vagrant", *words], cwd=HERE, env=environment, check=True, text=True, stdout=stdout)
    return done.stdout or ""


def until(what: str, done: Callable[[], Any], seconds: float, pause: float = 1.0) -> Any:
    """The first answer of `done` that is true. Raises TimeoutError with `what` was waited for."""
    deadline = time.monotonic() + seconds
    while not (answer := done()):
        if time.monotonic() > deadline:
            raise TimeoutError(f"not so after {seconds:.0f} s: {what}")
        time.sleep(pause)
    return answer
