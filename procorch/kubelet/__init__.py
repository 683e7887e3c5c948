"""The pods bound to this node become processes: plan, workers, status, probes, volumes."""
