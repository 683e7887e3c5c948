"""Which objects of a kind a list, a watch or a deletecollection is about."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from procorch.api.cache import Entry, Shelf
from procorch.api.routes import Route
from procorch.kinds.kind import Kind
from procorch.objects import BadRequest, labels_of
from procorch.selectors import FieldSelector, FieldTerm, LabelSelector


@dataclass(frozen=True, slots=True)
class Scope:
    """namespace: None for all. labels, fields: None where nothing is asked. name: the only one that can match."""

    kind: Kind
    namespace: str | None
    labels: LabelSelector | None
    fields: FieldSelector | None
    name: str | None

    @property
    def selects(self) -> bool:
        """Whether it leaves out objects of its namespace."""
        return self.labels is not None or self.fields is not None

    def has(self, entry: Entry) -> bool:
        """Whether the object matches the selectors (not: the namespace)."""
        if self.labels is not None and not self.labels.matches(labels_of(entry.object)):
            return False
        if self.fields is None:
            return True
        obj, kind = entry.object, self.kind
        return self.fields.matches(lambda field: kind.field_text(obj, field))

    def covers(self, key: str) -> bool:
        """Whether a `namespace/name` is in the namespace."""
        return self.namespace is None or key.startswith(f"{self.namespace}/")

    def entries(self, shelf: Shelf, after: str = "") -> Iterator[Entry]:
        """The matching objects in key order, behind the key `after`."""
        if self.name is not None and (self.namespace is not None or not self.kind.namespaced):
            entry = shelf.entries.get(f"{self.namespace}/{self.name}" if self.kind.namespaced else self.name)
            found = iter((entry,)) if entry is not None and entry.key > after else iter(())
        else:
            found = shelf.in_namespace(self.namespace, after)
        return filter(self.has, found) if self.selects else found


def scope_of(route: Route, query: Mapping[str, str]) -> Scope:
    """Raises BadRequest for a selector that cannot be read, or that asks for a field the kind does not have."""
    kind, name = route.kind, route.name
    assert kind is not None
    try:
        labels = LabelSelector.parse(query["labelSelector"]) if query.get("labelSelector") else None
        fields = FieldSelector.parse(query["fieldSelector"]) if query.get("fieldSelector") else None
        if fields is not None:
            for field in {term.field for term in fields.terms}:
                kind.check_field(field)
    except ValueError as error:
        raise BadRequest.of(str(error)) from None
    if name is not None and fields is None:  # /watch/…/name
        fields = FieldSelector((FieldTerm("metadata.name", True, name),))
    elif name is not None and fields is not None and fields.exact("metadata.name") != name:
        raise BadRequest.of("fieldSelector metadata.name doesn't match requested name")
    return Scope(kind, route.namespace if kind.namespaced else None, labels, fields, name)
