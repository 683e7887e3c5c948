"""NodeMetrics and PodMetrics (metrics.k8s.io): what is used at present. Asked for, never stored.

Source: k8s.io/metrics pkg/apis/metrics/v1beta1; metrics-server pkg/api/table.go for the columns.
"""

from __future__ import annotations

from fractions import Fraction

from procorch.kinds.cells import NAME
from procorch.kinds.fields import part, rows, text
from procorch.kinds.kind import Column, Kind
from procorch.kinds.podspec.resources import quantity_of
from procorch.objects import Object
from procorch.quantity import Quantity

GROUP, VERSION = "metrics.k8s.io", "v1beta1"


def _total(obj: Object, resource: str) -> str:
    """Of a node, or of all containers of a pod."""
    usages = [part(one, "usage") for one in (rows(obj.get("containers")) or [obj])]
    found = [amount for usage in usages if (amount := quantity_of(usage.get(resource))) is not None]
    return str(Quantity(sum((one.amount for one in found), Fraction()), found[0].family)) if found else ""


_COLUMNS = (
    NAME,
    Column("cpu", lambda obj, now: _total(obj, "cpu"), format="quantity"),
    Column("memory", lambda obj, now: _total(obj, "memory"), format="quantity"),
    Column("Window", lambda obj, now: text(obj.get("window")), format="duration"),
)

NODE_METRICS = Kind(
    "NodeMetrics", "nodes", group=GROUP, version=VERSION, singular="node", namespaced=False, verbs=("get", "list"),
    columns=_COLUMNS,
)  # fmt: skip

POD_METRICS = Kind(
    "PodMetrics", "pods", group=GROUP, version=VERSION, singular="pod", verbs=("get", "list"), columns=_COLUMNS,
)  # fmt: skip
