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

NODE_RESOLV_CONF = Path("/etc/resolv.conf")
MOST_NAMESERVERS = 3


@dataclass(frozen=True, slots=True)
class Dns:
    """How a node's pods find names. servers: the cluster's; empty: the node's own are asked."""

    domain: str = "cluster.local"
    servers: tuple[str, ...] = ()


def hostname_of(pod: Object, node_name: str) -> str:
    """The name that the pod's processes see. On the host's network it is the host's."""
    if get(pod, ".spec.hostNetwork"):
        return node_name
    name = get(pod, ".spec.hostname") or pod["metadata"]["name"]
    return str(name)[:63].rstrip("-.")


def domain_of(pod: Object, dns: Dns) -> str:
    """The pod's domain where it names a subdomain; else nothing."""
    subdomain = get(pod, ".spec.subdomain")
    return f"{subdomain}.{pod['metadata']['namespace']}.svc.{dns.domain}" if subdomain else ""


def hosts_text(pod: Object, hostname: str, addresses: Sequence[str], dns: Dns) -> str:
    """/etc/hosts of a pod that has its own network."""
    lines = [
        "# Kubernetes-managed hosts file.",
        "127.0.0.1\tlocalhost",
        "::1\tlocalhost ip6-localhost ip6-loopback",
        "fe00::\tip6-localnet",
        "fe00::\tip6-mcastprefix",
        "fe00::1\tip6-allnodes",
        "fe00::2\tip6-allrouters",
    ]
    domain = domain_of(pod, dns)
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
    policy = get(pod, ".spec.dnsPolicy", "ClusterFirst")
    own = _parsed(node)
    if policy == "None":
        servers, searches, options = list[str](), list[str](), list[str]()
    elif policy == "Default" or (policy == "ClusterFirst" and get(pod, ".spec.hostNetwork")):
        servers, searches, options = own
    else:
        namespace = pod["metadata"]["namespace"]
        servers = list(dns.servers) or own[0]
        searches = [f"{namespace}.svc.{dns.domain}", f"svc.{dns.domain}", dns.domain, *own[1]]
        options = ["ndots:5"]
    config = get(pod, ".spec.dnsConfig", {})
    servers = _unique([*servers, *(config.get("nameservers") or [])])[:MOST_NAMESERVERS]
    searches = _unique([*searches, *(config.get("searches") or [])])
    for row in config.get("options") or []:
        options = [one for one in options if one.partition(":")[0] != row["name"]]
        options.append(f"{row['name']}:{row['value']}" if row.get("value") is not None else row["name"])
    lines = [f"nameserver {server}" for server in servers]
    lines += [f"search {' '.join(searches)}"] if searches else []
    lines += [f"options {' '.join(options)}"] if options else []
    return "".join(f"{line}\n" for line in lines)


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


def _unique(words: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(words))


def write(pod: Object, directory: Path, node_name: str, addresses: Sequence[str], dns: Dns) -> list[Mount]:
    """Writes the files into `directory` and says how they are mounted."""
    directory.mkdir(parents=True, exist_ok=True)
    hostname = hostname_of(pod, node_name)
    try:
        node = NODE_RESOLV_CONF.read_text()
    except OSError:
        node = ""
    texts = {"hostname": f"{hostname}\n", "resolv.conf": resolv_text(pod, dns, node)}
    if not get(pod, ".spec.hostNetwork"):
        texts["hosts"] = hosts_text(pod, hostname, addresses, dns)
    for name, text in texts.items():
        path = directory / name
        if not path.exists() or path.read_text() != text:
            path.write_text(text)  # in place: it is bind-mounted, and a new file would not be seen
            path.chmod(0o644)
    return [Mount(f"/etc/{name}", directory / name) for name in texts]
