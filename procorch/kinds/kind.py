"""What a resource kind is: a row of data that URLs, discovery, tables, defaults and validation all read."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from procorch.objects import Cause, Object

Cell = str | int | bool | None


@dataclass(frozen=True, slots=True)
class Column:
    """One column of `kubectl get`.

    value: a dotted path into the object, or a function of the object and of now (seconds since the epoch).
    priority: 0 is always shown, 1 with `-o wide`.
    type, format: as in a Table's columnDefinitions (`string`, `integer`, `date`; `name` for the first column).
    """

    name: str
    value: str | Callable[[Object, float], Cell]
    type: str = "string"
    priority: int = 0
    format: str = ""
    description: str = ""


def _nothing(obj: Object) -> None:
    return None


def _valid(obj: Object, old: Object | None) -> Iterable[Cause]:
    return ()


def _durable(old: Object, new: Object) -> bool:
    return False


@dataclass(frozen=True, slots=True)
class Kind:
    """A resource kind; every field is in Kubernetes' words.

    schema: the definition in the field tables; made from group, version and name where empty.
    default: fills in place what the client left out, as v1.37 does.
    validate: causes against `obj`; `old` is the object as it stands for an update, None for a create.
    fields: the field selectors beyond metadata.name and metadata.namespace: selector → how to read it as text.
    heartbeat: tells of an update (old, new) that it only refreshes times or counts and need not be a row on disk.
    grace: seconds of graceful deletion for this object; 0 deletes at once.
    orphans: a DELETE without a propagationPolicy leaves the dependents (core/v1 ReplicationController alone).
    generation: metadata.generation counts changes of the desired state.
    """

    name: str
    plural: str
    group: str = ""
    version: str = "v1"
    singular: str = ""
    short_names: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    namespaced: bool = True
    subresources: tuple[str, ...] = ()
    verbs: tuple[str, ...] = ("create", "delete", "deletecollection", "get", "list", "patch", "update", "watch")
    schema: str = ""
    default: Callable[[Object], object] = _nothing
    validate: Callable[[Object, Object | None], Iterable[Cause]] = _valid
    columns: tuple[Column, ...] = ()
    fields: Mapping[str, str | Callable[[Object], str]] | None = None
    heartbeat: Callable[[Object, Object], bool] = _durable
    grace: Callable[[Object], int] | None = None
    orphans: bool = False
    generation: bool = False

    @property
    def api_version(self) -> str:
        """`v1`, or `group/version`."""
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def prefix(self) -> str:
        """Where the kind's URLs begin: `/api/v1` or `/apis/group/version`."""
        return f"/apis/{self.group}/{self.version}" if self.group else f"/api/{self.version}"

    def path(self, namespace: str | None = None, name: str | None = None, subresource: str | None = None) -> str:
        """The URL path of the collection, of one object, or of a subresource."""
        steps = [self.prefix]
        if namespace and self.namespaced:
            steps += ["namespaces", namespace]
        steps.append(self.plural)
        if name:
            steps.append(name)
        if subresource:
            steps.append(subresource)
        return "/".join(steps)

    def store_key(self, namespace: str | None = None, name: str | None = None) -> str:
        """The key in the store: `/registry/[group/]plural/[namespace/]name`, with a trailing slash for a prefix."""
        steps = ["/registry", f"{self.group}/{self.plural}" if self.group else self.plural]
        if self.namespaced and namespace:
            steps.append(namespace)
        steps.append(name or "")
        return "/".join(steps)

