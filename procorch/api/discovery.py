"""What there is: /api, /apis, one group version's resources, and all of it in one aggregated answer."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable

import orjson

from procorch.api import subresources
from procorch.api.accept import clauses
from procorch.api.request import JSON, Request, Response
from procorch.api.routes import not_found
from procorch.kinds.kind import Kind
from procorch.objects import Object

_AGGREGATED = ("apidiscovery.k8s.io", "v2", "APIGroupDiscoveryList")
AGGREGATED = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"


class Discovery:
    """Made once of the kinds: bytes and ETags."""

    def __init__(self, kinds: Iterable[Kind], server_address: str) -> None:
        self._kinds = list(kinds)
        self._versions: dict[str, dict[str, list[Kind]]] = {}
        for kind in self._kinds:
            self._versions.setdefault(kind.group, {}).setdefault(kind.version, []).append(kind)
        core = list(self._versions.get("", {}))
        addresses = [{"clientCIDR": "0.0.0.0/0", "serverAddress": server_address}]
        self._plain: dict[str, bytes] = {
            "/api": _dump({"kind": "APIVersions", "versions": core, "serverAddressByClientCIDRs": addresses}),
            "/apis": _dump({"kind": "APIGroupList", "apiVersion": "v1",
                            "groups": [self._group(group) for group in self._versions if group]}),
        }  # fmt: skip
        for group, versions in self._versions.items():
            if group:
                self._plain[f"/apis/{group}"] = _dump({"kind": "APIGroup", "apiVersion": "v1", **self._group(group)})
            for members in versions.values():
                prefix = members[0].prefix
                self._plain[prefix] = _dump({
                    "kind": "APIResourceList",
                    "apiVersion": "v1",
                    "groupVersion": members[0].api_version,
                    "resources": [row for kind in members for row in _resources(kind)],
                })  # fmt: skip
        self._aggregated = {
            "/api": _tagged(self._aggregate([""])),
            "/apis": _tagged(self._aggregate([group for group in self._versions if group])),
        }

    @property
    def paths(self) -> list[str]:
        return list(self._plain)

    def has(self, group: str) -> bool:
        return f"/apis/{group}" in self._plain

    def answer(self, path: str, request: Request) -> Response:
        """Raises NotFound. With If-None-Match of the present ETag: 304."""
        if path in self._aggregated and _is_aggregated(request.headers.get("accept", "")):
            body, tag = self._aggregated[path]
            headers = {"ETag": tag, "Vary": "Accept", "Content-Type": AGGREGATED, "Cache-Control": "public"}
            if tag in (one.strip() for one in request.headers.get("if-none-match", "").split(",")):
                return Response(304, headers)
            return Response(200, headers, body)
        found = self._plain.get(path)
        if found is None:
            raise not_found()
        return Response(200, {"Content-Type": JSON}, found)

    def _group(self, group: str) -> Object:
        versions = [{"groupVersion": f"{group}/{version}", "version": version} for version in self._versions[group]]
        return {"name": group, "versions": versions, "preferredVersion": versions[0]}

    def _aggregate(self, groups: list[str]) -> Object:
        items = []
        for group in groups:
            versions = [
                {
                    "version": version,
                    "resources": [_aggregated(kind) for kind in members if "/" not in kind.plural],
                    "freshness": "Current",
                }
                for version, members in self._versions.get(group, {}).items()
            ]
            metadata: Object = {"name": group} if group else {}
            items.append({"metadata": metadata, "versions": versions})
        return {
            "kind": "APIGroupDiscoveryList",
            "apiVersion": "apidiscovery.k8s.io/v2",
            "metadata": {},
            "items": items,
        }


def _resources(kind: Kind) -> Iterable[Object]:
    row: Object = {
        "name": kind.plural,
        "singularName": kind.singular or kind.name.lower(),
        "namespaced": kind.namespaced,
        "kind": kind.name,
        "verbs": sorted(kind.verbs),
    }
    if kind.short_names:
        row["shortNames"] = list(kind.short_names)
    if kind.categories:
        row["categories"] = list(kind.categories)
    if "list" in kind.verbs:
        row["storageVersionHash"] = _storage_hash(kind.storage)
    yield row
    for name, sub, answered in _subresources(kind):
        extra = {} if answered is kind else {"group": answered.group, "version": answered.version}
        yield {
            "name": f"{kind.plural}/{name}",
            "singularName": "",
            "namespaced": kind.namespaced,
            **extra,
            "kind": answered.name,
            "verbs": list(sub.verbs),
        }


def _aggregated(kind: Kind) -> Object:
    row: Object = {
        "resource": kind.plural,
        "responseKind": _response_kind(kind),
        "scope": "Namespaced" if kind.namespaced else "Cluster",
        "singularResource": kind.singular or kind.name.lower(),
        "verbs": sorted(kind.verbs),
    }
    if kind.short_names:
        row["shortNames"] = list(kind.short_names)
    if kind.categories:
        row["categories"] = list(kind.categories)
    if below := _subresources(kind):
        row["subresources"] = [
            {"subresource": name, "responseKind": _response_kind(answered), "verbs": list(sub.verbs)}
            for name, sub, answered in below
        ]
    return row


def _is_aggregated(accept: str) -> bool:
    """Whether the clause that a client prefers, of those that can be served, asks for all in one answer."""
    for media, options in clauses(accept):
        if media in (JSON, "*/*", "application/*"):
            asked = tuple(options.get(name) for name in ("g", "v", "as"))
            if asked == _AGGREGATED:
                return True
            if asked == (None, None, None):
                return False
    return False


def _storage_hash(kind: Kind) -> str:
    """Source: apiserver pkg/endpoints/discovery/storageversionhash.go."""
    digest = hashlib.sha256(f"{kind.group}/{kind.version}/{kind.name}".encode()).digest()
    return base64.b64encode(digest[:8]).decode()


def _answered(kind: Kind, name: str) -> Kind:
    """The kind that a subresource takes or gives."""
    if name == "proxy":
        return Kind(f"{kind.name}ProxyOptions", "", group=kind.group)
    return subresources.TABLE[name].kind or kind


def _subresources(kind: Kind) -> list[tuple[str, subresources.Subresource, Kind]]:
    return [
        (name, subresources.TABLE[name], _answered(kind, name))
        for name in sorted(kind.subresources)
        if name in subresources.TABLE
    ]


def _response_kind(kind: Kind) -> Object:
    return {"group": kind.group, "kind": kind.name, "version": kind.version}


def _dump(obj: Object) -> bytes:
    return orjson.dumps(obj) + b"\n"


def _tagged(obj: Object) -> tuple[bytes, str]:
    body = _dump(obj)
    return body, f'"{hashlib.sha256(body).hexdigest().upper()}"'
