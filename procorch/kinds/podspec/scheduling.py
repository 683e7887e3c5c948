"""What a pod asks of its node: tolerations, affinities, spreading, gates.

Source: pkg/apis/core/validation (ValidateTolerations, validateAffinity, validateTopologySpreadConstraints…).
"""

from __future__ import annotations

from collections.abc import Iterator

from procorch.kinds.fields import Fields, indexed, labels, mapping, number, part, rows, text, texts
from procorch.kinds.metadata import validate_labels
from procorch.names import dns_label, dns_subdomain, label_key, label_value
from procorch.objects import Cause, Struct

EFFECTS = ("NoSchedule", "PreferNoSchedule", "NoExecute")
_REQUIRED, _PREFERRED = (
    "requiredDuringSchedulingIgnoredDuringExecution",
    "preferredDuringSchedulingIgnoredDuringExecution",
)
_ONE_VALUE = "must be specified when `operator` is 'In' or 'NotIn'"
_NO_VALUE = "may not be specified when `operator` is 'Exists' or 'DoesNotExist'"


def validate_affinity(spec: Fields, path: str) -> Iterator[Cause]:
    """spec.affinity."""
    affinity = part(spec, "affinity")
    yield from _node_affinity(part(affinity, "nodeAffinity"), f"{path}.nodeAffinity")
    for name in ("podAffinity", "podAntiAffinity"):
        yield from _pod_affinity(part(affinity, name), f"{path}.{name}")


def validate_placement(spec: Fields, path: str) -> Iterator[Cause]:
    """Gates before the scheduler may look, and how it spreads."""
    gates: set[str] = set()
    for where, gate in indexed(spec.get("schedulingGates"), f"{path}.schedulingGates"):
        name = text(gate.get("name"))
        for message in label_key(name):
            yield Cause.invalid(where, name, message)
        if name in gates:
            yield Cause.duplicate(where, name)
        gates.add(name)
    yield from _spreading(spec.get("topologySpreadConstraints"), f"{path}.topologySpreadConstraints")


def validate_tolerations(value: object, path: str) -> Iterator[Cause]:
    for where, toleration in indexed(value, path):
        key, operator, one = (text(toleration.get(field)) for field in ("key", "operator", "value"))
        effect = text(toleration.get("effect"))
        if key:
            for message in label_key(key):
                yield Cause.invalid(f"{where}.key", key, message)
        elif operator != "Exists":
            yield Cause.invalid(
                f"{where}.operator",
                operator,
                'operator must be Exists when `key` is empty, which means "match all values and all keys"',
            )
        if toleration.get("tolerationSeconds") is not None and effect != "NoExecute":
            yield Cause.invalid(f"{where}.effect", effect, "effect must be 'NoExecute' when `tolerationSeconds` is set")
        yield from _toleration_value(operator, one, f"{where}.operator")
        if effect and effect not in EFFECTS:
            yield Cause.unsupported(f"{where}.effect", effect, EFFECTS)


def _toleration_value(operator: str, value: str, path: str) -> Iterator[Cause]:
    if operator in ("", "Equal"):
        if messages := label_value(value):
            yield Cause.invalid(path, value, ";".join(messages))
    elif operator == "Exists":
        if value:
            yield Cause.invalid(path, value, "value must be empty when `operator` is 'Exists'")
    else:
        yield Cause.unsupported(path, operator, ("Equal", "Exists"))


def validate_taints(value: object, path: str) -> Iterator[Cause]:
    """A node's spec.taints."""
    seen: set[tuple[str, str]] = set()
    for where, taint in indexed(value, path):
        key, one, effect = (text(taint.get(field)) for field in ("key", "value", "effect"))
        for message in label_key(key):
            yield Cause.invalid(f"{where}.key", key, message)
        if messages := label_value(one):
            yield Cause.invalid(f"{where}.value", one, ";".join(messages))
        if not effect:
            yield Cause.required(f"{where}.effect")
        elif effect not in EFFECTS:
            yield Cause.unsupported(f"{where}.effect", effect, EFFECTS)
        if (key, effect) in seen:
            shown = Struct(Key=key, Value=one, Effect=effect, TimeAdded=taint.get("timeAdded"))
            duplicate = Cause.duplicate(where, shown)
            detail = "taints must be unique by key and effect pair"
            yield Cause(where, f"{duplicate.message}: {detail}", duplicate.reason)
        seen.add((key, effect))


def validate_selector(selector: object, path: str) -> Iterator[Cause]:
    """A {matchLabels, matchExpressions}."""
    yield from validate_labels(mapping(selector).get("matchLabels"), f"{path}.matchLabels")
    for where, row in indexed(mapping(selector).get("matchExpressions"), f"{path}.matchExpressions"):
        yield from _expression(row, where, ("In", "NotIn", "Exists", "DoesNotExist"), check_values=True)


def _expression(row: Fields, path: str, operators: tuple[str, ...], *, check_values: bool) -> Iterator[Cause]:
    operator, values = text(row.get("operator")), texts(row.get("values"))
    if operator not in operators:
        yield Cause.invalid(f"{path}.operator", operator, "not a valid selector operator")
    elif operator in ("In", "NotIn") and not values:
        yield Cause.required(f"{path}.values", _ONE_VALUE)
    elif operator in ("Exists", "DoesNotExist") and values:
        yield Cause.forbidden(f"{path}.values", _NO_VALUE)
    elif operator in ("Gt", "Lt") and len(values) != 1:
        yield Cause.required(f"{path}.values", "must be specified single value when `operator` is 'Lt' or 'Gt'")
    for message in label_key(text(row.get("key"))):
        yield Cause.invalid(f"{path}.key", text(row.get("key")), message)
    for index, value in enumerate(values if check_values else ()):
        for message in label_value(value):
            yield Cause.invalid(f"{path}.values[{index}]", value, message)


def _node_affinity(affinity: Fields, path: str) -> Iterator[Cause]:
    required = affinity.get(_REQUIRED)
    if isinstance(required, dict):
        yield from validate_node_selector(required, f"{path}.{_REQUIRED}")
    for one, preferred in indexed(affinity.get(_PREFERRED), f"{path}.{_PREFERRED}"):
        yield from _weight(preferred, one)
        yield from _node_term(part(preferred, "preference"), f"{one}.preference", check_values=False)


def validate_node_selector(selector: Fields, path: str) -> Iterator[Cause]:
    """A {nodeSelectorTerms}: of a pod's affinity, of a volume."""
    where = f"{path}.nodeSelectorTerms"
    if not rows(selector.get("nodeSelectorTerms")):
        yield Cause.required(where, "must have at least one node selector term")
    for one, term in indexed(selector.get("nodeSelectorTerms"), where):
        yield from _node_term(term, one, check_values=True)


def _node_term(term: Fields, path: str, *, check_values: bool) -> Iterator[Cause]:
    operators = ("In", "NotIn", "Exists", "DoesNotExist", "Gt", "Lt")
    for where, row in indexed(term.get("matchExpressions"), f"{path}.matchExpressions"):
        yield from _expression(row, where, operators, check_values=check_values)
    for where, row in indexed(term.get("matchFields"), f"{path}.matchFields"):
        if row.get("operator") not in ("In", "NotIn"):
            yield Cause.invalid(f"{where}.operator", text(row.get("operator")), "not a valid selector operator")
        elif len(texts(row.get("values"))) != 1:
            yield Cause.required(
                f"{where}.values", "must be only one value when `operator` is 'In' or 'NotIn' for node field selector"
            )
        if row.get("key") != "metadata.name":
            yield Cause.invalid(f"{where}.key", text(row.get("key")), "not a valid field selector key")
        else:
            for index, value in enumerate(texts(row.get("values"))):
                for message in dns_subdomain(value):
                    yield Cause.invalid(f"{where}.values[{index}]", value, message)


def _weight(row: Fields, path: str) -> Iterator[Cause]:
    weight = number(row.get("weight")) or 0
    if not 1 <= weight <= 100:
        yield Cause.invalid(f"{path}.weight", weight, "must be in the range 1-100")


def _pod_affinity(affinity: Fields, path: str) -> Iterator[Cause]:
    for where, term in indexed(affinity.get(_REQUIRED), f"{path}.{_REQUIRED}"):
        yield from _pod_term(term, where)
    for where, preferred in indexed(affinity.get(_PREFERRED), f"{path}.{_PREFERRED}"):
        yield from _weight(preferred, where)
        yield from _pod_term(part(preferred, "podAffinityTerm"), f"{where}.podAffinityTerm")


def _pod_term(term: Fields, path: str) -> Iterator[Cause]:
    yield from validate_selector(term.get("labelSelector"), f"{path}.labelSelector")
    yield from validate_selector(term.get("namespaceSelector"), f"{path}.namespaceSelector")
    for namespace in texts(term.get("namespaces")):
        for message in dns_label(namespace):
            yield Cause.invalid(f"{path}.namespace", namespace, message)
    yield from _label_keys(term, path)
    topology = text(term.get("topologyKey"))
    if not topology:
        yield Cause.required(f"{path}.topologyKey", "can not be empty")
    for message in label_key(topology):
        yield Cause.invalid(f"{path}.topologyKey", topology, message)


def _label_keys(owner: Fields, path: str) -> Iterator[Cause]:
    """matchLabelKeys and mismatchLabelKeys: labels whose values are taken from the pod itself."""
    selector = owner.get("labelSelector")
    wanted, others = texts(owner.get("matchLabelKeys")), texts(owner.get("mismatchLabelKeys"))
    for field, keys in (("matchLabelKeys", wanted), ("mismatchLabelKeys", others)):
        if keys and not isinstance(selector, dict):
            yield Cause.forbidden(f"{path}.{field}", "must not be specified when labelSelector is not set")
            continue
        for index, key in enumerate(keys):
            for message in label_key(key):
                yield Cause.invalid(f"{path}.{field}[{index}]", key, message)
    selected = set(labels(mapping(selector).get("matchLabels")))
    for row in rows(mapping(selector).get("matchExpressions")):
        key = text(row.get("key"))
        if key in wanted and key in selected:  # the key itself has become an expression when the pod was made
            at = len(wanted) - 1 - wanted[::-1].index(key)
            yield Cause.invalid(f"{path}[{at}]", key, "exists in both matchLabelKeys and labelSelector")
        selected.add(key)
    for index, key in enumerate(wanted):
        if key in others:
            message = "exists in both matchLabelKeys and mismatchLabelKeys"
            yield Cause.invalid(f"{path}.matchLabelKeys[{index}]", key, message)


def add_label_keys(pod: Fields) -> None:
    """What matchLabelKeys and mismatchLabelKeys ask, by the pod's own labels, goes into the selectors.

    Source: pkg/registry/core/pod/strategy.go (mutatePodAffinity, mutateTopologySpreadConstraints).
    """
    own = labels(part(pod, "metadata").get("labels"))
    affinity = part(pod, "spec", "affinity")
    terms = rows(part(pod, "spec").get("topologySpreadConstraints"))
    for name in ("podAffinity", "podAntiAffinity"):
        terms += rows(part(affinity, name).get(_REQUIRED))
        terms += [part(row, "podAffinityTerm") for row in rows(part(affinity, name).get(_PREFERRED))]
    for term in terms:
        selector = term.get("labelSelector")
        for field, operator in (("matchLabelKeys", "In"), ("mismatchLabelKeys", "NotIn")):
            for key in texts(term.get(field)) if isinstance(selector, dict) else ():
                if key in own:
                    expressions = mapping(selector).setdefault("matchExpressions", [])
                    if isinstance(expressions, list):
                        expressions.append({"key": key, "operator": operator, "values": [own[key]]})


def _spreading(value: object, path: str) -> Iterator[Cause]:
    pairs = [(text(row.get("topologyKey")), text(row.get("whenUnsatisfiable"))) for row in rows(value)]
    for index, (where, row) in enumerate(indexed(value, path)):
        skew, topology, action = (
            number(row.get("maxSkew")) or 0,
            text(row.get("topologyKey")),
            text(row.get("whenUnsatisfiable")),
        )
        if skew <= 0:
            yield Cause.invalid(f"{where}.maxSkew", skew, "must be greater than zero")
        if not topology:
            yield Cause.required(f"{where}.topologyKey", "can not be empty")
        if action not in ("DoNotSchedule", "ScheduleAnyway"):
            yield Cause.unsupported(f"{where}.whenUnsatisfiable", action, ("DoNotSchedule", "ScheduleAnyway"))
        if (topology, action) in pairs[index + 1 :]:
            yield Cause.duplicate(f"{where}.{{topologyKey, whenUnsatisfiable}}", f"{{{topology}, {action}}}")
        domains = number(row.get("minDomains"))
        if domains is not None and domains <= 0:
            yield Cause.invalid(f"{where}.minDomains", domains, "must be greater than zero")
        if domains is not None and action != "DoNotSchedule":
            yield Cause.invalid(
                f"{where}.minDomains",
                domains,
                f"can only use minDomains if whenUnsatisfiable=DoNotSchedule, not {action}",
            )
        for field in ("nodeAffinityPolicy", "nodeTaintsPolicy"):
            if row.get(field) not in (None, "Honor", "Ignore"):
                yield Cause.unsupported(f"{where}.{field}", row[field], ("Honor", "Ignore"))
        yield from _label_keys(row, where)
        yield from validate_selector(row.get("labelSelector"), f"{where}.labelSelector")


def selects(selector: object) -> bool:
    """Whether a {matchLabels, matchExpressions} restricts anything."""
    return bool(labels(mapping(selector).get("matchLabels")) or rows(mapping(selector).get("matchExpressions")))
