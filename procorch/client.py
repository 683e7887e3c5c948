"""One client of the API, for controllers, agents and the command line alike.

Every write's answer is handed to `on_write`, so that an informer of the same process knows the new object before its
watch brings it: what a write returns is therefore shared and must not be changed (`copy.deepcopy` it first).
"""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

import orjson

from procorch import answers
from procorch.kinds import KINDS
from procorch.kinds.kind import Kind
from procorch.managed_fields import split
from procorch.objects import ApiError, Object, get, split_key
from procorch.transport import Answer, HttpTransport, StreamAnswer, Transport, Unreachable

__all__ = ["Answer", "Client", "HttpTransport", "Items", "StreamAnswer", "Transport", "Unreachable"]

JSON = "application/json"
TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json"
PATCHES = {
    "merge": "application/merge-patch+json",
    "json": "application/json-patch+json",
    "strategic": "application/strategic-merge-patch+json",
    "apply": "application/apply-patch+yaml",
}
_WARNING = re.compile(r'\d{3} \S+ "((?:[^"\\]|\\.)*)"')

WriteHook = Callable[[Kind, Object, bool], None]
"""(kind, object as it now stands, gone): called after each write of this client."""


@dataclass(frozen=True, slots=True)
class Items:
    """A LIST. continue_token: not empty where the server has more; remaining: how many, if it says so."""

    objects: list[Object]
    resource_version: str
    continue_token: str = ""
    remaining: int | None = None


@dataclass(slots=True)
class Client:
    """Verbs over one transport. `kind` is a name (`"Pod"`) or a Kind; a key is `namespace/name` or `name`.

    Every verb raises ApiError's classes for what the API refuses, and Unreachable when there is no answer.
    query: parameters beyond those of the verb (`dryRun`, `fieldManager`, `fieldValidation` …).
    on_warning: gets the texts of the API's Warning headers.
    """

    transport: Transport
    user_agent: str = "procorch"
    on_warning: Callable[[str], None] | None = None
    on_write: list[WriteHook] = field(default_factory=list)

    # Reading

    async def get(self, kind: str | Kind, key: str, *, query: Mapping[str, str] | None = None) -> Object:
        return answers.object_of(await self.raw("GET", _path(kind, key), query=query))

    async def items(
        self,
        kind: str | Kind,
        namespace: str | None = None,
        label_selector: str = "",
        field_selector: str = "",
        limit: int | None = None,
        continue_token: str = "",
        resource_version: str | None = None,
        *,
        query: Mapping[str, str] | None = None,
    ) -> Items:
        """The objects of one namespace, or of all. With `limit` at most that many: go on with continue_token."""
        kind = kind_of(kind)
        asked = _chosen(label_selector, field_selector, query)
        if limit is not None:
            asked["limit"] = str(limit)
        if continue_token:
            asked["continue"] = continue_token
        if resource_version is not None:
            asked["resourceVersion"] = resource_version
        found = answers.object_of(await self.raw("GET", kind.path(namespace), query=asked))
        objects: list[Object] = found.get("items") or []
        for obj in objects:  # Kubernetes leaves these two out of a list's rows
            obj.setdefault("apiVersion", kind.api_version)
            obj.setdefault("kind", kind.name)
        metadata = found.get("metadata") or {}
        return Items(
            objects,
            str(metadata.get("resourceVersion", "")),
            metadata.get("continue") or "",
            metadata.get("remainingItemCount"),
        )

    async def table(
        self,
        kind: str | Kind,
        namespace: str | None = None,
        name: str | None = None,
        *,
        label_selector: str = "",
        field_selector: str = "",
        include_object: str = "Metadata",
        query: Mapping[str, str] | None = None,
    ) -> Object:
        """A meta.k8s.io/v1 Table, as `kubectl get` shows it. include_object: None, Metadata or Object."""
        asked = _chosen(label_selector, field_selector, query) | {"includeObject": include_object}
        path = kind_of(kind).path(namespace, name)
        return answers.object_of(await self.raw("GET", path, query=asked, headers={"Accept": TABLE}))

    async def watch(
        self,
        kind: str | Kind,
        namespace: str | None = None,
        *,
        resource_version: str = "",
        label_selector: str = "",
        field_selector: str = "",
        bookmarks: bool = False,
        timeout: int | None = None,
        as_table: bool = False,
        managed_fields: bool = True,
        query: Mapping[str, str] | None = None,
    ) -> AsyncGenerator[tuple[str, Object], None]:
        """(ADDED | MODIFIED | DELETED | BOOKMARK, object) after resource_version, until the server ends it.

        managed_fields: False where they need not be decoded; they may be there all the same.
        timeout: seconds after which the server is asked to. Raises Expired when the version is compacted.
        """
        asked = _chosen(label_selector, field_selector, query) | {"watch": "true"}
        if resource_version:
            asked["resourceVersion"] = resource_version
        if bookmarks:
            asked["allowWatchBookmarks"] = "true"
        if timeout is not None:
            asked["timeoutSeconds"] = str(timeout)
        headers = self._headers({"Accept": TABLE if as_table else JSON})
        path = kind_of(kind).path(namespace)
        async with self.transport.stream("GET", path, query=asked, headers=headers) as answer:
            await answers.refused(answer)
            async for line in answers.lines_of(answer.chunks):
                try:
                    event = orjson.loads(line if managed_fields else split(line)[0])
                except orjson.JSONDecodeError as error:
                    raise Unreachable(f"the watch was cut off within an event: {error}") from error
                if event["type"] == "ERROR":
                    raise ApiError.from_status(event["object"])
                yield event["type"], event["object"]

    async def log(self, key: str, container: str = "", **options: str | int | bool) -> AsyncGenerator[bytes, None]:
        """A container's output in pieces. options: the API's follow, tailLines, sinceSeconds, timestamps, previous …"""
        asked = {name: str(value).lower() if isinstance(value, bool) else str(value) for name, value in options.items()}
        if container:
            asked["container"] = container
        headers = self._headers({"Accept": "*/*"})
        path = _path("Pod", key, "log")
        async with self.transport.stream("GET", path, query=asked, headers=headers) as answer:
            await answers.refused(answer)
            async for chunk in answer.chunks:
                yield chunk

    # Writing

    async def create(self, obj: Object, *, query: Mapping[str, str] | None = None) -> Object:
        """Raises AlreadyExists. metadata.generateName is honoured by the API."""
        kind = KINDS.of(obj)
        path = kind.path(_quoted(obj["metadata"].get("namespace")))
        answer = await self.raw("POST", path, query=query, body=orjson.dumps(obj))
        return self._wrote(kind, answers.object_of(answer), query)

    async def update(self, obj: Object, subresource: str = "", *, query: Mapping[str, str] | None = None) -> Object:
        """Replaces the object; raises Conflict where its resourceVersion is not the newest (none means any)."""
        kind = KINDS.of(obj)
        path = _path_of(kind, obj, subresource)
        answer = await self.raw("PUT", path, query=query, body=orjson.dumps(obj))
        return self._wrote(kind, answers.object_of(answer), query)

    async def update_status(self, obj: Object) -> Object:
        return await self.update(obj, "status")

    async def patch(
        self,
        kind: str | Kind,
        key: str,
        patch: Any,
        *,
        type: str = "merge",
        subresource: str = "",
        query: Mapping[str, str] | None = None,
    ) -> Object:
        """type: merge, json, strategic, or apply (then `query` names fieldManager, and `force`)."""
        kind = kind_of(kind)
        answer = await self.raw(
            "PATCH",
            _path(kind, key, subresource),
            query=query,
            headers={"Content-Type": PATCHES[type]},
            body=patch if isinstance(patch, bytes) else orjson.dumps(patch),
        )
        return self._wrote(kind, answers.object_of(answer), query)

    async def delete(
        self,
        kind: str | Kind,
        key: str,
        *,
        uid: str | None = None,
        grace: int | None = None,
        propagation: str | None = None,
        resource_version: str | None = None,
        query: Mapping[str, str] | None = None,
    ) -> Object:
        """The object as it stands now (still there while it ends gracefully or has finalizers), or a Status.

        uid, resource_version: preconditions, Conflict where they do not hold. grace: seconds.
        propagation: Background, Foreground or Orphan.
        """
        kind = kind_of(kind)
        options: Object = {"kind": "DeleteOptions", "apiVersion": "v1"}
        if uid is not None or resource_version is not None:
            preconditions = {"uid": uid, "resourceVersion": resource_version}
            options["preconditions"] = {name: value for name, value in preconditions.items() if value is not None}
        if grace is not None:
            options["gracePeriodSeconds"] = grace
        if propagation is not None:
            options["propagationPolicy"] = propagation
        body = orjson.dumps(options)
        answer = answers.object_of(await self.raw("DELETE", _path(kind, key), query=query, body=body))
        if query and "dryRun" in query:
            return answer
        if answer.get("kind") == "Status":
            namespace, name = split_key(key)
            gone_uid = (answer.get("details") or {}).get("uid") or uid
            if gone_uid:
                self._tell(kind, {"metadata": {"namespace": namespace, "name": name, "uid": gone_uid}}, True)
        else:
            self._tell(kind, answer, _is_gone(answer))
        return answer

    async def delete_all(
        self,
        kind: str | Kind,
        namespace: str | None = None,
        *,
        label_selector: str = "",
        field_selector: str = "",
        propagation: str | None = None,
    ) -> None:
        """DELETE on the collection. The informers hear of it by their watches only."""
        options: Object = {"kind": "DeleteOptions", "apiVersion": "v1"}
        if propagation is not None:
            options["propagationPolicy"] = propagation
        asked = _chosen(label_selector, field_selector, None)
        await self.raw("DELETE", kind_of(kind).path(namespace), query=asked, body=orjson.dumps(options))

    async def bind(self, key: str, node: str, uid: str | None = None) -> None:
        """Puts the pod onto the node; raises Conflict where it has one already or is another pod by now."""
        namespace, name = split_key(key)
        metadata: Object = {"namespace": namespace, "name": name}
        if uid:
            metadata["uid"] = uid
        binding = {
            "apiVersion": "v1",
            "kind": "Binding",
            "metadata": metadata,
            "target": {"apiVersion": "v1", "kind": "Node", "name": node},
        }
        await self.raw("POST", _path("Pod", key, "binding"), body=orjson.dumps(binding))

    # Beneath the verbs

    async def raw(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        body: bytes = b"",
    ) -> Answer:
        """Any request; raises the ApiError of any answer from 400 on."""
        sent = self._headers(headers or {})
        if body and "Content-Type" not in sent:
            sent["Content-Type"] = JSON
        answer = await self.transport.send(method, path, query=query or {}, headers=sent, body=body)
        if self.on_warning is not None and "warning" in answer.headers:
            for text in _WARNING.findall(answer.headers["warning"]):
                self.on_warning(re.sub(r"\\(.)", r"\1", text))
        if answer.status >= 400:
            raise answers.error_of(answer.status, answer.headers, answer.body)
        return answer

    async def download(self, path: str) -> AsyncIterator[bytes]:
        """A body of any size, as it comes. Raises ApiError, Unreachable."""
        async with self.transport.stream("GET", path, headers=self._headers({"Accept": "*/*"})) as answer:
            await answers.refused(answer)
            async for chunk in answer.chunks:
                yield chunk

    async def progress(self, method: str, path: str) -> AsyncGenerator[Object, None]:
        """What is told, piece by piece, of a request that takes its time. Raises ApiError, Unreachable."""
        async with self.transport.stream(method, path, headers=self._headers({})) as answer:
            await answers.refused(answer)
            async for line in answers.lines_of(answer.chunks):
                yield orjson.loads(line)

    def _headers(self, more: Mapping[str, str]) -> dict[str, str]:
        return {"Accept": JSON, "User-Agent": self.user_agent, **more}

    def _wrote(self, kind: Kind, obj: Object, query: Mapping[str, str] | None) -> Object:
        # A subresource may answer with another kind (scale), a dry run with what was never stored.
        if obj.get("kind") == kind.name and not (query and "dryRun" in query):
            self._tell(kind, obj, _is_gone(obj) and "deletionTimestamp" in obj["metadata"])
        return obj

    def _tell(self, kind: Kind, obj: Object, gone: bool) -> None:
        for hook in self.on_write:
            hook(kind, obj, gone)


def kind_of(kind: str | Kind) -> Kind:
    """KeyError for a name that is not registered."""
    return KINDS[kind] if isinstance(kind, str) else kind


def _is_gone(obj: Object) -> bool:
    """Of an object that DELETE answered with: was that its end, or does it live on for its grace or finalizers?"""
    metadata = obj["metadata"]
    if metadata.get("finalizers") or (obj.get("kind") == "Namespace" and get(obj, ".spec.finalizers")):
        return False
    return "deletionTimestamp" not in metadata or not metadata.get("deletionGracePeriodSeconds")


def _quoted(part: str | None) -> str | None:
    return quote(part, safe=":@!$&'()*+,;=") if part else None


def _path(kind: str | Kind, key: str, subresource: str = "") -> str:
    namespace, name = split_key(key)
    return kind_of(kind).path(_quoted(namespace), _quoted(name), subresource or None)


def _path_of(kind: Kind, obj: Object, subresource: str = "") -> str:
    metadata = obj["metadata"]
    return kind.path(_quoted(metadata.get("namespace")), _quoted(metadata["name"]), subresource or None)


def _chosen(label_selector: str, field_selector: str, query: Mapping[str, str] | None) -> dict[str, str]:
    asked = dict(query or {})
    if label_selector:
        asked["labelSelector"] = label_selector
    if field_selector:
        asked["fieldSelector"] = field_selector
    return asked
