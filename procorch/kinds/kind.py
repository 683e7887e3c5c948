"""What a resource kind is: a row of data that URLs, discovery, tables, defaults and validation all read."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from procorch.names import NameFormat, dns_subdomain
from procorch.objects import Cause, Object, get

Cell = str | int | bool | None


@dataclass(frozen=True, slots=True)
class Column:
    """One column of `kubectl get`.

    value: a dotted path into the object, or a function of the object and of now (seconds since the epoch).
    A number that is missing shows as 0, other missing values as nothing; `cell` reads it.
    priority: 0 is always shown, 1 with `-o wide`.
    type, format: as in a Table's columnDefinitions (`string`, `integer`, `date`; `name` for the first column).
    """

    name: str
    value: str | Callable[[Object, float], Cell]
    type: str = "string"
    priority: int = 0
    format: str = ""
    description: str = ""

    def cell(self, obj: Object, now: float) -> Cell:
        """What stands in this column for the object."""
        if not isinstance(self.value, str):
            return self.value(obj, now)
        value = get(obj, self.value)
        if self.type == "integer":
            return value if isinstance(value, int) else 0
        return "" if value is None else str(value)


@dataclass(frozen=True, slots=True)
class Part:
    """How a write to a subresource (status, approval, resize …) is more than a write to its part of the object.

    prepare: what the server decides, in place: (the object, the object as it stands, the time as a timestamp).
    validate: causes, instead of the kind's own validation; None where that one holds.
    Both may meet values of any type: they do not raise.
    """

    prepare: Callable[[Object, Object, str], object] | None = None
    validate: Callable[[Object, Object], Iterable[Cause]] | None = None


#: What a status may not change of the metadata, for kinds whose status is nothing but that.
ALL_METADATA = ("labels", "annotations", "finalizers", "ownerReferences", "deletionTimestamp",
                "deletionGracePeriodSeconds", "generateName")  # fmt: skip


def _nothing(obj: Object) -> None:
    return None


def _prepared(obj: Object, old: Object | None) -> None:
    return None


def _valid(obj: Object, old: Object | None) -> Iterable[Cause]:
    return ()


def _silent(obj: Object, old: Object | None) -> Iterable[str]:
    return ()


def _unfinished(obj: Object) -> Object | None:
    return None


def _same(obj: Object) -> Object:
    return obj


def _durable(old: Object, new: Object) -> bool:
    return False


@dataclass(frozen=True, slots=True)
class Kind:
    """A resource kind; every field is in Kubernetes' words.

    schema: the definition in the field tables; made from group, version and name where empty.
    name_format: what is wrong with a name of this kind.
    default: fills in place what the client left out, as v1.37 does.
    prepare: what the server decides, in place, on create (old None) and update of the object itself, not of a
        subresource: the status is not the client's, allocated values stay.
    admit: what admission adds, in place, on create.
    validate: causes against `obj`; `old` is the object as it stands for an update, None for a create.
    parts: what is particular about writes to a subresource, by its name.
    warn: what is allowed and still probably not meant: the texts of Warning headers, of a valid object.
    default, prepare, admit, validate and warn may meet values of any type: they do not raise.
    finished: the condition of its row in a Table, by which clients tell what is over; None while it is not.
    fields: the field selectors beyond metadata.name and metadata.namespace: selector → how to read it as text.
    heartbeat: tells of an update (old, new) that it only refreshes times or counts and need not be a row on disk.
    grace: seconds of graceful deletion for this object; 0 deletes at once.
    orphans: a DELETE without a propagationPolicy leaves the dependents (ReplicationController and Job alone).
    orphans_warning: what such a DELETE is told in a Warning header.
    shows_deleted: a DELETE after which it is gone answers with the object once more, not with a Status.
    generation: metadata.generation counts changes of the desired state.
    counts_annotations: and those of the annotations (Deployment alone).
    counts_labels: and those of the labels (EndpointSlice alone).
    unconditional: a PUT need not say which version it has seen.
    put_creates: a PUT of an object that is not there makes it.
    status_keeps: fields of the metadata that a write of the status cannot change.
    guise_of: the kind whose objects these are, in other words: they are stored, defaulted, admitted and validated as
        that one, and `validate` is what this one asks beyond it. fields and columns read the stored object.
    shown, stored: of a guise, from the stored object to its own words and back; neither changes its argument.
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
    name_format: NameFormat = dns_subdomain
    default: Callable[[Object], object] = _nothing
    prepare: Callable[[Object, Object | None], object] = _prepared
    admit: Callable[[Object], object] = _nothing
    validate: Callable[[Object, Object | None], Iterable[Cause]] = _valid
    warn: Callable[[Object, Object | None], Iterable[str]] = _silent
    parts: Mapping[str, Part] = field(default_factory=dict)
    columns: tuple[Column, ...] = ()
    finished: Callable[[Object], Object | None] = _unfinished
    fields: Mapping[str, str | Callable[[Object], str]] | None = None
    heartbeat: Callable[[Object, Object], bool] = _durable
    grace: Callable[[Object], int] | None = None
    orphans: bool = False
    orphans_warning: str = ""
    shows_deleted: bool = False
    generation: bool = False
    counts_annotations: bool = False
    counts_labels: bool = False
    unconditional: bool = True
    put_creates: bool = False
    status_keeps: tuple[str, ...] = ()
    guise_of: Kind | None = None
    shown: Callable[[Object], Object] = _same
    stored: Callable[[Object], Object] = _same
    _stored_at: str = field(init=False, repr=False, compare=False)  # asked for by every request, several times

    def __post_init__(self) -> None:
        of = self.guise_of or self
        object.__setattr__(self, "_stored_at", f"/registry/{of.group}/{of.plural}/" if of.group else
                           f"/registry/{of.plural}/")  # fmt: skip

    @property
    def storage(self) -> Kind:
        """The kind as which its objects are stored."""
        return self.guise_of or self

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
        place = f"{namespace}/" if self.namespaced and namespace else ""
        return f"{self._stored_at}{place}{name or ''}"

    def check_field(self, field: str) -> None:
        """Whether the kind can be selected by this field; ValueError in Kubernetes' words where not."""
        if field == "metadata.name" or field in (self.fields or {}):
            return
        if field == "metadata.namespace" and (self.namespaced or self.fields is None):  # as those kinds were registered
            return
        if self.fields is None:
            raise ValueError(f'"{field}" is not a known field selector: only "metadata.name", "metadata.namespace"')
        raise ValueError(f"field label not supported: {field}")

    def field_text(self, obj: Object, field: str) -> str:
        """The field as a field selector compares it: unset is "", booleans `true` and `false`."""
        value = (self.fields or {}).get(field, f".{field}")
        if not isinstance(value, str):
            return value(obj)
        found = get(obj, value)
        if isinstance(found, bool):
            return "true" if found else "false"
        return "" if found is None else str(found)
