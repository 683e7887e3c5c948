"""Priority levels as the API shares itself out by them, and how wide a request is.

Source: the fields of PriorityLevelConfiguration, whose words these are, and Kubernetes' work estimator.
"""

from __future__ import annotations

from dataclasses import dataclass

from procorch.objects import Object, get


@dataclass(frozen=True, slots=True)
class LevelSpec:
    """shares: of all seats, relative to the other levels'. lendable: percent of its seats that others may have
    meanwhile. borrowing: percent of its seats that it may have of others', None for as many as there are.

    queues, hand, length: how many queues it has, from how many of them a flow takes the shortest, and how many requests
    wait in each; no queues: what finds no seat is refused. exempt: nothing is ever refused.
    """

    name: str
    shares: int
    lendable: int = 0
    borrowing: int | None = None
    queues: int = 128
    hand: int = 6
    length: int = 50
    exempt: bool = False
    uid: str = ""

    @classmethod
    def of(cls, level: Object) -> LevelSpec:
        """Of a PriorityLevelConfiguration, which has been validated."""
        about, spec = level["metadata"], level["spec"]
        exempt = spec.get("type") == "Exempt"
        own = spec.get("exempt" if exempt else "limited") or {}
        queuing = get(own, ".limitResponse.queuing") or {}
        return cls(
            about["name"],
            own.get("nominalConcurrencyShares", 0 if exempt else 30),
            own.get("lendablePercent", 0),
            own.get("borrowingLimitPercent"),
            queuing.get("queues", 0),
            queuing.get("handSize", 1),
            queuing.get("queueLengthLimit", 0),
            exempt,
            about.get("uid", ""),
        )


MOST_WIDE = 10
_OBJECTS_A_SEAT = 100
_WATCHERS_A_SEAT = 100
_BYTES_A_SEAT = 256 << 10


def width(objects: int = 0, watchers: int = 0, size: int = 0) -> int:
    """The seats that a request takes, 1 to 10: a seat is what the write of a small object costs.

    objects: that it looks at, watchers: that a change is told to, size: of its body in bytes.
    """
    return min(1 + objects // _OBJECTS_A_SEAT + watchers // _WATCHERS_A_SEAT + size // _BYTES_A_SEAT, MOST_WIDE)
