"""What people type for resources (`po`, `rc,svc`, `pod/web`, `all`), turned into kinds and names."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import click

from procorch.kinds import KINDS
from procorch.kinds.kind import Kind


class Target(NamedTuple):
    """A kind, and the name of one object of it; None for all of them."""

    kind: Kind
    name: str | None


def kind_named(word: str) -> Kind:
    """By kind, plural, singular, short name or `plural.group`, in any case. Raises a one-line error."""
    wanted = word.lower()
    for kind in KINDS:
        names = {kind.plural, singular(kind), *kind.short_names}
        if wanted in names or wanted in (f"{kind.plural}.{kind.group}", f"{kind.plural}.{kind.version}.{kind.group}"):
            return kind
    raise click.ClickException(f'the server does not have a resource type "{word}": see `procorch api-resources`')


def kinds_named(words: str) -> list[Kind]:
    """A comma-separated list; `all` is the kinds of that category."""
    found: list[Kind] = []
    for word in words.split(","):
        of_category = [kind for kind in KINDS if word.lower() in kind.categories]
        found += [kind for kind in (of_category or [kind_named(word)]) if kind not in found]
    return found


def targets(words: Sequence[str]) -> list[Target]:
    """`pods`, `pod web db`, `pod/web svc/web`. Raises a one-line error for a mixture of the two forms."""
    if not words:
        raise click.UsageError("name what you mean: a resource type, TYPE NAME or TYPE/NAME")
    if any("/" in word for word in words):
        if not all("/" in word for word in words):
            raise click.UsageError("write either TYPE NAME… or TYPE/NAME…, not both")
        return [Target(kind_named(word.partition("/")[0]), word.partition("/")[2]) for word in words]
    kinds = kinds_named(words[0])
    if len(words) == 1:
        return [Target(kind, None) for kind in kinds]
    return [Target(kind, name) for kind in kinds for name in words[1:]]


def one_object(words: Sequence[str]) -> Target:
    """Exactly one named object."""
    found = targets(words)
    if len(found) != 1 or found[0].name is None:
        raise click.UsageError("name one object: TYPE NAME or TYPE/NAME")
    return found[0]


def nothing_found(wanted: Sequence[Target], scope: str | None) -> str:
    """What to say where a list is empty. scope: the namespace that was looked into, None for all."""
    within = scope if wanted and all(target.kind.namespaced for target in wanted) else None
    return f"No resources found in {within} namespace." if within else "No resources found"


def complete_words(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:
    """Shell completion: resource types, and after TYPE or TYPE/ the names of what there is."""
    before: Iterable[str] = ctx.params.get(param.name or "") or ()
    first = next(iter(before), "")
    if "/" in incomplete:
        word, _, start = incomplete.partition("/")
        return [f"{word}/{name}" for name in _names(ctx, word) if name.startswith(start)]
    if first and "/" not in first:
        return [name for name in _names(ctx, first) if name.startswith(incomplete) and name not in before]
    words = {name for kind in KINDS for name in (kind.plural, singular(kind), *kind.short_names)}
    return sorted(word for word in words if word.startswith(incomplete))


def complete_pods(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:
    """Shell completion where a pod is named."""
    word, slash, start = incomplete.rpartition("/")
    return [f"{word}{slash}{name}" for name in _names(ctx, word or "pods") if name.startswith(start)]


def _names(ctx: click.Context, word: str) -> list[str]:
    from cli.access import names_for_completion

    try:
        kind = kind_named(word)
    except click.ClickException:
        return []
    return names_for_completion(ctx, kind)


def singular(kind: Kind) -> str:
    return kind.singular or kind.name.lower()


def shown(kind: Kind, name: str) -> str:
    """`replicaset.apps/web`, as kubectl names an object."""
    group = f".{kind.group}" if kind.group else ""
    return f"{singular(kind)}{group}/{name}"
