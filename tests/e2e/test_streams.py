"""exec, attach, cp and port-forward with the real kubectl, over WebSockets and over SPDY, and with a Python client."""

from __future__ import annotations

import hashlib
import json
import os
import random
import signal
import subprocess
import time
from pathlib import Path

import pytest

from tests.e2e.cluster import Cluster
from tests.e2e.test_pods import create, shell

pytestmark = [pytest.mark.e2e, pytest.mark.kernel, pytest.mark.timeout(180)]

SPDY = {"KUBECTL_REMOTE_COMMAND_WEBSOCKETS": "false", "KUBECTL_PORT_FORWARD_WEBSOCKETS": "false"}
SERVE = "python3 -m http.server 8080 & while read line; do echo got $line; done; sleep 1000"


class User:
    """kubectl in the test's namespace, with or without WebSockets."""

    def __init__(self, cluster: Cluster, namespace: str, environment: dict[str, str]) -> None:
        self.cluster, self.namespace = cluster, namespace
        self.environment = cluster.environment | environment

    def command(self, *argv: str) -> list[str]:
        return [self.cluster.program, "-n", self.namespace, *argv]

    def run(self, *argv: str, input: bytes = b"", timeout: float = 60) -> tuple[int, bytes, bytes]:
        done = self.cluster.host.run(
            self.command(*argv), input=input, timeout=timeout, capture_output=True, env=self.environment
        )
        return done.returncode, done.stdout, done.stderr

    def start(self, *argv: str) -> subprocess.Popen[bytes]:
        piped = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
        return self.cluster.host.popen(self.command(*argv), env=self.environment, **piped)


@pytest.fixture(params=["WebSocket", "SPDY"])
def user(request: pytest.FixtureRequest, cluster: Cluster, namespace: str) -> User:
    create(cluster, namespace, "web", shell(SERVE, stdin=True))
    cluster.ready(1, "-n", namespace)
    return User(cluster, namespace, SPDY if request.param == "SPDY" else {})


def test_exec(user: User) -> None:
    assert user.run("exec", "web", "--", "hostname") == (0, b"web\n", b"")
    code, output, errors = user.run("exec", "web", "--", "sh", "-c", "echo out; echo err >&2; exit 3")
    assert (code, output, errors) == (3, b"out\n", b"err\ncommand terminated with exit code 3\n")
    data = random.Random(1).randbytes(3_000_000)
    code, output, _ = user.run("exec", "-i", "web", "--", "sha256sum", input=data)
    assert (code, output.split()[0].decode()) == (0, hashlib.sha256(data).hexdigest())
    code, output, _ = user.run("exec", "web", "--", "head", "-c", "5000000", "/dev/zero")
    assert (code, len(output)) == (0, 5_000_000)
    code, _, errors = user.run("exec", "web", "--", "nonsense")
    assert (code, b'exec: "nonsense": executable file not found in $PATH' in errors) == (1, True)
    code, _, errors = user.run("exec", "absent", "--", "true")
    assert (code, errors) == (1, b'Error from server (NotFound): pods "absent" not found\n')


def test_a_terminal(user: User) -> None:
    """`script` gives kubectl a terminal of its own."""
    wait = 'while [ "$(stty size)" = "0 0" ]; do sleep 0.05; done; '  # kubectl tells it when the program runs
    inner = " ".join(user.command("exec", "-it", "web", "--", "sh", "-c", "'tty; " + wait + "stty size; exit 5'"))
    done = user.cluster.host.run(
        ["script", "-qec", f"stty rows 33 cols 99; {inner}", "/dev/null"], env=user.environment,
        capture_output=True, stdin=subprocess.DEVNULL, timeout=60,
    )  # fmt: skip
    assert done.returncode == 5
    assert done.stdout.replace(b"^@", b"").startswith(b"/dev/pts/0\r\n33 99\r\n")  # script's own end of input


def test_attach(user: User) -> None:
    client = user.start("attach", "-i", "web")
    assert client.stdin is not None and client.stdout is not None
    client.stdin.write(b"one\n")
    client.stdin.flush()
    lines = iter(client.stdout.readline, b"")
    assert any(line == b"got one\n" for line in lines)
    client.kill()
    client.communicate()
    assert "got one\n" in user.cluster.kubectl("logs", "web", "-n", user.namespace)


def test_run_with_a_terminal_until_its_end(user: User) -> None:
    command = ["run", "once", "-i", "--rm", "--restart=Never", "--image=host", "--quiet", "--", "sh", "-c"]
    code, output, errors = user.run(*command, "read line; echo got $line; exit 6", input=b"it\n")
    assert (code, output) == (6, b"got it\n"), errors


def test_files_are_copied_both_ways(user: User, tmp_path: Path) -> None:
    data = os.urandom(2_000_000)
    (tmp_path / "there").write_bytes(data)
    assert user.run("cp", str(tmp_path / "there"), "web:/tmp/file")[0] == 0
    assert user.run("cp", "web:/tmp/file", str(tmp_path / "back"))[0] == 0
    assert (tmp_path / "back").read_bytes() == data


def test_port_forward(user: User) -> None:
    client = user.start("port-forward", "pod/web", ":8080")
    assert client.stdout is not None
    port = client.stdout.readline().decode().split(":")[1].split()[0]

    def fetched() -> bool:
        return user.cluster.fetch(f"http://127.0.0.1:{port}/").returncode == 0

    user.cluster.until(fetched, "the first answer")
    assert all(fetched() for _ in range(5))
    client.terminate()
    client.communicate()


def test_requests_go_through_the_api_to_pods_and_services(user: User) -> None:
    cluster, namespace = user.cluster, user.namespace
    create(cluster, namespace, "served", shell("echo page > /tmp/x; cd /tmp; exec python3 -m http.server 8080",
           ports=[{"containerPort": 8080}]), labels={"app": "served"})  # fmt: skip
    cluster.ready(2, "-n", namespace)
    user.run("expose", "pod", "served", "--port=80", "--target-port=8080")
    for name in ("pods/served:8080", "pods/served", "services/served", "services/served:80"):
        path = f"/api/v1/namespaces/{namespace}/{name}/proxy/x"
        cluster.until(lambda path=path: user.run("get", "--raw", path)[1] == b"page\n", f"{name} answers")


def test_commands_that_are_cut_leave_nothing(cluster: Cluster, namespace: str) -> None:
    create(cluster, namespace, "web", shell("sleep 1000"))
    cluster.ready(1, "-n", namespace)
    user = User(cluster, namespace, {})
    address = cluster.path("{.status.podIP}", "pod", "web", "-n", namespace)
    assert address

    def processes() -> int:
        return len(user.run("exec", "web", "--", "sh", "-c", "ls -d /proc/[0-9]*")[1].split())

    quiet = processes()
    mark = f"5{os.getpid() % 10000:04}"
    for number in range(12):
        client = user.start("exec", "web", *(["-i"] if number % 2 else []), "--", "sleep", mark)
        if number % 3:
            time.sleep(0.02 * number)  # at any moment of the way: that is the fault
        client.send_signal(signal.SIGKILL)
        client.communicate()

    cluster.until(lambda: processes() == quiet, "every command is gone", 20)


def test_the_python_client(cluster: Cluster, namespace: str) -> None:
    """The official client, whose streams are v4's."""
    create(cluster, namespace, "web", shell(SERVE, stdin=True))
    cluster.ready(1, "-n", namespace)
    program = (
        "import json, sys, time\n"
        "from kubernetes import client, config, stream\n"
        "config.load_kube_config()\n"
        "api, namespace = client.CoreV1Api(), sys.argv[1]\n"
        "def run(*command, **more):\n"
        "    more = dict(stderr=True, stdin=False, stdout=True, tty=False) | more\n"
        "    call = api.connect_get_namespaced_pod_exec\n"
        "    return stream.stream(call, 'web', namespace, command=list(command), **more)\n"
        "one = run('sh', '-c', 'cat; exit 4', stdin=True, _preload_content=False)\n"
        "one.write_stdin('hello')\n"
        "one.update(timeout=5)\n"
        "heard = one.read_stdout()\n"
        "one.close()\n"
        "failed = run('sh', '-c', 'exit 4', _preload_content=False)\n"
        "failed.run_forever(timeout=20)\n"
        "forwarded = stream.portforward(api.connect_get_namespaced_pod_portforward, 'web', namespace, ports='8080')\n"
        "sock = forwarded.socket(8080)\n"
        "sock.sendall(b'HEAD / HTTP/1.0\\r\\n\\r\\n')\n"
        "answer = sock.recv(12).decode()\n"
        "print(json.dumps([run('hostname'), heard, failed.returncode, answer]))\n"
    )
    python = str(Path(cluster.program).parent / "python")
    cluster.until(
        lambda: cluster.run(cluster.program, "exec", "web", "-n", namespace, "--", "sh", "-c",
                            "curl -sS 127.0.0.1:8080 >/dev/null").returncode == 0,
        "the pod serves",
    )  # fmt: skip
    done = cluster.run(python, "-c", program, namespace)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == ["web\n", "hello", 4, "HTTP/1.0 200"]
