"""Server-side apply: a configuration is merged in, and its manager has exactly the fields of which it speaks.

Source of the rules and words: the documentation of server-side apply, apimachinery pkg/util/managedfields, and
sigs.k8s.io/structured-merge-diff (merge/update.go).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import orjson

from procorch.api import go
from procorch.api.fieldmanager import entries
from procorch.api.fieldmanager.changes import Changes, in_words_of, kind_at
from procorch.api.fieldmanager.entries import APPLY, UPDATE, Entry, Identity, Managed
from procorch.api.fieldmanager.fieldset import FieldSet, difference, intersection, members, ordered
from procorch.api.fieldmanager.schema import shape_of, written_shape
from procorch.clock import timestamp
from procorch.kinds.kind import Kind
from procorch.kinds.metadata import ANNOTATIONS_LIMIT
from procorch.objects import BadRequest, Conflict, Object

LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
KUBECTL = "kubectl"  # the one manager that may go on where its client-side apply has stopped
BEFORE = "before-first-apply"  # who has what was there when nobody had kept track yet

_Found = list[tuple[Entry, FieldSet]]


@dataclass(frozen=True, slots=True)
class Apply:
    """One apply request. kind: as asked. now: seconds since the epoch."""

    manager: str
    force: bool
    kind: Kind
    subresource: str
    now: float

    def check(self, config: object) -> Object:
        """The body, if it can be applied. Raises BadRequest."""
        if not isinstance(config, dict):
            what = f"json: cannot unmarshal {go.json_type_of(config)} into Go value of type map[string]interface {{}}"
            raise BadRequest.of(f"error decoding YAML: error unmarshaling JSON: while decoding JSON: {what}")
        version, name = config.get("apiVersion") or "", config.get("kind") or ""
        if version != self.kind.api_version:
            said = f"Specified patch version: {version}, expected: {self.kind.api_version}"
            raise BadRequest.of(f"Incorrect version specified in apply patch. {said}")
        if name != self.kind.name:
            raise BadRequest.of(f"the kind in the apply patch ({name}) does not match the expected ({self.kind.name})")
        metadata = config.get("metadata")
        if isinstance(metadata, dict) and metadata.get("managedFields") is not None:
            raise BadRequest.of("metadata.managedFields must be nil")
        problems = list(shape_of(self.kind).check(config, ""))
        if problems:
            text = problems[0] if len(problems) == 1 else "errors:\n  " + "\n  ".join(problems[:20])
            raise BadRequest.of(f"failed to create typed patch object ({_named(config)}): {text}")
        return config

    def to(self, live: Object | None, config: Object) -> Object:
        """The object that the configuration makes of the one that stands, None for none; both in the asked words.

        The result shares parts of both, which stay as they are. Raises Conflict where other managers object.
        """
        managed = self.standing(live)
        before = {} if live is None else _unmanaged(live)
        fields = ordered(written_shape(self.kind, self.subresource).applied(config) or {})
        mine = Entry(self.manager, APPLY, self.kind.api_version, fields, self.subresource, timestamp(self.now))
        last = managed.get(mine.identity)
        wanted = {**managed, mine.identity: mine}
        obj = shape_of(self.kind).merged(before, config)
        if last is not None:
            left = self._pruned(obj, last, wanted)
            if left is not obj:  # what is emptied goes, but not where the configuration has it empty
                obj = shape_of(self.kind).merged(left, config)
        changes = Changes(self.kind, self.subresource, before, obj)
        if not self.force and (found := changes.conflicts(managed, mine.identity)):
            if self.manager == KUBECTL and live is not None:
                found = self._not_taken_over(found, live)
            if found:
                raise conflict(found)
        after = changes.released(wanted, mine.identity)
        if not fields:
            del after[mine.identity]
        elif obj == before and _facts(after) == _facts(managed) and last is not None:
            after[mine.identity] = replace(mine, time=last.time)
        obj = {**obj, "metadata": dict(obj.get("metadata") or {})}
        entries.write(obj, after)
        return _with_last_applied(obj, config) if self.manager == KUBECTL else obj

    def standing(self, live: Object | None) -> Managed:
        """Who manages what before this; where nobody has kept track, that is one manager's."""
        if live is None:
            return {}
        managed = entries.read(live["metadata"].get("managedFields"), trusted=True)
        if managed:
            return managed
        there = ordered(written_shape(self.kind, self.subresource).compared({}, live)[0] or {})
        entry = Entry(BEFORE, UPDATE, self.kind.api_version, there, self.subresource, timestamp(self.now))
        return {entry.identity: entry}

    def _pruned(self, obj: Object, last: Entry, wanted: Managed) -> Object:
        """Without what this manager has applied before, does not apply now, and nobody else manages."""
        kind = kind_at(self.kind, last.api_version)
        if kind is None:
            return obj
        shape = shape_of(kind)
        owned = entries.owned(entry for entry in wanted.values() if entry.api_version == last.api_version)
        if not difference(last.fields, owned):
            return obj
        gone = difference(shape.named(last.fields), shape.named(owned))
        left = in_words_of(shape.without(in_words_of(obj, self.kind, kind), gone) or {}, kind, self.kind)
        for version in {entry.api_version for entry in wanted.values()} - {last.api_version}:
            if (other := kind_at(self.kind, version)) is not None:
                left = self._given_back(obj, left, other, wanted)
        return left

    def _given_back(self, obj: Object, left: Object, kind: Kind, wanted: Managed) -> Object:
        """`left` with what was pruned of `obj`, but is managed by somebody in the words of another apiVersion."""
        shape = shape_of(kind)
        whole, part = (in_words_of(one, self.kind, kind) for one in (obj, left))
        owned = entries.owned(entry for entry in wanted.values() if entry.api_version == kind.api_version)
        missed = intersection(owned, shape.compared(whole, part)[1] or {})
        if not missed:
            return left
        others = difference(shape.named(shape.applied(whole) or {}), shape.named(missed))
        return in_words_of(shape.merged(part, shape.without(whole, others) or {}), kind, self.kind)

    def _not_taken_over(self, found: _Found, live: Object) -> _Found:
        """The conflicts that are not about what kubectl's client-side apply has set, and nobody changed since."""
        shape = shape_of(self.kind)
        try:
            before = orjson.loads((live["metadata"].get("annotations") or {}).get(LAST_APPLIED) or "")
            if before.get("apiVersion") != self.kind.api_version:
                return found
            touched, gone = shape.compared(before, live)
        except (ValueError, AttributeError, TypeError):
            return found
        own = difference(difference(shape.applied(before) or {}, touched or {}), gone or {})
        return [(entry, left) for entry, fields in found if (left := difference(fields, own))]


def _unmanaged(obj: Object) -> Object:
    metadata = {name: value for name, value in obj["metadata"].items() if name != "managedFields"}
    return {**obj, "metadata": metadata}


def _facts(managed: Managed) -> dict[Identity, tuple[str, FieldSet]]:
    return {identity: (entry.api_version, entry.fields) for identity, entry in managed.items()}


def _named(config: Object) -> str:
    """The object as Go prints it: `default/web; apps/v1, Kind=Deployment`."""
    metadata: Any = config.get("metadata") if isinstance(config.get("metadata"), dict) else {}
    group, _, version = config["apiVersion"].rpartition("/")
    return f"{metadata.get('namespace') or ''}/{metadata.get('name') or ''}; {group}/{version}, Kind={config['kind']}"


def _with_last_applied(obj: Object, config: Object) -> Object:
    """kubectl's own annotation follows, if the object has it: a client-side apply may come again."""
    annotations = obj["metadata"].get("annotations") or {}
    if LAST_APPLIED not in annotations:
        return obj
    metadata = dict(config.get("metadata") or {})
    if isinstance(metadata.get("annotations"), dict):
        metadata["annotations"] = {key: value for key, value in metadata["annotations"].items() if key != LAST_APPLIED}
        if not metadata["annotations"]:
            del metadata["annotations"]
    text = orjson.dumps({**config, "metadata": metadata}, option=orjson.OPT_SORT_KEYS).decode() + "\n"
    kept = {key: value for key, value in annotations.items() if key != LAST_APPLIED}
    if sum(len(key) + len(value) for key, value in kept.items()) + len(LAST_APPLIED) + len(text) <= ANNOTATIONS_LIMIT:
        kept[LAST_APPLIED] = text
    return {**obj, "metadata": {**obj["metadata"], "annotations": kept}}


def conflict(found: _Found) -> Conflict:
    """In the words that kubectl prints. Source: managedfields/internal/conflict.go."""
    rows = sorted(_rows(found))
    causes = [
        {"reason": "FieldManagerConflict", "message": f"conflict with {who}", "field": path} for who, path in rows
    ]
    if len(rows) == 1:
        text = f"Apply failed with 1 conflict: conflict with {rows[0][0]}: {rows[0][1]}"
    else:
        lines: list[str] = []
        for who, path in rows:
            head = f"conflicts with {who}:"
            if head not in lines:
                lines.append(head)
            lines.append(f"- {path}")
        text = f"Apply failed with {len(rows)} conflicts: " + "\n".join(lines)
    return Conflict(text, 409, "Conflict", {"causes": causes})


def _rows(found: _Found) -> Iterator[tuple[str, str]]:
    for entry, fields in found:
        for path in members(fields):
            yield entry.shown(), path
