"""Services: one name, one address for a changing set of pods, and who reaches what from where."""

from __future__ import annotations

import json
import re
import socket
import time
from collections.abc import Iterator
from functools import partial

import pytest

from procorch.hosts import Host, Lab
from tests.e2e.cluster import Cluster, Failed
from tests.e2e.load import load
from tests.e2e.manifests import PORT, container, controller, create, pod, pod_spec, service, shell, web

pytestmark = [pytest.mark.e2e, pytest.mark.kernel]

# Asks an address for as long as its input is open; says when two have answered, and at the end how often it was
# answered, by whom, and what went wrong.


def cluster_ip(cluster: Cluster, namespace: str, name: str) -> str:
    return cluster.path("{.spec.clusterIP}", "svc", name, "-n", namespace)


def who(cluster: Cluster, address: str, port: int = PORT) -> str:
    """The host name that answers there, or "" when nobody does."""
    return (cluster.fetch(f"http://{address}:{port}/").stdout.split() or [""])[0]


def endpoints(cluster: Cluster, namespace: str, name: str) -> set[str]:
    """The addresses that clients are sent to, as `kubectl get endpoints` has them."""
    return set(cluster.path("{.subsets[*].addresses[*].ip}", "endpoints", name, "-n", namespace).split())


def test_a_service_has_a_name_an_address_and_endpoints(cluster: Cluster, namespace: str) -> None:
    """S009–S013, S029, S030, S082, S130–S133, S138, S139, S142, S143, S149: an unready pod is none of them."""
    n = ("-n", namespace)
    never = {"tcpSocket": {"port": 9}, "periodSeconds": 1}
    create(
        cluster, namespace, service("web", {"app": "web"}, {"port": PORT}), service("other", {"app": "o"}, {"port": 1}),
        pod("w0", web(), labels={"app": "web"}), pod("w1", web(), labels={"app": "web"}),
        pod("unready", web(readinessProbe=never), labels={"app": "web"}), pod("stranger", web()),
    )  # fmt: skip
    assert 'services "web" already exists' in create(cluster, namespace, service("web", {}, {"port": 1}), code=1)

    address = cluster_ip(cluster, namespace, "web")
    assert re.fullmatch(r"10\.(9[6-9]|10\d|11[01])\.\d+\.\d+", address), "from the range of the Services"
    assert address != cluster_ip(cluster, namespace, "other")
    table = cluster.kubectl("get", "svc", "web", *n).splitlines()
    assert table[0].split() == ["NAME", "TYPE", "CLUSTER-IP", "EXTERNAL-IP", "PORT(S)", "AGE"]
    assert table[1].split()[:5] == ["web", "ClusterIP", address, "<none>", f"{PORT}/TCP"]
    assert cluster.path("{.spec.ports[0].targetPort}", "svc", "web", *n) == str(PORT)

    cluster.ready(2, *n, "-l", "app=web", "--field-selector", "metadata.name!=unready")
    pods = {name: cluster.path("{.status.podIP}", "pod", name, *n) for name in ("w0", "w1")}
    cluster.until(lambda: endpoints(cluster, namespace, "web") == set(pods.values()), "both ready pods are endpoints")
    shown = cluster.kubectl("get", "endpoints", "web", *n, "--no-headers").split()[1]
    assert set(shown.split(",")) == {f"{ip}:{PORT}" for ip in pods.values()}
    assert [who(cluster, ip) for ip in pods.values()] == ["w0", "w1"], "each is reachable by itself"
    seen = cluster.until(
        lambda: len(found := {who(cluster, address) for _ in range(6)} - {""}) > 1 and found, "all answer"
    )
    assert seen == {"w0", "w1"}


def test_another_selector_leads_to_other_pods(cluster: Cluster, namespace: str) -> None:
    """S016."""
    create(
        cluster, namespace, service("turn", {"colour": "blue"}, {"port": 80, "targetPort": "http"}),
        pod("blue", web(), labels={"colour": "blue"}), pod("green", web(), labels={"colour": "green"}),
    )  # fmt: skip
    address = cluster_ip(cluster, namespace, "turn")
    cluster.until(lambda: who(cluster, address, 80) == "blue", "the selected pod answers")
    cluster.kubectl("set", "selector", "svc", "turn", "colour=green", "-n", namespace)
    cluster.until(lambda: who(cluster, address, 80) == "green", "the other one does", 5)


def test_a_service_keeps_its_address_until_it_is_deleted(cluster: Cluster, namespace: str) -> None:
    """S139, S140, S143: it cannot be changed, nobody else gets it, and it is free afterwards."""
    n = ("-n", namespace)
    create(cluster, namespace, service("first", None, {"port": 80}))
    address = cluster_ip(cluster, namespace, "first")
    body = json.dumps({"spec": {"clusterIP": "10.96.200.200"}})
    assert "may not change once set" in cluster.kubectl("patch", "svc", "first", *n, "-p", body, code=1)
    cluster.kubectl("label", "svc", "first", *n, "changed=otherwise")
    assert cluster_ip(cluster, namespace, "first") == address

    second = service("second", None, {"port": 80}, clusterIP=address)
    assert "provided IP is already allocated" in create(cluster, namespace, second, code=1)
    cluster.kubectl("delete", "svc", "first", *n)
    create(cluster, namespace, second)
    assert cluster_ip(cluster, namespace, "second") == address


def test_every_network_reaches_every_other_and_a_pod_itself(cluster: Cluster, namespace: str) -> None:
    """S031, S129, S150, S151, S153: from a pod; what is no service port is refused, and no ping is answered."""
    node = cluster.host.address
    ask = "curl -sS -m 5 --noproxy '*'"
    script = f"""
        python3 -ISc '{web()["command"][2]}' & sleep 0.1
        until {ask} http://127.0.0.1:{PORT}/ >/dev/null 2>&1; do sleep 0.05; done
        until {ask} http://$SELF_SERVICE_HOST:$SELF_SERVICE_PORT/ >/dev/null 2>&1; do sleep 0.1; done
        echo self $({ask} http://$SELF_SERVICE_HOST:$SELF_SERVICE_PORT/)
        echo node $({ask} -k https://{node}:6443/readyz)
        echo master $({ask} -k https://$KUBERNETES_SERVICE_HOST/readyz)
        {ask} http://$SELF_SERVICE_HOST:81/ ; echo unlisted $?
        ping -c1 -W1 {node} >/dev/null 2>&1; echo ping-node $?
        ping -c1 -W1 $SELF_SERVICE_HOST >/dev/null 2>&1; echo ping-service $?
        sleep infinity
    """
    create(cluster, namespace, service("self", {"app": "self"}, {"port": 80, "targetPort": PORT}))
    create(cluster, namespace, pod("alone", shell(script), labels={"app": "self"}))

    def told() -> dict[str, list[str]]:
        lines = cluster.kubectl("logs", "alone", "-n", namespace).splitlines()
        found = {words[0]: words[1:] for words in map(str.split, lines) if words}
        return found if "ping-service" in found else {}

    found = cluster.until(told, "the pod has asked everybody")
    assert found["self"][0] == "alone", "it reaches itself through its Service"
    assert found["node"] == found["master"] == ["ok"]
    assert found["unlisted"] == ["7"], "refused at once"
    assert found["ping-node"] == ["0"] and found["ping-service"] != ["0"]
    ip = cluster.path("{.status.podIP}", "pod", "alone", "-n", namespace)
    assert who(cluster, ip) == who(cluster, cluster_ip(cluster, namespace, "self"), 80) == "alone", "from the node"


def test_a_client_stays_with_its_backend_when_asked(cluster: Cluster, namespace: str) -> None:
    """S136, S137: and no longer than asked."""
    short = {"sessionAffinity": "ClientIP", "sessionAffinityConfig": {"clientIP": {"timeoutSeconds": 1}}}
    create(
        cluster, namespace, service("sticky", {"app": "s"}, {"port": PORT}, sessionAffinity="ClientIP"),
        service("fair", {"app": "s"}, {"port": PORT}), service("short", {"app": "s"}, {"port": PORT}, **short),
        *(pod(f"s{number}", web(), labels={"app": "s"}) for number in range(3)),
    )  # fmt: skip
    timeout = "{.spec.sessionAffinityConfig.clientIP.timeoutSeconds}"
    assert cluster.path(timeout, "svc", "sticky", "-n", namespace) == "10800", "three hours unless told otherwise"
    fair, sticky = cluster_ip(cluster, namespace, "fair"), cluster_ip(cluster, namespace, "sticky")
    cluster.until(lambda: {who(cluster, fair) for _ in range(9)} == {"s0", "s1", "s2"}, "all three answer")
    chosen = {who(cluster, sticky) for _ in range(12)}
    assert len(chosen) == 1 and chosen <= {"s0", "s1", "s2"}

    address, seen = cluster_ip(cluster, namespace, "short"), set[str]()

    def another() -> bool:
        seen.add(who(cluster, address))
        time.sleep(1.1)  # longer than the client is remembered
        return len(seen) > 1

    cluster.until(another, "a client that was away gets another backend")


@pytest.fixture
def outside(lab: Lab, request: pytest.FixtureRequest) -> Iterator[Host]:
    """A host on the nodes' network that is no node."""
    made = lab.host(f"o{abs(hash(request.node.nodeid)) % 10**6}")
    yield made
    made.power_off()


def test_from_outside_only_the_node_port_is_reached(cluster: Cluster, namespace: str, outside: Host) -> None:
    """S033, S148, S152, S155: a port of the node's own choice, and one chosen by hand."""
    n = ("-n", namespace)
    create(
        cluster, namespace, pod("np", web(), labels={"app": "np"}),
        service("auto", {"app": "np"}, {"port": 80, "targetPort": PORT}, type="NodePort"),
        service("hand", {"app": "np"}, {"port": 80, "targetPort": PORT, "nodePort": 32123}, type="NodePort"),
    )  # fmt: skip
    chosen = int(cluster.path("{.spec.ports[0].nodePort}", "svc", "auto", *n))
    assert 30000 <= chosen <= 32767
    assert f"80:{chosen}/TCP" in cluster.kubectl("get", "svc", "auto", *n)
    for port in (chosen, 32123):
        assert cluster.until(partial(_ask, outside, cluster.host.address, port), "the node's port answers")
    address = cluster_ip(cluster, namespace, "auto")
    assert who(cluster, address, 80) == "np"
    assert not _ask(outside, address, 80), "the virtual address is nowhere else"
    cluster.kubectl("delete", "svc", "hand", *n)
    cluster.until(lambda: not _ask(outside, cluster.host.address, 32123), "a deleted Service's port is closed")


def _ask(host: Host, address: str, port: int) -> bytes:
    """What a plain socket on that host gets from there; empty when nobody listens."""

    def connect() -> bytes:
        try:
            with socket.create_connection((address, port), timeout=2) as link:
                link.sendall(b"hello\r\n")
                return link.recv(4096)
        except OSError:
            return b""

    return host.inside(connect)


def test_no_request_is_lost_while_pods_come_and_go(cluster: Cluster, namespace: str) -> None:
    """S004–S007, S046, S131: scaled up and down and a backend deleted under load; the new ones get their share."""
    n = ("-n", namespace)
    ready = {"tcpSocket": {"port": PORT}, "periodSeconds": 1}
    create(
        cluster, namespace, service("load", {"app": "load"}, {"port": PORT}),
        controller("load", 2, pod_spec(web(readinessProbe=ready))),
    )  # fmt: skip
    cluster.ready(2, "-l", "app=load", *n)
    address = cluster_ip(cluster, namespace, "load")
    cluster.until(lambda: who(cluster, address), "it answers")
    with load(cluster, address) as told:
        victim = cluster.path("{.items[0].metadata.name}", "pods", "-l", "app=load", *n)
        cluster.kubectl("delete", "pod", victim, *n)
        cluster.kubectl("scale", "rc", "load", *n, "--replicas=4")
        cluster.ready(4, "-l", "app=load", *n)
        cluster.until(lambda: len(endpoints(cluster, namespace, "load")) == 4, "all four are endpoints")
        four = set(cluster.path("{.items[*].metadata.name}", "pods", "-l", "app=load", *n).split())
        _until_answered(cluster, address, four)
        cluster.kubectl("scale", "rc", "load", *n, "--replicas=1")
        cluster.ready(1, "-l", "app=load", *n)
    assert told.errors == []
    assert four <= set(told.answers) and victim in told.answers and sum(told.answers.values()) > 50


def _until_answered(cluster: Cluster, address: str, wanted: set[str]) -> None:
    """Every one of them has been sent a request since now."""
    seen: set[str] = set()
    end = time.monotonic() + 10
    while not wanted <= seen:
        seen.add(who(cluster, address))
        if time.monotonic() > end:
            raise Failed(f"{address}: only {seen} of {wanted} answered")


def test_any_tcp_program_is_a_backend(cluster: Cluster, namespace: str) -> None:
    """S013: its protocol is its own; the other side's end of input reaches it."""
    echo = (
        "import socket\n"
        f"server = socket.create_server(('', {PORT}))\n"
        "while True:\n"
        "    peer, _ = server.accept()\n"
        "    data = b''.join(iter(lambda: peer.recv(65536), b''))\n"
        "    peer.sendall(data[::-1]); peer.close()\n"
    )
    create(
        cluster, namespace, service("echo", {"app": "echo"}, {"port": 7, "targetPort": PORT}),
        pod("echo", container("python3", "-ISc", echo), labels={"app": "echo"}),
    )  # fmt: skip
    address, data = cluster_ip(cluster, namespace, "echo"), bytes(range(256)) * 4096

    def turned() -> bytes:
        try:
            with socket.create_connection((address, 7), timeout=5) as link:
                link.sendall(data)
                link.shutdown(socket.SHUT_WR)
                return b"".join(iter(lambda: link.recv(65536), b""))
        except OSError:
            return b""

    assert cluster.until(lambda: cluster.host.inside(turned), "it answers") == data[::-1]
