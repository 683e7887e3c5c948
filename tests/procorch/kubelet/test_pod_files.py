"""/etc/hosts, /etc/hostname and /etc/resolv.conf of a pod."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from procorch.kubelet.pod_files import Dns, dns_problems, hostname_of, hosts_text, resolv_text, write

NODE = "nameserver 192.0.2.1\nsearch example.org\noptions edns0\n"
SEARCH = "search shop.svc.cluster.local svc.cluster.local cluster.local example.org"


def pod(**spec: Any) -> dict[str, Any]:
    return {"metadata": {"name": "web", "namespace": "shop"}, "spec": spec}


@pytest.mark.parametrize(
    ("spec", "dns", "lines"),
    [
        pytest.param(
            {},
            Dns(),
            NODE.splitlines(),
            id="cluster first, and the cluster has none",
        ),
        pytest.param(
            {}, Dns(servers=("10.96.0.10",)),
            ["nameserver 10.96.0.10", SEARCH, "options ndots:5"],
            id="the cluster's server",
        ),
        pytest.param({"dnsPolicy": "Default"}, Dns(servers=("10.96.0.10",)), NODE.splitlines(), id="as the node"),
        pytest.param({"hostNetwork": True}, Dns(servers=("10.96.0.10",)), NODE.splitlines(), id="the node's network"),
        pytest.param(
            {"dnsPolicy": "None", "dnsConfig": {"nameservers": ["1.2.3.4"], "options": [{"name": "a", "value": "1"}]}},
            Dns(), ["nameserver 1.2.3.4", "options a:1"], id="its own alone",
        ),
        pytest.param(
            {"dnsPolicy": "Default", "dnsConfig": {"searches": ["x"], "options": [{"name": "edns0"}]}},
            Dns(), ["nameserver 192.0.2.1", "search example.org x", "options edns0"], id="added to",
        ),
    ],
)  # fmt: skip
def test_resolv_conf(spec: dict[str, Any], dns: Dns, lines: list[str]) -> None:
    assert resolv_text(pod(**spec), dns, NODE).splitlines() == lines


@pytest.mark.parametrize(
    ("spec", "dns", "reasons"),
    [
        pytest.param({}, Dns(), [], id="the cluster has none, and every pod asks"),
        pytest.param({}, Dns(servers=("10.96.0.10",)), [], id="it has one"),
        pytest.param({"hostNetwork": True}, Dns(), [], id="nobody asked for it"),
        pytest.param({"hostNetwork": True, "dnsPolicy": "ClusterFirstWithHostNet"}, Dns(), ["MissingClusterDNS"],
                     id="in so many words"),
        pytest.param(
            {"dnsPolicy": "None", "dnsConfig": {"nameservers": ["1.1.1.1", "2.2.2.2", "3.3.3.3", "4.4.4.4"]}},
            Dns(), ["DNSConfigForming"], id="too many servers",
        ),
        pytest.param(
            {"dnsPolicy": "None", "dnsConfig": {"searches": [f"d{number}" for number in range(33)]}},
            Dns(), ["DNSConfigForming"], id="too many domains",
        ),
    ],
)  # fmt: skip
def test_what_a_pod_does_not_get_is_told(spec: dict[str, Any], dns: Dns, reasons: list[str]) -> None:
    wanted = pod(**spec)
    wanted["metadata"]["uid"] = "u"
    assert [reason for reason, _ in dns_problems(wanted, dns)] == reasons


def test_missing_dns_in_kubernetes_words() -> None:
    wanted = pod(dnsPolicy="ClusterFirstWithHostNet")
    wanted["metadata"]["uid"] = "u"

    assert dns_problems(wanted, Dns())[0][1] == (
        'pod: "web_shop(u)". kubelet does not have ClusterDNS IP configured and cannot create Pod using '
        '"ClusterFirstWithHostNet" policy. Falling back to "Default" policy.'
    )


@pytest.mark.parametrize(
    ("spec", "line"),
    [
        pytest.param({}, "10.240.0.2\tweb", id="its name"),
        pytest.param({"subdomain": "db"}, "10.240.0.2\tweb.db.shop.svc.cluster.local\tweb", id="in a domain"),
        pytest.param(
            {"subdomain": "db", "setHostnameAsFQDN": True}, "10.240.0.2\tweb.db.shop.svc.cluster.local\tweb", id="whole"
        ),
        pytest.param(
            {"hostnameOverride": "a.example", "subdomain": "db", "hostname": "x"}, "10.240.0.2\ta.example", id="another"
        ),
    ],
)  # fmt: skip
def test_hosts_has_the_pod_and_its_aliases(spec: dict[str, Any], line: str) -> None:
    wanted = pod(hostAliases=[{"ip": "1.2.3.4", "hostnames": ["a", "b"]}], **spec)

    lines = hosts_text(wanted, ["10.240.0.2"], Dns(), "").splitlines()

    assert line in lines
    assert lines[-2:] == ["# Entries added by HostAliases.", "1.2.3.4\ta\tb"]


def test_hosts_on_the_nodes_network_are_the_nodes() -> None:
    wanted = pod(hostNetwork=True, hostAliases=[{"ip": "1.2.3.4", "hostnames": ["a"]}])

    assert hosts_text(wanted, ["192.0.2.9"], Dns(), "127.0.0.1 localhost node\n").splitlines() == [
        "# Kubernetes-managed hosts file (host network).",
        "127.0.0.1 localhost node",
        "",
        "# Entries added by HostAliases.",
        "1.2.3.4\ta",
    ]


@pytest.mark.parametrize(
    ("spec", "name"),
    [
        ({}, "web"),
        ({"hostname": "other"}, "other"),
        ({"hostNetwork": True}, "node"),
        ({"hostname": "h", "subdomain": "db"}, "h"),
        ({"hostname": "h", "subdomain": "db", "setHostnameAsFQDN": True}, "h.db.shop.svc.cluster.local"),
        ({"setHostnameAsFQDN": True}, "web"),
        ({"hostnameOverride": "a.example", "hostname": "h", "subdomain": "db"}, "a.example"),
    ],
)
def test_a_host_name(spec: dict[str, Any], name: str) -> None:
    assert hostname_of(pod(**spec), "node", Dns()) == name


def test_a_pods_name_is_cut_to_a_host_name() -> None:
    assert hostname_of({"metadata": {"name": "x" * 62 + "-y"}, "spec": {}}, "node", Dns()) == "x" * 62


def test_files_are_changed_in_place(tmp_path: Path) -> None:
    """They are bind-mounted: a new file would not be seen by the pod."""
    write(pod(), tmp_path, "node", ["10.240.0.2"], Dns())
    before = (tmp_path / "hosts").stat().st_ino

    mounts = write(pod(), tmp_path, "node", ["10.240.0.3"], Dns())

    assert (tmp_path / "hosts").stat().st_ino == before
    assert "10.240.0.3\tweb" in (tmp_path / "hosts").read_text()
    assert [mount.target for mount in mounts] == ["/etc/hostname", "/etc/resolv.conf", "/etc/hosts"]
