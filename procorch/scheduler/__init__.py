"""Which node a pod runs on."""

from procorch.scheduler.scheduler import Scheduler

__all__ = ["Scheduler"]
