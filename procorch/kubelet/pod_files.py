"""The three files that every container of a pod finds in /etc: hosts, hostname and resolv.conf.

Source of what stands in them: Kubernetes' documentation "Adding entries to Pod /etc/hosts" and "DNS for Services and
Pods", and the kubelet's getHostname: a host name is at most 63 characters.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from procorch.objects import Object, get
from runtime import Mount

NODE_RESOLV_CONF, NODE_HOSTS = Path("/etc/resolv.conf"), Path("/etc/hosts")
MOST_NAMESERVERS, MOST_SEARCHES = 3, 32
MOST_HOSTNAME = 64  # Linux' __NEW_UTS_LEN


@dataclass(frozen=True, slots=True)
class Dns:
    """How a node's pods find names. servers: the cluster's; empty: the node's own are asked."""

    domain: str = "cluster.local"
    servers: tuple[str, ...] = ()


def hostname_of(pod: Object, node_name: str, dns: Dns) -> str:
    """The name that the pod's processes see. On the host's network it is the host's.

    With setHostnameAsFQDN it may be longer than MOST_HOSTNAME, which the kernel does not take.
    """
    if get(pod, ".spec.hostNetwork"):
        return node_name
    if (name := get(pod, ".spec.hostnameOverride")) is not None:
        return str(name)[:MOST_HOSTNAME]
    short = _short_name(pod)
    domain = domain_of(pod, dns)
    return f"{short}.{domain}" if domain and get(pod, ".spec.setHostnameAsFQDN") else short


def _short_name(pod: Object) -> str:
    name = get(pod, ".spec.hostname") or pod["metadata"]["name"]
    return str(name)[:63].rstrip("-.")


def domain_of(pod: Object, dns: Dns) -> str:
    """The pod's domain where it names a subdomain; else nothing, as with a hostnameOverride."""
    subdomain = get(pod, ".spec.subdomain") if get(pod, ".spec.hostnameOverride") is None else None
    return f"{subdomain}.{pod['metadata']['namespace']}.svc.{dns.domain}" if subdomain else ""


def hosts_text(pod: Object, addresses: Sequence[str], dns: Dns, node: str) -> str:
    """/etc/hosts: the pod's own, or on the node's network the node's with the pod's aliases. node: the node's."""
    if get(pod, ".spec.hostNetwork"):
        head = f"# Kubernetes-managed hosts file (host network).\n{node}"
        return head + "".join(f"{line}\n" for line in _aliases(pod))
    lines = [
        "# Kubernetes-managed hosts file.",
        "127.0.0.1\tlocalhost",
        "::1\tlocalhost ip6-localhost ip6-loopback",
        "fe00::\tip6-localnet",
        "fe00::\tip6-mcastprefix",
        "fe00::1\tip6-allnodes",
        "fe00::2\tip6-allrouters",
    ]
    domain, hostname = domain_of(pod, dns), get(pod, ".spec.hostnameOverride") or _short_name(pod)
    names = f"{hostname}.{domain}\t{hostname}" if domain else hostname
    lines += [f"{address}\t{names}" for address in addresses]
    return "\n".join([*lines, *_aliases(pod)]) + "\n"


def _aliases(pod: Object) -> list[str]:
    rows = get(pod, ".spec.hostAliases", [])
    if not rows:
        return []
    entries = ["\t".join([row["ip"], *(row.get("hostnames") or [])]) for row in rows]
    return ["", "# Entries added by HostAliases.", *entries]


def resolv_text(pod: Object, dns: Dns, node: str) -> str:
    """/etc/resolv.conf. node: the text of the node's own."""
    servers, searches, options = _resolver(pod, dns, node)
    lines = [f"nameserver {server}" for server in servers[:MOST_NAMESERVERS]]
    lines += [f"search {' '.join(searches[:MOST_SEARCHES])}"] if searches else []
    lines += [f"options {' '.join(options)}"] if options else []
    return "".join(f"{line}\n" for line in lines)


def dns_problems(pod: Object, dns: Dns) -> list[tuple[str, str]]:
    """(reason, message) of the events that tell where a pod does not get what it asked for.

    Unlike a kubelet, without a cluster DNS only who wrote ClusterFirstWithHostNet is told: ClusterFirst is what every
    pod has that asked for nothing, and a warning that all have is read by none.
    """
    found = []
    policy, metadata = get(pod, ".spec.dnsPolicy", "ClusterFirst"), pod["metadata"]
    if policy == "ClusterFirstWithHostNet" and not dns.servers:
        where = f"{metadata['name']}_{metadata['namespace']}({metadata['uid']})"
        message = f'pod: "{where}". kubelet does not have ClusterDNS IP configured and cannot create Pod using '
        found.append(("MissingClusterDNS", f'{message}"{policy}" policy. Falling back to "Default" policy.'))
    servers, searches, _ = _resolver(pod, dns, _node_text(NODE_RESOLV_CONF))
    if len(servers) > MOST_NAMESERVERS:
        message = (
            "Nameserver limits were exceeded, some nameservers have been omitted, the applied nameserver line is: "
        )
        found.append(("DNSConfigForming", message + " ".join(servers[:MOST_NAMESERVERS])))
    if len(searches) > MOST_SEARCHES:
        message = "Search Line limits were exceeded, some search paths have been omitted, the applied search line is: "
        found.append(("DNSConfigForming", message + " ".join(searches[:MOST_SEARCHES])))
    return found


def _asks_cluster(pod: Object) -> bool:
    policy = get(pod, ".spec.dnsPolicy", "ClusterFirst")
    return policy == "ClusterFirstWithHostNet" or (policy == "ClusterFirst" and not get(pod, ".spec.hostNetwork"))


def _resolver(pod: Object, dns: Dns, node: str) -> tuple[list[str], list[str], list[str]]:
    """Servers, search domains and options, however many. A cluster without a DNS of its own has the node's."""
    if get(pod, ".spec.dnsPolicy") == "None":
        servers, searches, options = list[str](), list[str](), list[str]()
    else:
        servers, searches, options = _parsed(node)
        if _asks_cluster(pod) and dns.servers:
            namespace = pod["metadata"]["namespace"]
            servers = list(dns.servers)
            searches = [f"{namespace}.svc.{dns.domain}", f"svc.{dns.domain}", dns.domain, *searches]
            options = ["ndots:5"]
    config = get(pod, ".spec.dnsConfig", {})
    for row in config.get("options") or []:
        options = [one for one in options if one.partition(":")[0] != row["name"]]
        options.append(f"{row['name']}:{row['value']}" if row.get("value") is not None else row["name"])
    servers = _unique([*servers, *(config.get("nameservers") or [])])
    return servers, _unique([*searches, *(config.get("searches") or [])]), options


def _parsed(text: str) -> tuple[list[str], list[str], list[str]]:
    servers: list[str] = []
    searches: list[str] = []
    options: list[str] = []
    for line in text.splitlines():
        words = line.split("#")[0].split(";")[0].split()
        match words[:1]:
            case ["nameserver"] if len(words) > 1:
                servers.append(words[1])
            case ["search"] | ["domain"]:
                searches = words[1:]
            case ["options"]:
                options += words[1:]
    return servers, searches, options


def _node_text(path: Path) -> str:
    try:
        return path.read_text(errors="replace")
    except OSError:
        return ""


def _unique(words: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(words))


def write(pod: Object, directory: Path, node_name: str, addresses: Sequence[str], dns: Dns) -> list[Mount]:
    """Writes the files into `directory` and says how they are mounted."""
    directory.mkdir(parents=True, exist_ok=True)
    texts = {
        "hostname": f"{hostname_of(pod, node_name, dns)}\n",
        "resolv.conf": resolv_text(pod, dns, _node_text(NODE_RESOLV_CONF)),
        "hosts": hosts_text(pod, addresses, dns, _node_text(NODE_HOSTS)),
    }
    for name, text in texts.items():
        path = directory / name
        if not path.exists() or path.read_text() != text:
            path.write_text(text)  # in place: it is bind-mounted, and a new file would not be seen
            path.chmod(0o644)
    return [Mount(f"/etc/{name}", directory / name) for name in texts]
