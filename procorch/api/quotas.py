"""ResourceQuotas where objects are made: what one costs is charged in the same append that makes it.

                     create, or an update that asks for more
                                  │
      quotas of its namespace ────┤  scopes match? is the usage known? does it fit?  no ─▶ 403
                                  ▼
      log.append(the object's row, each quota's row with status.used + its cost)   all of them, or none

So no burst of creates gets past a quota, whichever masters they come through, and what fails costs nothing. Creations
that come together share an append (charges.py). What is given back when an object goes is counted by a controller
(controllers/resourcequota.py).
Source: apiserver pkg/admission/plugin/resourcequota.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from fractions import Fraction

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

#: updates that can cost more than what was there, by subresource; of a pod's own only one that gives it a deadline
_GROWING = {"": (("", "services"), ("", "persistentvolumeclaims"), ("", "pods")), "resize": (("", "pods"),)}


class Quotas:
    """clock: a pod that should have ended by now costs nothing."""

    def __init__(self, cache: Cache, clock: Clock) -> None:
        self._cache = cache
        self._clock = clock
        self._kind = KINDS["ResourceQuota"]
        self._prefix = self._kind.store_key()

    def concern(self, kind: Kind, obj: Object) -> bool:
        """Whether there is any quota that a new object could cost something of."""
        return kind.namespaced and next(self._all(obj["metadata"]["namespace"]), None) is not None

    def check(self, kind: Kind, obj: Object) -> None:
        """Whether a new object would fit. Raises Forbidden."""
        if self.concern(kind, obj):
            self.ledger(obj["metadata"]["namespace"]).charge(kind, obj)

    def ledger(self, namespace: str) -> Ledger:
        """As the namespace's quotas stand now. Raises ApiError for one that cannot be read: it may say anything."""
        accounts = []
        for entry in self._all(namespace):
            if isinstance(entry, LostEntry):
                raise entry.error(self._kind)
            accounts.append(_Account(self._kind, entry))
        return Ledger(accounts, self._clock())

    def charge(self, kind: Kind, obj: Object, old: Object, subresource: str = "") -> list[store.Write]:
        """The rows that go with a changed object. Raises Forbidden in Kubernetes' words."""
        if not kind.namespaced or (kind.group, kind.plural) not in _GROWING.get(subresource, ()):
            return []
        if kind.name == "Pod" and not subresource and costs.ends_by_itself(obj) == costs.ends_by_itself(old):
            return []
        ledger = self.ledger(obj["metadata"]["namespace"])
        ledger.charge(kind, obj, old)
        return ledger.writes()

    def is_mine(self, key: str) -> bool:
        """Whether a row that somebody else has changed is a quota's: then it is to be charged again."""
        return key.startswith(self._prefix)

    def _all(self, namespace: str) -> Iterator[Entry]:
        return self._cache.shelf(self._kind).within(namespace)


class Ledger:
    """The quotas of a namespace, and what has been charged since they were read. now: seconds since the epoch."""

    def __init__(self, accounts: list[_Account], now: float) -> None:
        self._accounts = accounts
        self._now = now

    def charge(self, kind: Kind, obj: Object, old: Object | None = None) -> None:
        """To all quotas that the object concerns, or, where it raises Forbidden, to none."""
        totals = [(account, account.total(kind, obj, old, self._now)) for account in self._accounts]
        for account, total in totals:
            if total is not None:
                account.used, account.is_touched = total, True

    def writes(self) -> list[store.Write]:
        """The rows of the quotas that were charged."""
        return [account.write() for account in self._accounts if account.is_touched]


class _Account:
    """One quota, and what of it is used."""

    def __init__(self, kind: Kind, entry: Entry) -> None:
        self._kind = kind
        self._entry = entry
        self._quota = entry.object
        self._hard = costs.hard_of(self._quota)
        self._known = self.used = costs.used_of(self._quota)
        self.is_touched = False
        self._names: dict[tuple[str, str], tuple[set[str], set[str]]] = {}  # what is wanted to be limited, and what is

    def total(self, kind: Kind, obj: Object, old: Object | None, now: float) -> costs.Usage | None:
        """What is used when the object is there too; None where it does not concern this quota.

        What its specification limits and nobody has counted yet is free, as in Kubernetes; the row is written all the
        same, so that a count which began before does not come to pass without the object. Raises Forbidden.
        """
        wanted, names = self._concerning(kind)
        if not wanted | names or not costs.matches(self._quota, kind, obj):
            return None
        self._check_known(kind, obj, names)
        charged = {name: amount for name, amount in self._cost(kind, obj, old, now).items() if name in names}
        if not charged:
            return self.used if wanted - names else None
        total = costs.added(self.used, charged)
        over = sorted(name for name in charged if total[name].amount > self._hard[name].amount)
        if over:
            texts = [_listed(table, over) for table in (charged, self.used, self._hard)]
            name = self._quota["metadata"]["name"]
            why = "exceeded quota: {}, requested: {}, used: {}, limited: {}".format(name, *texts)
            raise _refusal(kind, obj, why)
        return total

    def write(self) -> store.Write:
        changed = self._entry.copy()
        if self.used is not self._known:
            changed["status"] = {**self._quota["status"], "used": costs.shown(self.used)}
        namespace, _, name = self._entry.key.partition("/")
        return store.Write(self._kind.store_key(namespace, name), encode(self._kind, changed), self._entry.revision)

    def _concerning(self, kind: Kind) -> tuple[set[str], set[str]]:
        key = kind.group, kind.plural
        found = self._names.get(key)
        if found is None:
            wanted = costs.concerning(kind, mapping(part(self._quota, "spec").get("hard")))
            found = self._names[key] = wanted, costs.concerning(kind, self._hard)
        return found

    def _cost(self, kind: Kind, obj: Object, old: Object | None, now: float) -> costs.Usage:
        """What is more than nothing, and than what was there."""
        cost = costs.usage_of(kind, obj, now)
        if old is not None and costs.matches(self._quota, kind, old):
            cost = _more(cost, costs.usage_of(kind, old, now))
        return {name: amount for name, amount in cost.items() if amount.amount}

    def _check_known(self, kind: Kind, obj: Object, names: set[str]) -> None:
        name = self._quota["metadata"]["name"]
        if missing := costs.lacking(kind, obj, names):
            raise _refusal(kind, obj, f"failed quota: {name}: must specify {missing}")
        if names - self.used.keys():
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
