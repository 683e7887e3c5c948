"""What an object gets by its class, or by the default one: priority, overhead, storage, who serves an Ingress.

It needs the classes that there are, so it is not in the kinds.
Source: plugin/pkg/admission/{priority,runtimeclass,storage/storageclass/setdefault,network/defaultingressclass}.
"""

from __future__ import annotations

from collections.abc import Iterator

from procorch.api.cache import Cache, LostEntry
from procorch.kinds import KINDS, ingress, persistentvolume, priorityclass, storageclass
from procorch.kinds.fields import Fields, fill, labels, made, number, part, rows, text
from procorch.kinds.kind import Kind
from procorch.kinds.podspec.resources import quantity_of
from procorch.objects import Forbidden, Object


def assign(cache: Cache, kind: Kind, obj: Object) -> None:
    """Fills in what a new object gets. Raises Forbidden."""
    match kind.group, kind.name:
        case "", "Pod":
            _prioritise(cache, obj)
            _run_as(cache, obj)
        case "", "PersistentVolumeClaim":
            spec = part(obj, "spec")
            annotated = persistentvolume.BETA_CLASS in labels(obj["metadata"].get("annotations"))
            if spec.get("storageClassName") is None and not annotated:
                _name_class(spec, "storageClassName", cache, "StorageClass", storageclass.DEFAULT_MARKS)
        case "networking.k8s.io", "Ingress":
            spec = part(obj, "spec")
            annotated = ingress.CLASS_ANNOTATION in labels(obj["metadata"].get("annotations"))
            if spec.get("ingressClassName") is None and not annotated:
                _name_class(spec, "ingressClassName", cache, "IngressClass", (ingress.DEFAULT_CLASS,))


def check(cache: Cache, kind: Kind, obj: Object, old: Object | None) -> None:
    """What a valid object may not be, by its class or beside the other classes; old: None for a new one.

    Raises Forbidden.
    """
    match kind.group, kind.name:
        case "", "Pod" if old is None:
            _check_overhead(cache, obj)
        case "", "PersistentVolumeClaim" if old is not None:
            _check_growth(cache, obj, old)
        case "scheduling.k8s.io", "PriorityClass" if obj.get("globalDefault") is True:
            _check_default(cache, obj["metadata"].get("name", ""))


def _check_default(cache: Cache, name: str) -> None:
    """One PriorityClass is the default."""
    for other in _all(cache, "PriorityClass"):
        if other.get("globalDefault") is True and other["metadata"]["name"] != name:
            why = f"PriorityClass {other['metadata']['name']} is already marked as default. Only one default can exist"
            raise Forbidden.of("priorityclasses", name, why, "scheduling.k8s.io")


def _check_growth(cache: Cache, claim: Object, old: Object) -> None:
    """A claim grows where its class lets it. Source: plugin/pkg/admission/storage/persistentvolume/resize."""
    size, before = (quantity_of(part(one, "spec", "resources", "requests").get("storage")) for one in (claim, old))
    if size is None or before is None or size.amount <= before.amount:
        return
    entry = cache.shelf(KINDS["StorageClass"]).entries.get(persistentvolume.class_of(claim))
    if entry is None or isinstance(entry, LostEntry) or entry.object.get("allowVolumeExpansion") is not True:
        why = (
            "only dynamically provisioned pvc can be resized and the storageclass that provisions the pvc must "
            "support resize"
        )
        raise Forbidden.of("persistentvolumeclaims", claim["metadata"]["name"], why)


def _all(cache: Cache, name: str) -> Iterator[Object]:
    for entry in cache.shelf(KINDS[name]).entries.values():
        if not isinstance(entry, LostEntry):
            yield entry.object


def _name_class(spec: Fields, field: str, cache: Cache, name: str, marks: tuple[str, ...]) -> None:
    """Of several classes that are marked as default the newest counts, then the first by name."""
    marked = [
        one["metadata"]
        for one in _all(cache, name)
        if any(labels(one["metadata"].get("annotations")).get(mark) == "true" for mark in marks)
    ]
    marked.sort(key=lambda metadata: text(metadata.get("name")))
    marked.sort(key=lambda metadata: text(metadata.get("creationTimestamp")), reverse=True)
    if marked:
        spec[field] = marked[0]["name"]


def _prioritise(cache: Cache, pod: Object) -> None:
    """spec.priority and preemptionPolicy, by the class. Raises Forbidden for a class that is not there, or numbers
    that are not the class's."""
    spec = part(pod, "spec")
    name = text(spec.get("priorityClassName"))
    found = _class_of(cache, name) if name else priorityclass.default_of(_all(cache, "PriorityClass"))
    if name and found is None:
        raise _forbidden(pod, f"no PriorityClass with name {name} was found")
    value, policy = 0, priorityclass.PREEMPT
    if found is not None:
        spec["priorityClassName"] = found["metadata"]["name"]
        value = number(found.get("value")) or 0
        policy = text(found.get("preemptionPolicy")) or policy
    for field, words, wanted in (
        ("priority", "integer value of priority", value),
        ("preemptionPolicy", "string value of PreemptionPolicy", policy),
    ):
        given = spec.get(field)
        if given is not None and given != wanted:
            why = (
                f"the {words} ({given}) must not be provided in pod spec; "
                f"priority admission controller computed {wanted} from the given PriorityClass name"
            )
            raise _forbidden(pod, why)
        fill(spec, field, wanted)


def _run_as(cache: Cache, pod: Object) -> None:
    """What a pod gets by its RuntimeClass: overhead, and where it may run. Raises Forbidden.

    Source: plugin/pkg/admission/runtimeclass.
    """
    spec = part(pod, "spec")
    name, said = text(spec.get("runtimeClassName")), part(spec, "overhead")
    found: Object = {}
    if name:
        entry = cache.shelf(KINDS["RuntimeClass"]).entries.get(name)
        if entry is None or isinstance(entry, LostEntry):
            raise _forbidden(pod, f'pod rejected: RuntimeClass "{name}" not found')
        found = entry.object
    fixed = part(found, "overhead", "podFixed")
    if said and fixed and said != fixed:
        raise _forbidden(pod, "pod rejected: Pod's Overhead doesn't match RuntimeClass's defined Overhead")
    if fixed:
        spec["overhead"] = dict(fixed)
    for key, value in labels(part(found, "scheduling").get("nodeSelector")).items():
        if made(spec, "nodeSelector").setdefault(key, value) != value:
            where = f"[{key}] = "
            why = f"runtimeClass.scheduling.nodeSelector{where}{value}; pod.spec.nodeSelector{where}"
            raise _forbidden(pod, f"pod rejected: conflict: {why}{spec['nodeSelector'][key]}")
    tolerations = rows(spec.get("tolerations"))
    new = [dict(one) for one in rows(part(found, "scheduling").get("tolerations")) if one not in tolerations]
    if new:
        spec["tolerations"] = [*tolerations, *new]


def _check_overhead(cache: Cache, pod: Object) -> None:
    spec = part(pod, "spec")
    entry = cache.shelf(KINDS["RuntimeClass"]).entries.get(text(spec.get("runtimeClassName")))
    fixed = entry is not None and not isinstance(entry, LostEntry) and part(entry.object, "overhead", "podFixed")
    if part(spec, "overhead") and not fixed:
        raise _forbidden(pod, "pod rejected: Pod Overhead set without corresponding RuntimeClass defined Overhead")


def _class_of(cache: Cache, name: str) -> Object | None:
    entry = cache.shelf(KINDS["PriorityClass"]).entries.get(name)
    if entry is not None and not isinstance(entry, LostEntry):
        return entry.object
    return next((one for one in priorityclass.system_classes() if one["metadata"]["name"] == name), None)


def _forbidden(pod: Object, why: str) -> Forbidden:
    return Forbidden.of("pods", pod["metadata"].get("name", ""), why)
