"""The options by which a node is told what it keeps for itself: the same for `agent` and for `up`, which hands them on.

They are called as the kubelet's.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Any, TypeVar, cast

import click

from procorch.kubelet.eviction.thresholds import DEFAULT_HARD, EvictionConfig, parse_config, seconds
from procorch.kubelet.shutdown import ShutdownConfig
from procorch.quantity import Quantity, read

Command = TypeVar("Command", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True)
class NodeResources:
    """As they were written; the names are those of the options."""

    system_reserved: str = ""
    kube_reserved: str = ""
    eviction_hard: str = DEFAULT_HARD
    eviction_soft: str = ""
    eviction_soft_grace_period: str = ""
    eviction_max_pod_grace_period: int = 0
    eviction_pressure_transition_period: str = "5m"
    shutdown_grace_period: str = "0s"
    shutdown_grace_period_critical_pods: str = "0s"

    def arguments(self) -> list[str]:
        """For another program: what is not as it is anyway."""
        given = [(field.name, getattr(self, field.name)) for field in fields(self)]
        plain = NodeResources()
        return [f"--{name.replace('_', '-')}={value}" for name, value in given if value != getattr(plain, name)]

    def reserved(self) -> dict[str, str]:
        """Both reservations together. Raises ValueError."""
        total: dict[str, Quantity] = {}
        for text in (self.system_reserved, self.kube_reserved):
            for part in filter(None, text.split(",")):
                name, equals, value = part.partition("=")
                if not equals or name not in ("cpu", "memory", "ephemeral-storage"):
                    raise ValueError(f"{part}: write cpu=500m, memory=1Gi or ephemeral-storage=10Gi")
                amount = read(value)
                before = total.get(name)
                total[name] = amount if before is None else Quantity(before.amount + amount.amount, before.family)
        return {name: str(amount) for name, amount in total.items()}

    def eviction(self) -> EvictionConfig:
        """Raises ValueError."""
        return parse_config(
            self.eviction_hard,
            self.eviction_soft,
            self.eviction_soft_grace_period,
            seconds(self.eviction_pressure_transition_period),
            float(self.eviction_max_pod_grace_period),
        )

    def shutdown(self) -> ShutdownConfig:
        """Raises ValueError."""
        total, critical = seconds(self.shutdown_grace_period), seconds(self.shutdown_grace_period_critical_pods)
        if critical > total:
            raise ValueError("--shutdown-grace-period-critical-pods: is a part of --shutdown-grace-period")
        return ShutdownConfig(total, critical)


_HELP = {
    "system_reserved": ("cpu=500m,memory=1Gi", "What the system itself needs: not for pods."),
    "kube_reserved": ("cpu=100m,memory=200Mi", "The same for procorch; both add up."),
    "eviction_hard": ("SIGNAL<AMOUNT,…", f"Below that pods are ended at once; {DEFAULT_HARD} by default."),
    "eviction_soft": ("SIGNAL<AMOUNT,…", "Below that they are ended after a while."),
    "eviction_soft_grace_period": ("SIGNAL=1m30s,…", "For how long a soft threshold has to be met."),
    "eviction_max_pod_grace_period": ("SECONDS", "What a pod gets to end in at a soft threshold."),
    "eviction_pressure_transition_period": ("5m", "How long a condition of the node stays when all is well again."),
    "shutdown_grace_period": ("30s", "What pods have to end in when the machine goes off; 0s: they are not told."),
    "shutdown_grace_period_critical_pods": (
        "10s",
        "What of it is for pods that the cluster needs; they end last.",
    ),
}


def node_resources(command: Command) -> Command:
    """All of them, as one argument `node_resources`; what cannot be understood is said before anything starts."""

    @functools.wraps(command)
    def collected(*arguments: Any, **named: Any) -> Any:
        options = NodeResources(**{field.name: named.pop(field.name) for field in fields(NodeResources)})
        try:
            options.reserved()
            options.eviction()
            options.shutdown()
        except ValueError as error:
            raise click.UsageError(str(error)) from None
        return command(*arguments, **named, node_resources=options)

    for field in reversed(fields(NodeResources)):
        shown, text = _HELP[field.name]
        option = f"--{field.name.replace('_', '-')}"
        kind = click.IntRange(min=0) if isinstance(field.default, int) else str
        collected = click.option(option, default=field.default, type=kind, metavar=shown, help=text)(collected)
    return cast(Command, collected)
