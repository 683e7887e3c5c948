"""Eviction: a node that runs short of memory, disk or process numbers ends pods, by Kubernetes' rules."""
