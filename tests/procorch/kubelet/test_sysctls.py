"""Kernel settings of pods: the safe ones, those that a node allows, and the words for the others."""

from __future__ import annotations

from typing import Any

import pytest

from procorch.kubelet.sysctls import check_patterns, dotted, forbidden


def pod(*names: str, **spec: Any) -> dict[str, Any]:
    return {"spec": {"securityContext": {"sysctls": [{"name": name, "value": "1"} for name in names]}, **spec}}


@pytest.mark.parametrize(
    ("names", "allowed", "spec", "why"),
    [
        pytest.param([], [], {}, "", id="none"),
        pytest.param(["kernel.shm_rmid_forced", "net.ipv4.tcp_syncookies"], [], {}, "", id="safe ones"),
        pytest.param(["net/ipv4/tcp_syncookies"], [], {}, "", id="written with slashes"),
        pytest.param(["kernel.msgmax"], [], {}, 'forbidden sysctl: "kernel.msgmax" not allowlisted', id="unsafe"),
        pytest.param(["kernel.msgmax"], ["kernel.msg*"], {}, "", id="allowed by a pattern"),
        pytest.param(["net.core.somaxconn"], ["net.core.somaxconn"], {}, "", id="allowed by name"),
        pytest.param(
            ["net.core.somaxconn2"], ["net.core.somaxconn"], {},
            'forbidden sysctl: "net.core.somaxconn2" not allowlisted',
            id="a name is no pattern",
        ),
        pytest.param(["vm.swappiness"], [], {}, 'forbidden sysctl: "vm.swappiness" not allowlisted', id="the node's"),
        pytest.param(
            ["net.ipv4.tcp_syncookies"], [], {"hostNetwork": True},
            'forbidden sysctl: "net.ipv4.tcp_syncookies" not allowed with host net enabled', id="on the node's network",
        ),
        pytest.param(
            ["kernel.shm_rmid_forced"], [], {"hostIPC": True},
            'forbidden sysctl: "kernel.shm_rmid_forced" not allowed with host ipc enabled', id="in the node's ipc",
        ),
    ],
)  # fmt: skip
def test_forbidden(names: list[str], allowed: list[str], spec: dict[str, Any], why: str) -> None:
    assert forbidden(pod(*names, **spec), allowed) == why


def test_names() -> None:
    assert dotted("net/ipv4/conf/eno2.100/rp_filter") == "net.ipv4.conf.eno2/100.rp_filter"
    assert dotted("net.ipv4.conf.eno2/100.rp_filter") == "net.ipv4.conf.eno2/100.rp_filter"


def test_only_namespaces_settings_can_be_allowed() -> None:
    assert check_patterns(["kernel.msg*", "net.*", "fs.mqueue.msg_max", "kernel.sem"]) == ""
    assert '"vm.*" is not known to be namespaced' in check_patterns(["kernel.sem", "vm.*"])
