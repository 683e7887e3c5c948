"""Questions about oneself: who am I (kubectl auth whoami), may I (kubectl auth can-i). Answered, never stored."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from procorch.api import intake
from procorch.api.request import AUTHENTICATED, Request, Response, User, answer
from procorch.api.routes import Route
from procorch.kinds.kind import Kind
from procorch.objects import Object

if TYPE_CHECKING:
    from procorch.api.api import Api

_AUTHENTICATION, _AUTHORIZATION = "authentication.k8s.io", "authorization.k8s.io"
KINDS = (
    Kind("SelfSubjectReview", "selfsubjectreviews", group=_AUTHENTICATION, namespaced=False, verbs=("create",)),
    Kind("SelfSubjectAccessReview", "selfsubjectaccessreviews", group=_AUTHORIZATION, namespaced=False,
         verbs=("create",)),
)  # fmt: skip


def who_am_i(api: Api, user: User, request: Request) -> Response:
    info: Object = {"username": user.name, "groups": [*user.groups, AUTHENTICATED]}
    if user.uid:
        info["uid"] = user.uid
    if user.extra:
        info["extra"] = {name: list(values) for name, values in user.extra.items()}
    shell: Object = {"kind": "SelfSubjectReview", "apiVersion": f"{_AUTHENTICATION}/v1"}
    return answer({**shell, "metadata": {"creationTimestamp": None}, "status": {"userInfo": info}}, 201)


def may_i(api: Api, user: User, request: Request) -> Response:
    """Raises BadRequest."""
    asked = intake.read_whole(request, KINDS[1])
    spec = asked.get("spec") or {}
    plain, resource = spec.get("nonResourceAttributes"), spec.get("resourceAttributes") or {}
    if plain:
        path = str(plain.get("path", ""))
        route = Route(str(plain.get("verb", "")), path, tuple(path.strip("/").split("/")))
    else:
        route = Route(
            str(resource.get("verb", "")), "", (), str(resource.get("group", "")), str(resource.get("version", "")),
            str(resource.get("resource", "")), str(resource.get("subresource", "")),
            resource.get("namespace") or None, resource.get("name") or None,
        )  # fmt: skip
    allowed = api.authorizer.allows(user, route, {})
    return answer({**asked, "status": {"allowed": allowed}}, 201)


Review = Callable[["Api", User, Request], Response]
TABLE: dict[tuple[str, str], Review] = {
    (_AUTHENTICATION, "selfsubjectreviews"): who_am_i,
    (_AUTHORIZATION, "selfsubjectaccessreviews"): may_i,
}
