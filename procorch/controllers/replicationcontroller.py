"""ReplicationController: so many pods of a template, chosen by equal labels; the work is in replicas.py."""

from __future__ import annotations

from procorch.controllers import replicas
from procorch.controllers.controller import Context, Controller, own
from procorch.controllers.ownership import orphans_of, owners_that_match
from procorch.objects import Object
from procorch.selectors import LabelSelector


def selector_of(rc: Object) -> LabelSelector:
    return LabelSelector.of_map(rc["spec"]["selector"])


async def reconcile(key: str, context: Context) -> float | None:
    return await replicas.reconcile("ReplicationController", key, context, selector_of)


CONTROLLER = Controller(
    "replicationcontroller",
    reconcile,
    watches={
        "ReplicationController": own,
        "Pod": owners_that_match("ReplicationController", selector_of),
    },
    indexes=orphans_of("Pod"),
    component="replication-controller",
)
