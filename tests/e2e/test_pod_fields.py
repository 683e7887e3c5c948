"""Fields of a pod that its processes see: names, resolvers, kernel settings, variables of files, the signal to end."""

from __future__ import annotations

from functools import partial

import pytest

from tests.e2e.cluster import Cluster
from tests.e2e.test_pods import create, log, shell

pytestmark = [pytest.mark.e2e, pytest.mark.kernel, pytest.mark.timeout(180)]


def test_names_and_settings_are_as_asked(cluster: Cluster, namespace: str) -> None:
    """hostname, subdomain, setHostnameAsFQDN, hostAliases, dnsPolicy, dnsConfig and safe sysctls, all in one pod."""
    look = "hostname; cat /etc/hosts /etc/resolv.conf; cat /proc/sys/net/ipv4/ip_unprivileged_port_start"
    create(
        cluster, namespace, "named", shell(look),
        hostname="box", subdomain="shop", setHostnameAsFQDN=True, restartPolicy="Never",
        hostAliases=[{"ip": "192.0.2.7", "hostnames": ["seven", "seven.example"]}],
        dnsPolicy="None", dnsConfig={"nameservers": ["192.0.2.53"], "searches": ["shop.example"],
                                     "options": [{"name": "ndots", "value": "2"}]},
        securityContext={"sysctls": [{"name": "net.ipv4.ip_unprivileged_port_start", "value": "79"}]},
    )  # fmt: skip

    lines = log(cluster, namespace, "named").splitlines()

    address = cluster.path("{.status.podIP}", "pod", "named", "-n", namespace)
    whole = f"box.shop.{namespace}.svc.cluster.local"
    assert lines[0] == whole
    assert f"{address}\t{whole}\tbox" in lines
    assert lines[lines.index("# Entries added by HostAliases.") + 1] == "192.0.2.7\tseven\tseven.example"
    assert lines[-4:] == ["nameserver 192.0.2.53", "search shop.example", "options ndots:2", "79"]


def test_a_setting_that_is_not_allowed_refuses_the_pod(cluster: Cluster, namespace: str) -> None:
    create(
        cluster, namespace, "tuned", shell("sleep 9"),
        securityContext={"sysctls": [{"name": "kernel.msgmax", "value": "65536"}]},
    )  # fmt: skip

    status = cluster.until(
        lambda: (found := cluster.get("pod", "tuned", "-n", namespace)["status"]).get("phase") == "Failed" and found,
        "it is refused",
    )
    why = 'forbidden sysctl: "kernel.msgmax" not allowlisted'
    assert (status["reason"], status["message"]) == ("SysctlForbidden", f"Pod was rejected: {why}")
    assert "SysctlForbidden" in cluster.kubectl("get", "pod", "tuned", "-n", namespace)
    assert why in cluster.kubectl("describe", "pod", "tuned", "-n", namespace)


def test_variables_come_from_a_file_that_an_init_container_wrote(cluster: Cluster, namespace: str) -> None:
    """In memory, too, where a subPath works as well; a missing cluster DNS is told; SIGINT ends who asked for it."""
    mount = [{"name": "v", "mountPath": "/v"}]
    write = "mkdir /v/d; echo \"WORD='two words'\" > /v/d/env; echo inner > /v/d/text"
    create(
        cluster, namespace, "filed",
        shell(
            "trap 'echo interrupted; exit 0' INT; echo $WORD; cat /text/text; while true; do sleep 0.1; done",
            volumeMounts=[{"name": "v", "mountPath": "/text", "subPath": "d"}],
            env=[{"name": "WORD",
                  "valueFrom": {"fileKeyRef": {"volumeName": "v", "path": "d/env", "key": "WORD"}}}],
            lifecycle={"stopSignal": "SIGINT"},
        ),
        initContainers=[{"name": "init", "image": "host", **shell(write, volumeMounts=mount)}],
        volumes=[{"name": "v", "emptyDir": {"medium": "Memory"}}], os={"name": "linux"},
        terminationGracePeriodSeconds=60, dnsPolicy="ClusterFirstWithHostNet",
    )  # fmt: skip
    cluster.until(
        lambda: cluster.kubectl("logs", "filed", "-n", namespace) == "two words\ninner\n", "it has what was written"
    )
    template = "{.status.containerStatuses[0].stopSignal}"
    assert cluster.path(template, "pod", "filed", "-n", namespace) == "SIGINT"

    cluster.kubectl("delete", "pod", "filed", "-n", namespace, "--wait", timeout=30)


def test_a_pod_is_reached_by_its_ports_on_the_node(cluster: Cluster, namespace: str) -> None:
    """On every address, or on one alone; not any more once it is gone. Another pod has the same port elsewhere."""
    own = cluster.get("node", "one")["status"]["addresses"][0]["address"]

    def serve(name: str, **port: object) -> None:
        answer = f"mkdir /tmp/w && cd /tmp/w && echo {name} > index.html && exec python3 -m http.server 8080"
        create(cluster, namespace, name, shell(answer, ports=[{"containerPort": 8080, **port}]))

    def answers(at: str, name: str) -> bool:
        return cluster.fetch(f"http://{at}").stdout == f"{name}\n"

    serve("all", hostPort=18080)
    serve("inside", hostPort=18081, hostIP="127.0.0.1")
    serve("outside", hostPort=18081, hostIP=own)
    wanted = [(f"{at}:18080", "all") for at in ("127.0.0.1", own)]
    for at, name in [*wanted, ("127.0.0.1:18081", "inside"), (f"{own}:18081", "outside")]:
        cluster.until(partial(answers, at, name), f"{name} answers at {at}")

    cluster.kubectl("delete", "pod", "all", "-n", namespace, "--now")
    cluster.until(lambda: cluster.fetch("http://127.0.0.1:18080").returncode == 7, "its port is closed again")
