"""Static pods: manifests in a directory of the node are pods of this node, whatever any master says.

Such a pod is named by its manifest's name and the node's, and its uid is a digest of node, file and content: a file
that changes is another pod, and the old one ends before the new one begins. A file that cannot be read as a pod leaves
what ran of it as it was: only a file that is gone ends a pod.
Source: pkg/kubelet/config of Kubernetes (names, annotations, the toleration, and what a static pod may not refer to).
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import logging
import re
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson
import yaml

from procorch.clock import Clock
from procorch.kinds import KINDS, schema
from procorch.kinds.fields import part, rows
from procorch.kinds.podspec.mirror import MIRROR
from procorch.names import dns_label, dns_subdomain
from procorch.objects import Object, uid_of
from runtime.changes import Changes

logger = logging.getLogger(__name__)

HASH, SOURCE = "kubernetes.io/config.hash", "kubernetes.io/config.source"
SEEN = "kubernetes.io/config.seen"
LOOK_SECONDS = 20.0  # as the kubelet's fileCheckFrequency: also where the file system tells of no changes
WRITTEN_SECONDS = 0.1  # a file that is being written is not read half
MOST_BYTES = 10 << 20
_UID = re.compile(r"[0-9a-f]{32}")
_EVERYTHING = {"operator": "Exists", "effect": "NoExecute"}


class ManifestProblem(ValueError):
    """The file is no static pod; the text says why."""


def is_static(pod: Mapping[str, Any]) -> bool:
    """By its uid, which nobody can choose: those that the API makes have dashes."""
    return _UID.fullmatch(uid_of(pod)) is not None


class StaticPods:
    """The files of a directory as pods. path: the directory, or one file."""

    def __init__(self, path: Path, node_name: str) -> None:
        self.path = path
        self._node_name = node_name
        self._known: dict[Path, Object] = {}
        self._told: dict[Path, str] = {}

    @property
    def directory(self) -> Path:
        """Where to listen for changes."""
        return self.path if self.path.is_dir() else self.path.parent

    def read(self, now: float) -> dict[str, Object]:
        """uid → pod, as the files are now. Raises OSError where that cannot be told, which ends no pod."""
        found: dict[Path, Object] = {}
        for file in self._files():
            try:
                pod = static_pod(_text(file), file, self._node_name, now)
            except FileNotFoundError:
                continue  # gone since it was listed
            except (OSError, ManifestProblem) as error:
                self._tell(file, str(error))
                if file in self._known:
                    found[file] = self._known[file]
                continue
            self._told.pop(file, None)
            before = self._known.get(file)
            found[file] = before if before is not None and uid_of(before) == uid_of(pod) else pod
        self._known = found
        pods: dict[str, Object] = {}
        names: set[tuple[str, str]] = set()
        for file, pod in found.items():
            name = (pod["metadata"]["namespace"], pod["metadata"]["name"])
            if name in names:
                self._tell(file, f'another file has a pod "{name[1]}" in namespace {name[0]} already')
                continue
            names.add(name)
            pods[uid_of(pod)] = pod
        return pods

    async def follow(self, look: asyncio.Event, clock: Clock, told: Callable[[Mapping[str, Object]], None]) -> None:
        """Tells the pods until cancelled: at once where the directory changes or somebody sets `look`, else soon."""
        changes: Changes | None = None
        try:
            while True:
                look.clear()
                if changes is None:
                    with contextlib.suppress(OSError):  # there is no such directory yet
                        changes = Changes(self.directory, told=look.set)
                try:
                    told(self.read(clock()))
                except OSError as error:
                    logger.warning("manifests not read", extra={"path": str(self.path), "error": str(error)})
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(LOOK_SECONDS):
                        await look.wait()
                        await asyncio.sleep(WRITTEN_SECONDS)
        finally:
            if changes is not None:
                changes.close()

    def _files(self) -> list[Path]:
        if self.path.is_dir():
            return [file for file in sorted(self.path.iterdir()) if not file.name.startswith(".") and file.is_file()]
        return [self.path] if self.path.exists() else []

    def _tell(self, file: Path, why: str) -> None:
        if self._told.get(file) != why:
            self._told[file] = why
            logger.error("manifest not taken", extra={"file": str(file), "why": why})


def _text(file: Path) -> bytes:
    with file.open("rb") as opened:
        text = opened.read(MOST_BYTES + 1)
    if len(text) > MOST_BYTES:
        raise ManifestProblem(f"more than {MOST_BYTES >> 20} MiB")
    return text


def static_pod(text: bytes, file: Path, node_name: str, now: float) -> Object:
    """The pod of a manifest, YAML or JSON. Raises ManifestProblem."""
    pod = _decoded(text)
    metadata = pod["metadata"]
    name = f"{metadata.get('name') or ''}-{node_name}"
    namespace = metadata.get("namespace") or "default"
    for problem in (*dns_subdomain(name), *dns_label(namespace)):
        raise ManifestProblem(f"metadata: {problem}")
    content = orjson.dumps(pod, option=orjson.OPT_SORT_KEYS)
    digest = hashlib.md5(b"\0".join((node_name.encode(), str(file).encode(), content)), usedforsecurity=False)
    uid = digest.hexdigest()
    metadata |= {"name": name, "namespace": namespace, "uid": uid, "generation": 1}
    seen = datetime.fromtimestamp(now, UTC)
    annotations = {HASH: uid, SOURCE: "file", SEEN: seen.strftime("%Y-%m-%dT%H:%M:%S.%fZ")}
    metadata["annotations"] = {**(metadata.get("annotations") or {}), **annotations}
    metadata["annotations"].pop(MIRROR, None)
    metadata["creationTimestamp"] = seen.strftime("%Y-%m-%dT%H:%M:%SZ")
    spec = pod["spec"]
    spec["nodeName"] = node_name
    tolerations = spec.setdefault("tolerations", [])
    if _EVERYTHING not in tolerations:
        tolerations.append(dict(_EVERYTHING))
    kind = KINDS["Pod"]
    kind.default(pod)
    if causes := list(kind.validate(pod, None)):
        raise ManifestProblem("; ".join(f"{cause.field}: {cause.message}" for cause in causes[:5]))
    for what in _references(spec):
        raise ManifestProblem(f"static pods may not reference {what}")
    pod.pop("status", None)
    return pod


def _decoded(text: bytes) -> Object:
    """A Pod whose fields have the right types; unknown fields are left out. Raises ManifestProblem."""
    try:
        pod = yaml.load(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))  # JSON is YAML
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError) as error:
        raise ManifestProblem(f"neither YAML nor JSON: {' '.join(str(error).split())}") from None
    if not isinstance(pod, dict) or (pod.get("apiVersion"), pod.get("kind")) != ("v1", "Pod"):
        raise ManifestProblem("one object of apiVersion v1 and kind Pod is wanted")
    problems = schema.check(KINDS["Pod"], pod)
    if problems.errors:
        raise ManifestProblem(problems.errors[0].message)
    problems.prune()
    if not isinstance(pod.get("metadata"), dict) or not isinstance(pod.get("spec"), dict):
        raise ManifestProblem("metadata and spec are wanted")
    return pod


def _references(spec: Object) -> Iterator[str]:
    """What of the API's objects it needs: there need not be an API."""
    if spec.get("serviceAccountName"):
        yield "serviceaccounts"
    if rows(spec.get("imagePullSecrets")):
        yield "secrets"
    if rows(spec.get("resourceClaims")):
        yield "resourceclaims"
    for volume in rows(spec.get("volumes")):
        for source in (volume, *rows(part(volume, "projected").get("sources"))):
            for field, what in _VOLUMES.items():
                if source.get(field) is not None:
                    yield what
    for group in ("initContainers", "containers"):
        for container in rows(spec.get(group)):
            sources = [*rows(container.get("envFrom"))]
            sources += [part(variable, "valueFrom") for variable in rows(container.get("env"))]
            for source in sources:
                for field, what in _VARIABLES.items():
                    if source.get(field) is not None:
                        yield what


_VOLUMES = {
    "secret": "secrets",
    "configMap": "configmaps",
    "serviceAccountToken": "serviceaccounts",
    "clusterTrustBundle": "clustertrustbundles",
    "podCertificate": "podcertificaterequests",
    "persistentVolumeClaim": "persistentvolumeclaims",
    "ephemeral": "persistentvolumeclaims",
    "csi": "csidrivers",
}
_VARIABLES = {
    "secretRef": "secrets",
    "secretKeyRef": "secrets",
    "configMapRef": "configmaps",
    "configMapKeyRef": "configmaps",
}
