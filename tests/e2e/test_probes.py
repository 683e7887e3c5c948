"""Probes of every kind, through the real kubectl, on pods whose programs are Python's own servers."""

from __future__ import annotations

from typing import Any

import h2.config
import h2.connection
import pytest

from tests.e2e.cluster import Cluster
from tests.e2e.test_pods import create, shell

pytestmark = [pytest.mark.e2e, pytest.mark.kernel, pytest.mark.timeout(180)]

QUICK = {"periodSeconds": 1, "failureThreshold": 1}

# A health server by rote: once the question (of five bytes) is there, what an h2 server would send, good or bad.
GRPC = """
import os, socket
with socket.create_server(("0.0.0.0", 5000)) as listener:
    while True:
        sock, _ = listener.accept()
        with sock:
            data = b""
            while bytes.fromhex("000005000100000001") not in data and (more := sock.recv(4096)):
                data += more
            sock.sendall(bytes.fromhex("{good}" if os.path.exists("/tmp/well") else "{bad}"))
            sock.recv(4096)
"""
REDIRECT = """
import http.server
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        well = self.headers["X-Probe"] == "yes" and self.headers["User-Agent"].startswith("kube-probe/1.37")
        self.send_response(302 if well else 500)
        self.send_header("Location", "http://elsewhere.example/")
        self.end_headers()
http.server.HTTPServer(("", 8080), Handler).serve_forever()
"""


def health(state: int) -> str:
    """The bytes of a gRPC server's answer, in hex."""
    talk = h2.connection.H2Connection(h2.config.H2Configuration(client_side=False))
    talk.initiate_connection()
    client = h2.connection.H2Connection(h2.config.H2Configuration(client_side=True))
    client.initiate_connection()
    client.send_headers(1, [(":method", "POST"), (":scheme", "http"), (":path", "/"), (":authority", "x")])
    talk.receive_data(client.data_to_send())
    talk.send_headers(1, [(":status", "200"), ("content-type", "application/grpc")])
    talk.send_data(1, b"\0\0\0\0\2\x08" + bytes([state]))
    talk.send_headers(1, [("grpc-status", "0")], end_stream=True)
    return talk.data_to_send().hex()


def python(code: str, **more: Any) -> dict[str, Any]:
    return {"command": ["python3", "-c", code], **more}


def events(cluster: Cluster, namespace: str, reason: str) -> list[str]:
    rows = cluster.get("events", "-n", namespace, "--field-selector", f"reason={reason}")["items"]
    return [row["message"] for row in rows]


def ready(cluster: Cluster, namespace: str, name: str) -> dict[str, bool]:
    rows = cluster.get("pod", name, "-n", namespace)["status"].get("containerStatuses", [])
    return {row["name"]: row["ready"] for row in rows}


def test_every_kind_of_probe_says_when_a_container_is_ready(cluster: Cluster, namespace: str) -> None:
    """A probe that fails is told, one that is led elsewhere is a warning; neither ends a container."""
    header = [{"name": "X-Probe", "value": "yes"}]
    create(
        cluster, namespace, "asked",
        shell("sleep 3600", readinessProbe={"exec": {"command": ["test", "-e", "/tmp/well"]}, **QUICK}),
        python(REDIRECT, readinessProbe={"httpGet": {"port": 8080, "httpHeaders": header}, **QUICK}),
        python(GRPC.format(good=health(1), bad=health(2)), readinessProbe={"grpc": {"port": 5000}, **QUICK}),
        shell("sleep 3600", readinessProbe={"tcpSocket": {"port": 8080}, **QUICK}),
        shell("sleep 3600", readinessProbe={"tcpSocket": {"port": 9}, **QUICK}),
    )  # fmt: skip
    expected = {"c0": False, "c1": True, "c2": False, "c3": True, "c4": False}
    cluster.until(lambda: ready(cluster, namespace, "asked") == expected, "what can answer is ready")
    address = cluster.path("{.status.podIP}", "pod", "asked", "-n", namespace)
    wanted = {
        'Readiness probe failed: service unhealthy (responded with "NOT_SERVING")',
        f"Readiness probe failed: dial tcp {address}:9: connect: connection refused",
        "Readiness probe failed: ",
    }
    cluster.until(lambda: wanted <= set(events(cluster, namespace, "Unhealthy")), "the failures are told")
    warnings = events(cluster, namespace, "ProbeWarning")
    assert warnings == ["Readiness probe warning: Probe terminated redirects, Response body: "]
    for container in ("c0", "c2"):
        cluster.kubectl("exec", "asked", "-n", namespace, "-c", container, "--", "touch", "/tmp/well")

    cluster.until(
        lambda: ready(cluster, namespace, "asked") == expected | {"c0": True, "c2": True}, "they are well now"
    )
    status = cluster.get("pod", "asked", "-n", namespace)["status"]
    assert [row["restartCount"] for row in status["containerStatuses"]] == [0] * 5


def test_a_probe_that_hangs_is_ended_with_all_it_began_and_so_is_who_does_not_answer(
    cluster: Cluster, namespace: str
) -> None:
    """The probe's own grace counts, not the pod's; the container ignores SIGTERM."""
    hang = {"exec": {"command": ["/bin/sh", "-c", "sleep 4321 & sleep 4321"]}, "terminationGracePeriodSeconds": 1}
    create(
        cluster, namespace, "deaf",
        shell("trap '' TERM; while true; do sleep 0.2; done", livenessProbe={**hang, **QUICK}),
        terminationGracePeriodSeconds=600,
    )  # fmt: skip

    def restarted() -> Any:
        rows = cluster.get("pod", "deaf", "-n", namespace)["status"].get("containerStatuses", [])
        return rows and rows[0]["restartCount"] and rows[0]

    status = cluster.until(restarted, "it is restarted")
    assert status["lastState"]["terminated"]["exitCode"] == 137
    assert "Container c0 failed liveness probe, will be restarted" in events(cluster, namespace, "Killing")
    late = 'Liveness probe failed: command timed out: "/bin/sh -c sleep 4321 & sleep 4321" timed out after 1s'
    assert late in events(cluster, namespace, "Unhealthy")
    look = (
        "for one in /proc/[0-9]*; do tr '\\0' ' ' <$one/cmdline; echo; done 2>/dev/null | grep -c '^sleep 4321'; true"
    )
    running = cluster.kubectl("exec", "deaf", "-n", namespace, "--", "/bin/sh", "-c", look)
    assert int(running) <= 2, "of all probes only what the newest began may run"
