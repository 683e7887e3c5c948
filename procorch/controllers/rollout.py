"""How many pods each ReplicaSet of a Deployment is to have: numbers in, numbers out.

                    paused, or another size was asked for          else
                             │                                       │
                             ▼                          ┌────────────┴────────────┐
                     scale: the one set,           rolling update              recreate
                     or all in proportion     new up, within the surge     old to nothing, wait,
                                              old down, what is not        then the new one
                                              missed first

Never more pods than wanted plus surge; never fewer available than wanted less what may be unavailable, by our doing.
Source: pkg/controller/deployment rolling.go, recreate.go, sync.go and util/deployment_util.go. Where we leave it: what
a set says of its available pods counts only up to the pods that are asked of it, for it may not have noticed yet that
it was made smaller; and a set that has the right size already still learns what it is a part of, without which a
Deployment whose set somebody else resized would be scaled, and never rolled, for ever.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from procorch.objects import Object, get


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the Deployment asks for, in pods.

    surge: more than `replicas` by so many at most, while it rolls. unavailable: so many fewer may be available.
    """

    replicas: int
    surge: int = 0
    unavailable: int = 0
    recreate: bool = False
    paused: bool = False

    @property
    def most(self) -> int:
        return self.replicas + self.surge

    @property
    def available(self) -> int:
        """So many at least are to be available."""
        return self.replicas - self.unavailable


@dataclass(frozen=True, slots=True)
class Set:
    """A ReplicaSet in numbers.

    replicas: asked of it. available: of its pods. desired, most: what the Deployment wanted, and could have had at
    most, when this set was given its size; None where it does not say. born: seconds since the epoch.
    """

    name: str
    replicas: int
    available: int = 0
    desired: int | None = None
    most: int | None = None
    born: float = 0.0

    @property
    def sure(self) -> int:
        """Available pods that stay when it has found out what is asked of it."""
        return min(self.available, self.replicas)


@dataclass(frozen=True, slots=True)
class Plan:
    """sizes: name → pods to ask for, of sets that are there; only those that are to be told.

    create: the new set's pods where it is yet to be made, else None. rolls: whether a template is being rolled out.
    """

    sizes: dict[str, int]
    create: int | None = None
    rolls: bool = True


def wanted_of(deployment: Object) -> Wanted:
    """Percentages become pods: a surge is rounded up, what may be unavailable down; both 0 would never get anywhere."""
    replicas = int(get(deployment, ".spec.replicas", 1))
    paused = bool(get(deployment, ".spec.paused", False))
    if get(deployment, ".spec.strategy.type") == "Recreate":
        return Wanted(replicas, recreate=True, paused=paused)
    surge = _pods(get(deployment, ".spec.strategy.rollingUpdate.maxSurge", 0), replicas, up=True)
    unavailable = _pods(get(deployment, ".spec.strategy.rollingUpdate.maxUnavailable", 0), replicas, up=False)
    if not surge and not unavailable:
        unavailable = 1
    return Wanted(replicas, surge, min(unavailable, replicas), paused=paused)


def _pods(share: int | str, of: int, *, up: bool) -> int:
    """share: a number of pods, or "25%" of them."""
    if isinstance(share, int):
        return share
    percent = int(share.removesuffix("%")) * of
    return -(-percent // 100) if up else percent // 100


def plan(wanted: Wanted, new: Set | None, old: Sequence[Set], *, pods_left: bool = False) -> Plan:
    """new: the set whose template is the Deployment's. pods_left: pods of old sets have not ended yet."""
    if wanted.paused or (not wanted.recreate and is_resized(wanted, new, old)):
        return Plan(_scale(wanted, new, old), rolls=False)
    if wanted.recreate:
        return _recreate(wanted, new, old, pods_left)
    return _roll(wanted, new, old)


def is_resized(wanted: Wanted, new: Set | None, old: Sequence[Set]) -> bool:
    """Whether a set that has pods was given its size when the Deployment wanted another number of them."""
    return any(one.desired is not None and one.desired != wanted.replicas for one in _active(new, old))


def _active(new: Set | None, old: Sequence[Set]) -> list[Set]:
    return [one for one in (*old, *((new,) if new else ())) if one.replicas > 0]


# Rolling and recreating


def _roll(wanted: Wanted, new: Set | None, old: Sequence[Set]) -> Plan:
    standing = new or Set("", 0)
    pods = sum(one.replicas for one in old) + standing.replicas
    room = max(0, min(wanted.most - pods, wanted.replicas - standing.replicas))
    size = min(standing.replicas + room, wanted.replicas)
    grown = replace(standing, replicas=size)
    sizes = _shrunk(wanted, grown, old)
    if new is None:
        return Plan(sizes, create=size)
    return Plan({new.name: size, **sizes} if size != new.replicas else sizes)


def _shrunk(wanted: Wanted, new: Set, old: Sequence[Set]) -> dict[str, int]:
    """The old sets that lose pods: first those that are not available, for nobody misses them; the oldest set first.

    What is new and not yet available lends no room: else a template that never works would take all that does.
    """
    sets = {one.name: one for one in sorted(old, key=lambda one: (one.born, one.name)) if one.replicas > 0}
    budget = sum(one.replicas for one in sets.values()) + new.sure - wanted.available
    for one in list(sets.values()):
        fewer = max(0, min(budget, one.replicas - one.available))
        sets[one.name] = replace(one, replicas=one.replicas - fewer)
        budget -= fewer
    spare = sum(one.sure for one in sets.values()) + new.sure - wanted.available
    for one in list(sets.values()):
        fewer = max(0, min(budget, spare, one.replicas))
        sets[one.name] = replace(one, replicas=one.replicas - fewer)
        budget -= fewer
        spare -= fewer
    before = {one.name: one.replicas for one in old}
    return {name: one.replicas for name, one in sets.items() if one.replicas != before[name]}


def _recreate(wanted: Wanted, new: Set | None, old: Sequence[Set], pods_left: bool) -> Plan:
    if gone := {one.name: 0 for one in old if one.replicas > 0}:
        return Plan(gone)
    if pods_left:
        return Plan({})
    if new is None:
        return Plan({}, create=wanted.replicas)
    return Plan({new.name: wanted.replicas} if _must_tell(wanted, new, wanted.replicas) else {})


# Scaling


def _scale(wanted: Wanted, new: Set | None, old: Sequence[Set]) -> dict[str, int]:
    """Another number of pods is wanted while no template is rolled out: or it is, and waits meanwhile."""
    active = _active(new, old)
    if len(active) <= 1:
        newest = max(old, key=lambda one: (one.born, one.name), default=None)
        only = active[0] if active else new or newest
        return {only.name: wanted.replicas} if only and _must_tell(wanted, only, wanted.replicas) else {}
    if new is not None and new.replicas == new.desired == new.sure == wanted.replicas:
        return {one.name: 0 for one in old if one.replicas > 0}
    if wanted.recreate:
        return {}
    sizes = _in_proportion(wanted, active)
    return {one.name: sizes[one.name] for one in active if _must_tell(wanted, one, sizes[one.name])}


def _must_tell(wanted: Wanted, one: Set, size: int) -> bool:
    return (one.replicas, one.desired, one.most) != (size, wanted.replicas, wanted.most)


def _in_proportion(wanted: Wanted, sets: Sequence[Set]) -> dict[str, int]:
    """All sets grow or shrink alike, so that neither what works nor what is tried loses its share.

    What rounding leaves over is the greatest set's; of equal ones the newest when growing, the oldest when shrinking.
    """
    allowed = wanted.most if wanted.replicas > 0 else 0
    add = allowed - sum(one.replicas for one in sets)
    if not add:
        return {one.name: one.replicas for one in sets}
    order = sorted(sets, key=lambda one: (-one.replicas, -one.born if add > 0 else one.born, one.name))
    pods = sum(one.replicas for one in sets)
    sizes = {one.name: one.replicas for one in order}
    left = add
    for one in order:
        share = _share(wanted, one, pods)
        share = min(share, left) if add > 0 else max(share, left)
        sizes[one.name] += share
        left -= share
    for one in order:
        rest = max(left, -sizes[one.name])
        sizes[one.name] += rest
        left -= rest
    return sizes


def _share(wanted: Wanted, one: Set, pods: int) -> int:
    """How many more pods (or fewer) are the set's part of the new size. pods: of all sets, where it does not say."""
    if wanted.replicas == 0:
        return -one.replicas
    before = one.most or pods
    return math.floor(one.replicas * wanted.most / before + 0.5) - one.replicas
