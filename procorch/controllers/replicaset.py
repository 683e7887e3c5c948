"""ReplicaSet: so many pods of a template, chosen by a label selector; the work is in replicas.py."""

from __future__ import annotations

from procorch.controllers import replicas
from procorch.controllers.controller import Context, Controller, own
from procorch.controllers.ownership import orphans_of, owners_that_match, selector_of


async def reconcile(key: str, context: Context) -> float | None:
    return await replicas.reconcile("ReplicaSet", key, context, selector_of)


CONTROLLER = Controller(
    "replicaset",
    reconcile,
    watches={"ReplicaSet": own, "Pod": owners_that_match("ReplicaSet", selector_of)},
    indexes=orphans_of("Pod"),
)
