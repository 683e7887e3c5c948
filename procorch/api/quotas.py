"""ResourceQuotas where objects are made: what one costs is charged in the same append that makes it.

                     create, or an update that asks for more
                                  │
      quotas of its namespace ────┤  scopes match? is the usage known? does it fit?  no ─▶ 403
                                  ▼
      log.append(the object's row, each quota's row with status.used + its cost)   all of them, or none

So no burst of creates gets past a quota, whichever masters they come through, and what fails costs nothing. What is
given back when an object goes is counted by a controller (controllers/resourcequota.py).
Source: apiserver pkg/admission/plugin/resourcequota.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from contextlib import AbstractAsyncContextManager, nullcontext
from fractions import Fraction
from weakref import WeakValueDictionary

import store
from procorch import quota as costs
from procorch.api.cache import Cache, Entry, LostEntry
from procorch.api.encoding import encode
from procorch.clock import Clock
from procorch.kinds import KINDS
from procorch.kinds.fields import mapping, part
from procorch.kinds.kind import Kind
from procorch.objects import Forbidden, Object
from procorch.quantity import Quantity

#: updates that can cost more than what was there, by subresource
_GROWING = {"": (("", "services"), ("", "persistentvolumeclaims")), "resize": (("", "pods"),)}


class Quotas:
    """clock: a pod that should have ended by now costs nothing."""

    def __init__(self, cache: Cache, clock: Clock) -> None:
        self._cache = cache
        self._clock = clock
        self._kind = KINDS["ResourceQuota"]
        self._prefix = self._kind.store_key()
        self._turns: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    def turn(self, kind: Kind, namespace: str | None) -> AbstractAsyncContextManager[object]:
        """Where a namespace has quotas its writes wait for each other: each changes the same row."""
        if not kind.namespaced or not namespace or next(self._all(namespace), None) is None:
            return nullcontext()
        turn = self._turns.get(namespace)
        if turn is None:
            turn = self._turns[namespace] = asyncio.Lock()
        return turn

    def charge(self, kind: Kind, obj: Object, old: Object | None, subresource: str = "") -> list[store.Write]:
        """The rows that go with a new or changed object. Raises Forbidden in Kubernetes' words."""
        if not kind.namespaced:
            return []
        if old is not None and (kind.group, kind.plural) not in _GROWING.get(subresource, ()):
            return []
        charged = (self._one(entry, kind, obj, old) for entry in self._all(obj["metadata"]["namespace"]))
        return [write for write in charged if write is not None]

    def is_mine(self, key: str) -> bool:
        """Whether a row that somebody else has changed is a quota's: then it is to be charged again."""
        return key.startswith(self._prefix)

    def _all(self, namespace: str) -> Iterator[Entry]:
        return self._cache.shelf(self._kind).within(namespace)

    def _one(self, entry: Entry, kind: Kind, obj: Object, old: Object | None) -> store.Write | None:
        """The quota's row with what the object costs.

        What its specification limits and nobody has counted yet is free, as in Kubernetes; the row is written all the
        same, so that a count which began before does not come to pass without the object.
        """
        if isinstance(entry, LostEntry):
            raise entry.error(self._kind)
        quota = entry.object
        wanted = costs.concerning(kind, mapping(part(quota, "spec").get("hard")))
        hard, used = costs.hard_of(quota), costs.used_of(quota)
        names = costs.concerning(kind, hard)
        if not wanted | names or not costs.matches(quota, kind, obj):
            return None
        self._check_known(quota, kind, obj, names, used)
        cost = self._cost(quota, kind, obj, old)
        charged = {name: amount for name, amount in cost.items() if name in names}
        if not charged:
            return self._write(entry, quota.get("status")) if wanted - names else None
        total = costs.added(used, charged)
        over = sorted(name for name in charged if total[name].amount > hard[name].amount)
        if over:
            texts = [_listed(table, over) for table in (charged, used, hard)]
            why = "exceeded quota: {}, requested: {}, used: {}, limited: {}".format(quota["metadata"]["name"], *texts)
            raise _refusal(kind, obj, why)
        return self._write(entry, {**quota["status"], "used": costs.shown(total)})

    def _cost(self, quota: Object, kind: Kind, obj: Object, old: Object | None) -> costs.Usage:
        """What is more than nothing, and than what was there."""
        now = self._clock()
        cost = costs.usage_of(kind, obj, now)
        if old is not None and costs.matches(quota, kind, old):
            cost = _more(cost, costs.usage_of(kind, old, now))
        return {name: amount for name, amount in cost.items() if amount.amount}

    def _write(self, entry: Entry, status: Object | None) -> store.Write:
        changed = entry.copy()
        if status is not None:
            changed["status"] = status
        namespace, _, name = entry.key.partition("/")
        return store.Write(self._kind.store_key(namespace, name), encode(self._kind, changed), entry.revision)

    def _check_known(self, quota: Object, kind: Kind, obj: Object, names: set[str], used: costs.Usage) -> None:
        name = quota["metadata"]["name"]
        if missing := costs.lacking(kind, obj, names):
            raise _refusal(kind, obj, f"failed quota: {name}: must specify {missing}")
        if names - used.keys():
            listed = ",".join(sorted(names))
            raise _refusal(kind, obj, f"status unknown for quota: {name}, resources: {listed}")


def _more(new: costs.Usage, old: costs.Usage) -> costs.Usage:
    """What the new one costs beyond the old one."""
    nothing = Quantity(Fraction(0))
    return {
        name: Quantity(max(amount.amount - old.get(name, nothing).amount, Fraction(0)), amount.family)
        for name, amount in new.items()
    }


def _listed(table: Mapping[str, Quantity], names: list[str]) -> str:
    return ",".join(f"{name}={table[name]}" for name in names)


def _refusal(kind: Kind, obj: Object, why: str) -> Forbidden:
    return Forbidden.of(kind.plural, obj["metadata"].get("name", ""), why, kind.group)
