"""What the kinds that make pods have in common: their status, their counts, their selector.

Source: pkg/apis/apps/validation, pkg/registry/apps/*/strategy.go.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator

from procorch.kinds.cells import container_images, container_names, selector_text
from procorch.kinds.fields import Fields, number, part, rows, text
from procorch.kinds.kind import Column
from procorch.kinds.podspec.scheduling import selects, validate_selector
from procorch.kinds.podspec.validation import validate_lasting, validate_match, validate_template
from procorch.kinds.podspec.warnings import pod_warnings
from procorch.names import dns_label, percent
from procorch.objects import Cause, Object, Struct
from procorch.selectors import LabelSelector

NOT_NEGATIVE = "must be greater than or equal to 0"


def keeps_status(**first: int) -> Callable[[Object, Object | None], None]:
    """A `prepare`: the status is the controller's. first: what it shows before that one has seen the object."""

    def prepare(obj: Object, old: Object | None) -> None:
        obj["status"] = dict(first) if old is None else copy.deepcopy(old.get("status", first))

    return prepare


def not_negative(within: Fields, path: str, *fields: str) -> Iterator[Cause]:
    """The numbers that are there must be 0 or more."""
    for field in fields:
        value = number(within.get(field))
        if value is not None and value < 0:
            yield Cause.invalid(f"{path}.{field}", value, NOT_NEGATIVE)


def at_most(status: Fields, most: str, *fields: str, words: str) -> Iterator[Cause]:
    """No count in the status is greater than the count `most`, which the messages call `words`."""
    limit = number(status.get(most)) or 0
    for field in fields:
        value = number(status.get(field)) or 0
        if value > limit:
            yield Cause.invalid(f"status.{field}", value, f"cannot be greater than {words}")


def not_fewer_collisions(status: Fields, before: Fields) -> Iterator[Cause]:
    """status.collisionCount only grows: a name that was taken once is not tried again."""
    now, then = number(status.get("collisionCount")), number(before.get("collisionCount"))
    if then is not None and (now is None or now < then):
        yield Cause.invalid("status.collisionCount", now or 0, "cannot be decremented")


def share(value: object) -> int:
    """The number in 3 or "25%", for comparing it with 0."""
    if isinstance(value, str):
        digits = value.removesuffix("%")
        return int(digits[:18]) if digits.isascii() and digits.isdigit() else 0
    return number(value) or 0


def shown_strategy(strategy: Fields, *steps: str) -> Struct:
    """An update strategy as Go prints it. steps: the fields of its rollingUpdate, in Go's order."""
    rolling = strategy.get("rollingUpdate")
    if isinstance(rolling, dict):
        rolling = Struct({field[:1].upper() + field[1:]: rolling.get(field) for field in steps})
    return Struct(Type=text(strategy.get("type")), RollingUpdate=rolling)


def validate_share(value: object, path: str, *, whole: bool = True) -> Iterator[Cause]:
    """A number of pods, or a percentage of them. whole: of at most 100 %."""
    if isinstance(value, str):
        problems = percent(value)
        for message in problems:
            yield Cause.invalid(path, value, message)
        if whole and not problems and share(value) > 100:
            yield Cause.invalid(path, value, "must not be greater than 100%")
    elif (number(value) or 0) < 0:
        yield Cause.invalid(path, value, NOT_NEGATIVE)


def validate_chosen(spec: Fields, owner: str, *, lasting: str, template: Fields | None = None) -> Iterator[Cause]:
    """spec.selector and spec.template, which it must choose.

    owner: as the messages about the selector name the kind. lasting: as those about its pods do. template: as it is
    judged, where that is not as it is written. Of a selector that cannot be read nobody can tell whom it chooses, and
    Kubernetes then says nothing of the template.
    """
    selector, made = spec.get("selector"), part(spec, "template") if template is None else template
    problems = [*validate_choice(selector, "spec.selector", owner)]
    yield from problems
    if isinstance(selector, dict) and selects(selector) and problems and chosen_by(selector) is None:
        return
    yield from validate_match(part(spec, "template"), "spec.template", chosen_by(selector))
    yield from validate_template(made, "spec.template")
    yield from validate_lasting(made, "spec.template", lasting)


def validate_choice(selector: object, path: str, owner: str) -> Iterator[Cause]:
    """A selector that must be there and must choose. owner: as the message names the kind."""
    if not isinstance(selector, dict):
        yield Cause.required(path)
        return
    yield from validate_selector(selector, path)
    if not selects(selector):
        yield Cause.invalid(path, selector, f"empty selector is invalid for {owner}")
    elif chosen_by(selector) is None:
        yield Cause.invalid(path, _whole(selector), "" if owner == "statefulset" else "invalid label selector")


def _whole(selector: Fields) -> Fields:
    """With the fields of expressions that Go always shows."""
    shown = Struct({name: selector[name] for name in ("matchLabels", "matchExpressions") if selector.get(name)})
    if expressions := rows(selector.get("matchExpressions")):
        shown["matchExpressions"] = [{"key": "", "operator": "", **row} for row in expressions]
    return shown


def chosen_by(selector: object) -> LabelSelector | None:
    """The selector as it chooses; None for one that is wrong, or that chooses everything."""
    try:
        parsed = LabelSelector.of(selector if isinstance(selector, dict) else None)
    except (ValueError, TypeError, AttributeError):
        return None
    return None if parsed.empty else parsed


def name_warnings(obj: Object, use: str = "Pod names and hostnames") -> Iterator[str]:
    """Pods and their hosts are called after the object. use: for what, as the text says it."""
    if problems := dns_label(text(part(obj, "metadata").get("name"))):
        yield (
            f"metadata.name: this is used in {use}, which can result in surprising behavior; "
            f"a DNS label is recommended: [{' '.join(problems)}]"
        )


def workload_warnings(obj: Object, old: Object | None) -> Iterator[str]:
    """The `warn` of what has its template in spec.template."""
    if old is None:
        yield from name_warnings(obj)
    elif obj.get("spec") == old.get("spec"):
        return
    yield from pod_warnings(part(obj, "spec", "template"), "spec.template")


def pod_columns(*path: str) -> tuple[Column, Column]:
    """Containers and Images with `-o wide`. path: to the pods' specification."""
    return (
        Column("Containers", lambda obj, now: container_names(part(obj, *path)), priority=1),
        Column("Images", lambda obj, now: container_images(part(obj, *path)), priority=1),
    )


def selector_column(*path: str) -> Column:
    """Selector with `-o wide`. path: to the mapping that has the selector."""
    return Column("Selector", lambda obj, now: selector_text(part(obj, *path).get("selector")), priority=1)
