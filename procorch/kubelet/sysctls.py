"""Which kernel settings a pod may have: those that are its namespaces' own and harm nobody, and what the node allows.

Source: Kubernetes' documentation "Using sysctls in a Kubernetes Cluster", and pkg/kubelet/sysctl for the words.
"""

from __future__ import annotations

from collections.abc import Iterable

from procorch.kinds.fields import part, rows
from procorch.objects import Object

FORBIDDEN = "SysctlForbidden"
SAFE = frozenset({
    "kernel.shm_rmid_forced",
    "net.ipv4.ip_local_port_range",
    "net.ipv4.ip_local_reserved_ports",
    "net.ipv4.ip_unprivileged_port_start",
    "net.ipv4.ping_group_range",
    "net.ipv4.tcp_fin_timeout",
    "net.ipv4.tcp_keepalive_intvl",
    "net.ipv4.tcp_keepalive_probes",
    "net.ipv4.tcp_keepalive_time",
    "net.ipv4.tcp_rmem",
    "net.ipv4.tcp_syncookies",
    "net.ipv4.tcp_wmem",
})  # fmt: skip
_NAMESPACED = {"kernel.sem": "ipc", "kernel.shm": "ipc", "kernel.msg": "ipc", "fs.mqueue.": "ipc", "net.": "net"}


def dotted(name: str) -> str:
    """As sysctl(8) reads a name: with a slash before any dot, slashes separate and dots are dots of names."""
    first = min((name.find(sign) for sign in "./" if sign in name), default=-1)
    if first < 0 or name[first] == ".":
        return name
    return name.translate(str.maketrans("./", "/."))


def namespace_of(name: str) -> str:
    """`ipc` or `net` where the setting, or all that a pattern with * at its end means, is a namespace's; else ""."""
    plain = name.removesuffix("*")
    return next((kind for prefix, kind in _NAMESPACED.items() if plain.startswith(prefix)), "")


def check_patterns(patterns: Iterable[str]) -> str:
    """Why these cannot be allowed, in one line; nothing if they can."""
    for pattern in patterns:
        if not namespace_of(dotted(pattern)):
            return f'the sysctl "{pattern}" is not known to be namespaced: it would be the whole node\'s'
    return ""


def forbidden(pod: Object, allowed: Iterable[str]) -> str:
    """Why the node does not take the pod; nothing if it does. allowed: names, and patterns with * at their end."""
    spec = part(pod, "spec")
    exact = {dotted(one) for one in allowed if not one.endswith("*")} | SAFE
    prefixes = tuple(dotted(one).removesuffix("*") for one in allowed if one.endswith("*"))
    for row in rows(part(spec, "securityContext").get("sysctls")):
        name = dotted(str(row.get("name") or ""))
        kind = namespace_of(name)
        if kind == "net" and spec.get("hostNetwork"):
            return f'forbidden sysctl: "{name}" not allowed with host net enabled'
        if kind == "ipc" and spec.get("hostIPC"):
            return f'forbidden sysctl: "{name}" not allowed with host ipc enabled'
        if name not in exact and not name.startswith(prefixes or ("\0",)):
            return f'forbidden sysctl: "{name}" not allowlisted'
    return ""
