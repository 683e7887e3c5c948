"""/etc/hosts, /etc/hostname and /etc/resolv.conf of a pod."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from procorch.kubelet.pod_files import Dns, hostname_of, hosts_text, resolv_text, write

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
            ["nameserver 192.0.2.1", SEARCH, "options ndots:5"],
            id="cluster first, the node's servers",
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


def test_hosts_has_the_pod_and_its_aliases() -> None:
    wanted = pod(subdomain="db", hostAliases=[{"ip": "1.2.3.4", "hostnames": ["a", "b"]}])

    lines = hosts_text(wanted, "web", ["10.240.0.2"], Dns()).splitlines()

    assert "10.240.0.2\tweb.db.shop.svc.cluster.local\tweb" in lines
    assert lines[-2:] == ["# Entries added by HostAliases.", "1.2.3.4\ta\tb"]


def test_a_host_name_is_the_pods_own_unless_it_is_on_the_nodes_network() -> None:
    assert hostname_of(pod(), "node") == "web"
    assert hostname_of(pod(hostname="other"), "node") == "other"
    assert hostname_of(pod(hostNetwork=True), "node") == "node"
    assert hostname_of({"metadata": {"name": "x" * 62 + "-y"}, "spec": {}}, "node") == "x" * 62


def test_files_are_changed_in_place(tmp_path: Path) -> None:
    """They are bind-mounted: a new file would not be seen by the pod."""
    write(pod(), tmp_path, "node", ["10.240.0.2"], Dns())
    before = (tmp_path / "hosts").stat().st_ino

    mounts = write(pod(), tmp_path, "node", ["10.240.0.3"], Dns())

    assert (tmp_path / "hosts").stat().st_ino == before
    assert "10.240.0.3\tweb" in (tmp_path / "hosts").read_text()
    assert [mount.target for mount in mounts] == ["/etc/hostname", "/etc/resolv.conf", "/etc/hosts"]
