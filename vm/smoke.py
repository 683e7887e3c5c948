"""`make vm`, once the machines are up: a Service over both nodes, asked from each node and from a pod on each.

Each command is shown as one would type it. The machines are left running; `make vm-down` removes them.
"""

from __future__ import annotations

import json
import sys
import time
import urllib.request
from pathlib import Path

from vm.machines import KUBECONFIG, NODES, Machines, until

MANIFEST = Path(__file__).with_name("smoke.yaml")
PORT = 30080
VISIT = """
import sys, urllib.request
for address in sys.argv[1:]:
    with urllib.request.urlopen(f"http://{address}/", timeout=10) as answer:
        print(address, "->", answer.read().decode(), flush=True)
"""


def main() -> None:
    step("Three machines, two of them nodes")
    machines = Machines()
    until("both nodes are Ready", lambda: machines.ready() == len(NODES), 300)
    show(machines, "get", "nodes", "-o", "wide")

    step("Four web servers and a Service")
    show(machines, "apply", "-f", str(MANIFEST))
    until("four pods are ready, on both nodes", lambda: is_spread(machines), 300)
    show(machines, "get", "pods,services", "-l", "app=smoke", "-o", "wide")

    step("The Service, by the port of each node, from this machine")
    for address in NODES.values():
        names = sorted(ask(address) for _ in range(8))
        print(f"  $ curl http://{address}:{PORT}/      # eight times\n    {' '.join(names)}", flush=True)

    step("The Service by its own address and every pod by its own, from a pod on each node")
    addresses = [machines.kubectl("get", "service", "smoke", "-o", "jsonpath={.spec.clusterIP}")]
    addresses += [f"{pod['status']['podIP']}:8080" for pod in machines.get("pods", "-l", "app=smoke")["items"]]
    for node in NODES:
        visit(machines, node, addresses)
    show(machines, "delete", "-f", str(MANIFEST))

    print("\nAll of it answered; the machines go on running. Try next:\n")
    print(f"  export KUBECONFIG={KUBECONFIG}")
    print("  kubectl get nodes")
    print("  make vm-test                 # restarts, power cuts, limits: what only machines can tell")
    print("\nmake vm-down removes them.")


def step(text: str) -> None:
    print(f"\n{text}", flush=True)


def show(machines: Machines, *words: str) -> None:
    print(f"  $ kubectl {' '.join(words)}".replace(f"{MANIFEST.parents[1]}/", ""), flush=True)
    print("\n".join(f"    {line}" for line in machines.kubectl(*words).splitlines()), flush=True)


def is_spread(machines: Machines) -> bool:
    if machines.kubectl("get", "rc", "smoke", "-o", "jsonpath={.status.readyReplicas}") != "4":
        return False
    return {pod["spec"]["nodeName"] for pod in machines.get("pods", "-l", "app=smoke")["items"]} == set(NODES)


def ask(address: str) -> str:
    """The name of the pod that answered at a node's port; tried again while the node does not serve it yet."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    deadline = time.monotonic() + 60
    while True:
        try:
            with opener.open(f"http://{address}:{PORT}/", timeout=10) as answer:
                return str(answer.read().decode())
        except OSError as error:
            if time.monotonic() > deadline:
                sys.exit(f"smoke: http://{address}:{PORT}/ does not answer: {error}")
            time.sleep(1)


def visit(machines: Machines, node: str, addresses: list[str]) -> None:
    """A pod on that node asks all the addresses; its log is shown."""
    name = f"visitor-{node}"
    container = {"name": "visitor", "image": "host", "command": ["python3", "-c", VISIT.strip(), *addresses]}
    spec = {"nodeName": node, "restartPolicy": "Never", "containers": [container]}
    manifest = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": spec}
    machines.kubectl("delete", "pod", name, "--ignore-not-found")
    machines.kubectl("create", "-f", "-", input=json.dumps(manifest))

    def ended() -> str:
        phase = machines.kubectl("get", "pod", name, "-o", "jsonpath={.status.phase}")
        return phase if phase in ("Succeeded", "Failed") else ""

    phase = until(f"{name} has ended", ended, 180)
    show(machines, "logs", name)
    if phase != "Succeeded":
        sys.exit(f"smoke: {name} did not reach all of them: its log is above")
    machines.kubectl("delete", "pod", name)


if __name__ == "__main__":
    main()
