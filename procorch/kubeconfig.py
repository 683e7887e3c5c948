"""A kubeconfig file, read: where the API is and with which credentials to go there."""

from __future__ import annotations

import base64
import binascii
import os
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from procorch.pki import write_private
from procorch.transport import HttpTransport

SERVICE_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")


class KubeconfigError(ValueError):
    """The file cannot be used; the message says which entry is wrong."""


@dataclass(frozen=True, slots=True)
class Access:
    """One context of a kubeconfig, resolved.

    ca, certificate, key: PEM. server_name: what the server's certificate must say instead of the URL's host.
    """

    server: str
    namespace: str = "default"
    ca: bytes | None = None
    certificate: bytes | None = None
    key: bytes | None = None
    token: str | None = None
    insecure: bool = False
    server_name: str | None = None

    def ssl_context(self) -> ssl.SSLContext | None:
        """None for http; raises KubeconfigError for certificates that OpenSSL refuses."""
        if not self.server.startswith("https:"):
            return None
        try:
            context = ssl.create_default_context(cadata=self.ca.decode("ascii") if self.ca else None)
            if self.insecure:
                context.check_hostname = False
                context.verify_mode = ssl.CERT_NONE
            if self.certificate and self.key:
                _load_pair(context, self.certificate, self.key)
        except (ssl.SSLError, UnicodeDecodeError) as error:
            raise KubeconfigError(f"certificates for {self.server}: {error}") from error
        return context

    def transport(self) -> HttpTransport:
        return HttpTransport(self.server, self.ssl_context(), self.token, server_hostname=self.server_name)


def default_path(environ: Mapping[str, str] = os.environ) -> Path:
    """The first file named by $KUBECONFIG, else ~/.kube/config."""
    named = next((part for part in environ.get("KUBECONFIG", "").split(os.pathsep) if part), None)
    return Path(named) if named else Path.home() / ".kube" / "config"


def load(path: Path | str, context: str | None = None) -> Access:
    """The named context, else the file's current one.

    Raises OSError if it cannot be read, KubeconfigError if it cannot be used.
    """
    path = Path(path)
    try:
        config = yaml.safe_load(path.read_bytes())
    except yaml.YAMLError as error:
        raise KubeconfigError(f"{path}: not YAML: {error}") from error
    if not isinstance(config, dict):
        raise KubeconfigError(f"{path}: not a kubeconfig")
    name = context or config.get("current-context")
    if not name:
        raise KubeconfigError(f"{path}: current-context is not set")
    chosen = _entry(path, config, "contexts", "context", name)
    cluster = _entry(path, config, "clusters", "cluster", chosen.get("cluster"))
    user = _entry(path, config, "users", "user", chosen["user"]) if chosen.get("user") else {}
    if not cluster.get("server"):
        raise KubeconfigError(f"{path}: cluster {chosen.get('cluster')!r} has no server")
    for unsupported in ("exec", "auth-provider", "username"):
        if unsupported in user:
            raise KubeconfigError(f"{path}: user {chosen['user']!r}: {unsupported}: not supported")
    token = user.get("token")
    if not token and user.get("tokenFile"):
        token = (path.parent / user["tokenFile"]).read_text().strip()
    return Access(
        server=str(cluster["server"]),
        namespace=str(chosen.get("namespace") or "default"),
        ca=_pem(path, cluster, "certificate-authority"),
        certificate=_pem(path, user, "client-certificate"),
        key=_pem(path, user, "client-key"),
        token=token,
        insecure=bool(cluster.get("insecure-skip-tls-verify")),
        server_name=cluster.get("tls-server-name"),
    )


def in_cluster(directory: Path = SERVICE_ACCOUNT, environ: Mapping[str, str] = os.environ) -> Access:
    """What a pod knows of the API: a token, a CA and two environment variables. Raises OSError, KeyError."""
    host, port = environ["KUBERNETES_SERVICE_HOST"], environ["KUBERNETES_SERVICE_PORT"]
    return Access(
        server=f"https://[{host}]:{port}" if ":" in host else f"https://{host}:{port}",
        namespace=(directory / "namespace").read_text().strip(),
        ca=(directory / "ca.crt").read_bytes(),
        token=(directory / "token").read_text().strip(),
    )


def from_kubeconfig(path: Path | str, context: str | None = None) -> HttpTransport:
    """A transport with the file's credentials; errors as `load`."""
    return load(path, context).transport()


def _entry(path: Path, config: Mapping[str, Any], table: str, field: str, name: object) -> dict[str, Any]:
    for row in config.get(table) or []:
        if isinstance(row, dict) and row.get("name") == name:
            return row.get(field) or {}
    raise KubeconfigError(f"{path}: no entry {name!r} in {table}")


def _pem(path: Path, table: Mapping[str, Any], field: str) -> bytes | None:
    """The bytes given inline (`field-data`, base64) or by file name, relative to the kubeconfig."""
    if inline := table.get(f"{field}-data"):
        try:
            return base64.b64decode(inline, validate=True)
        except (binascii.Error, ValueError) as error:
            raise KubeconfigError(f"{path}: {field}-data: not base64") from error
    if name := table.get(field):
        return (path.parent / str(name)).read_bytes()
    return None


def _load_pair(context: ssl.SSLContext, certificate: bytes, key: bytes) -> None:
    """OpenSSL's binding reads keys only from files: give it one that is in memory and has no name on any disk."""
    fd = os.memfd_create("procorch-client-key", os.MFD_CLOEXEC)
    try:
        with open(fd, "wb", closefd=False) as file:
            file.write(certificate.rstrip() + b"\n" + key)
        context.load_cert_chain(f"/proc/self/fd/{fd}")
    finally:
        os.close(fd)


def document(name: str, access: Access, user: str) -> dict[str, Any]:
    """A kubeconfig with one cluster, one user and one context, all called `name` and current."""
    cluster: dict[str, Any] = {"server": access.server}
    if access.ca:
        cluster["certificate-authority-data"] = base64.b64encode(access.ca).decode()
    credentials: dict[str, Any] = {}
    if access.certificate and access.key:
        credentials["client-certificate-data"] = base64.b64encode(access.certificate).decode()
        credentials["client-key-data"] = base64.b64encode(access.key).decode()
    if access.token:
        credentials["token"] = access.token
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": name, "cluster": cluster}],
        "users": [{"name": user, "user": credentials}],
        "contexts": [{"name": name, "context": {"cluster": name, "user": user}}],
        "current-context": name,
    }


def write(path: Path, config: Mapping[str, Any]) -> None:
    """The whole file or nothing, readable by its owner alone."""
    write_private(path, yaml.safe_dump(config, sort_keys=False).encode())


def merge(target: Path, source: Path) -> None:
    """Put the clusters, users and contexts of `source` into `target` and make its current context the current one.

    Entries of the same name are replaced, all others stay. Raises KubeconfigError for a target that is no kubeconfig.
    """
    added = yaml.safe_load(source.read_bytes())
    try:
        config = yaml.safe_load(target.read_bytes()) or {}
    except FileNotFoundError:
        config = {"apiVersion": "v1", "kind": "Config"}
    except yaml.YAMLError as error:
        raise KubeconfigError(f"{target}: not YAML: {error}") from error
    if not isinstance(config, dict):
        raise KubeconfigError(f"{target}: not a kubeconfig")
    for table in ("clusters", "users", "contexts"):
        names = {row["name"] for row in added[table]}
        config[table] = [row for row in config.get(table) or [] if row.get("name") not in names] + added[table]
    config["current-context"] = added["current-context"]
    write(target, config)
