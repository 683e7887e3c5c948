"""Kubernetes' API and control loops for plain Linux processes."""
