"""`make demo`: a cluster on this machine with a database and two web servers that read it, step by step.

Each command is shown as one would type it. The cluster is left running; `make demo-down` removes all of it.
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
from typing import NoReturn

HERE = Path(__file__).parent
SEED = HERE / "seed"
PROCORCH = str(Path(sys.executable).parent / "procorch")
DATA_DIR = os.environ.get("DATA_DIR", "/var/lib/procorch")
PORT = os.environ.get("PORT", "6443")
ENVIRONMENT = {**os.environ, "KUBECONFIG": f"{DATA_DIR}/admin.kubeconfig"}
BOLD, GREEN, PLAIN = ("\033[1m", "\033[32m", "\033[0m") if sys.stdout.isatty() else ("", "", "")


def main() -> None:
    if os.geteuid() != 0:
        fail("the demo makes namespaces, cgroups and network links: run it as root (sudo make demo)")
    install_database()
    step("A cluster: one master and one node, on this machine")
    if run("status", "--data-dir", DATA_DIR, show=False).returncode == 0:
        print("  it is up already")
    elif run("up", "--detach", "--data-dir", DATA_DIR, "--port", PORT).returncode != 0:
        fail("the cluster did not come up: what is above says why")
    procorch("get", "nodes")

    step("What the manifests' image names mean here, then the database and the web servers")
    procorch("apply", "-f", SEED / "images.yaml")
    for name in ("mysql-svc.yaml", "mysql-rc.yaml", "myweb-svc.yaml", "myweb-rc.yaml", "hello-pod.yml"):
        procorch("apply", "-f", SEED / name)
    wait("pods are running", running, 90)
    procorch("get", "rc,svc,pods", "-o", "wide")

    step("The page, through the Service's address from a pod, and through the node's port from this machine")
    address = output("get", "svc", "myweb", "-o", "jsonpath={.spec.clusterIP}")
    node = output("get", "nodes", "-o", "jsonpath={.items[0].status.addresses[?(@.type=='InternalIP')].address}")
    wait("the page shows rows of the database", lambda: b"Kernighan" in fetch(f"http://{node}:30001/"), 90)
    show_page(f"http://{node}:30001/")
    from_pod(address)

    print(f"\n{GREEN}The cluster goes on running.{PLAIN} Try next:\n")
    kubectl = "kubectl"
    if shutil.which("kubectl") is None:
        kubectl = os.path.relpath(PROCORCH)  # it takes the same words
    print(f"  export KUBECONFIG={DATA_DIR}/admin.kubeconfig")
    print(f"  {kubectl} get pods -o wide")
    print(f"  {kubectl} delete pod -l app=myweb          # and see them come back")
    print(f"  {kubectl} scale rc myweb --replicas 5      # then fetch the page a few times")
    print("\nmake demo-down removes everything.")


def install_database() -> None:
    """The manifests' `mysql` is Debian's MariaDB server, as a program of this machine."""
    if shutil.which("mariadbd"):
        return
    if shutil.which("apt-get") is None:
        fail("mariadbd is not on this machine: install your system's MariaDB server, then run this again")
    print("Installing Debian's mariadb-server-core, which the manifests' image `mysql` stands for", flush=True)
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    command = ["apt-get", "-qq", "install", "-y", "--no-install-recommends", "mariadb-server-core"]
    for words in (["apt-get", "-qq", "update"], command):
        if subprocess.run(words, env=environment, stdout=subprocess.DEVNULL).returncode != 0:
            fail(f"`{' '.join(words)}` failed: install mariadb-server-core by hand, then run this again")


def step(text: str) -> None:
    print(f"\n{BOLD}{text}{PLAIN}", flush=True)


def fail(text: str) -> NoReturn:
    sys.exit(f"demo: {text}")


def run(*words: object, show: bool = True) -> subprocess.CompletedProcess[bytes]:
    command = [PROCORCH, *map(str, words)]
    if show:
        print(f"  $ procorch {' '.join(map(str, words)).replace(f'{HERE.parent}/', '')}", flush=True)
    return subprocess.run(command, env=ENVIRONMENT, stdout=None if show else subprocess.DEVNULL)


def procorch(*words: object) -> None:
    if run(*words).returncode != 0:
        fail(f"`procorch {' '.join(map(str, words))}` failed")


def output(*words: str) -> str:
    return subprocess.run(
        [PROCORCH, *words], env=ENVIRONMENT, capture_output=True, text=True, check=True
    ).stdout.strip()


def wait(what: str, done: Callable[[], bool], seconds: float) -> None:
    """With a line that grows while it takes."""
    print(f"  waiting: {what} ", end="", flush=True)
    begin = time.monotonic()
    while not done():
        if time.monotonic() - begin > seconds:
            print()
            run("get", "pods", "-o", "wide")
            run("events")
            fail(f"not so after {seconds:.0f} s: {what}")
        print(".", end="", flush=True)
        time.sleep(0.5)
    print(f" {time.monotonic() - begin:.1f} s", flush=True)


def running() -> bool:
    counts = [output("get", "rc", name, "-o", "jsonpath={.status.readyReplicas}/{.spec.replicas}") for name in RCS]
    hello = output("get", "pod", "hello", "-o", "jsonpath={.status.phase}")
    return hello == "Running" and all(
        ready == wanted for ready, _, wanted in (count.partition("/") for count in counts)
    )


def fetch(url: str) -> bytes:
    done = subprocess.run(
        [sys.executable, "-c", FETCH, url], capture_output=True, env={**os.environ, "no_proxy": "*"}, timeout=15
    )
    return done.stdout


FETCH = """
import sys, urllib.request
try:
    with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(sys.argv[1], timeout=5) as answer:
        sys.stdout.write(answer.read().decode())
except OSError as error:
    sys.exit(str(error))
"""


def show_page(url: str) -> None:
    print(f"  $ curl {url}\n    {fetch(url).decode().strip()}")


def from_pod(address: str) -> None:
    """A pod that fetches the page by the Service's address, and its log."""
    command = ["/usr/bin/python3", "-c", FETCH.strip(), f"http://{address}:8080/"]
    container = {"name": "visitor", "image": "host", "command": command}
    spec = {"restartPolicy": "Never", "containers": [container]}
    manifest = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "visitor"}, "spec": spec}
    run("delete", "pod", "visitor", "--ignore-not-found", show=False)
    print(f"  $ procorch create -f -      # a pod that fetches http://{address}:8080/", flush=True)
    subprocess.run([PROCORCH, "create", "-f", "-"], input=json.dumps(manifest).encode(), env=ENVIRONMENT, check=True)
    wait("the pod has ended", lambda: output("get", "pod", "visitor", "-o", "jsonpath={.status.phase}") in ENDED, 30)
    procorch("logs", "visitor")
    if "Kernighan" not in output("logs", "visitor"):
        fail("the page did not come through the Service's address")
    run("delete", "pod", "visitor", show=False)


RCS = ("mysql", "myweb")
ENDED = ("Succeeded", "Failed")

if __name__ == "__main__":
    main()
