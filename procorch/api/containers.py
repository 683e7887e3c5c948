"""Which container of a pod a request for logs or streams means."""

from __future__ import annotations

from procorch.kinds.fields import rows
from procorch.objects import BadRequest, Object


def container_of(pod: Object, asked: str) -> str:
    """Raises BadRequest in Kubernetes' words. Source: pkg/registry/core/pod/strategy.go."""
    spec, name = pod["spec"], pod["metadata"]["name"]
    main, init, extra = (
        [row["name"] for row in rows(spec.get(field))]
        for field in ("containers", "initContainers", "ephemeralContainers")
    )
    if asked:
        if asked not in (*main, *init, *extra):
            raise BadRequest.of(f"container {asked} is not valid for pod {name}")
        return asked
    if len(main) == 1 and not init and not extra:
        return str(main[0])
    default = (pod["metadata"].get("annotations") or {}).get("kubectl.kubernetes.io/default-container")
    if default in main:
        return str(default)
    choice = f"choose one of: [{' '.join(main)}]"
    if init:
        choice += f" or one of the init containers: [{' '.join(init)}]"
    if extra:
        choice += f" or one of the ephemeral containers: [{' '.join(extra)}]"
    raise BadRequest.of(f"a container name must be specified for pod {name}, {choice}")
