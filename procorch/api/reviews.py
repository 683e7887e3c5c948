"""Questions that are answered and never stored: who am I, whose token is this, may I, may they, what may I.

Source: pkg/registry/authentication and pkg/registry/authorization, pkg/apis/authorization/validation.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

from procorch.api import intake
from procorch.api.request import AUTHENTICATED, Request, Response, User, answer
from procorch.api.routes import Route
from procorch.clock import timestamp
from procorch.kinds.fields import Fields, indexed, part, rows, text, texts
from procorch.kinds.kind import Kind
from procorch.names import label_key, label_value
from procorch.objects import BadRequest, Cause, Invalid, Object

if TYPE_CHECKING:
    from procorch.api.api import Api

_AUTHENTICATION, _AUTHORIZATION = "authentication.k8s.io", "authorization.k8s.io"


def _kind(name: str, group: str, *, namespaced: bool = False) -> Kind:
    return Kind(name, f"{name.lower()}s", group=group, namespaced=namespaced, verbs=("create",))


SELF_SUBJECT = _kind("SelfSubjectReview", _AUTHENTICATION)
TOKEN = _kind("TokenReview", _AUTHENTICATION)
LOCAL_ACCESS = _kind("LocalSubjectAccessReview", _AUTHORIZATION, namespaced=True)
SELF_ACCESS = _kind("SelfSubjectAccessReview", _AUTHORIZATION)
SELF_RULES = _kind("SelfSubjectRulesReview", _AUTHORIZATION)
ACCESS = _kind("SubjectAccessReview", _AUTHORIZATION)
KINDS = (SELF_SUBJECT, TOKEN, LOCAL_ACCESS, SELF_ACCESS, SELF_RULES, ACCESS)


def who_am_i(api: Api, user: User, route: Route, request: Request) -> Response:
    asked = {"metadata": {"creationTimestamp": timestamp(api.clock())}}  # the only review that has one
    return _answered(SELF_SUBJECT, asked, {"userInfo": _info(user)})


def whose_token(api: Api, user: User, route: Route, request: Request) -> Response:
    """Raises BadRequest."""
    asked = intake.read_whole(request, TOKEN)
    spec = part(asked, "spec")
    if not text(spec.get("token")):
        raise BadRequest.of("token is required for TokenReview in authentication")
    found = api.authenticator.review(text(spec["token"]), texts(spec.get("audiences")))
    if found is None:
        return _answered(TOKEN, asked, {"user": {}, "error": "invalid bearer token"})
    owner, audiences = found
    return _answered(TOKEN, asked, {"authenticated": True, "user": _info(owner), "audiences": audiences})


def may_i(api: Api, user: User, route: Route, request: Request) -> Response:
    """Raises BadRequest, Invalid."""
    asked = intake.read_whole(request, SELF_ACCESS)
    spec = part(asked, "spec")
    _check(SELF_ACCESS, [*_one_question(spec)])
    return _answered(SELF_ACCESS, asked, _judged(api, user, spec))


def may_they(api: Api, user: User, route: Route, request: Request) -> Response:
    """Raises BadRequest, Invalid."""
    asked = intake.read_whole(request, ACCESS)
    spec = part(asked, "spec")
    causes = [*_one_question(spec), *_somebody(spec)]
    if _said(asked["metadata"]):
        causes.append(Cause.invalid("metadata", asked["metadata"], "must be empty"))
    _check(ACCESS, causes)
    return _answered(ACCESS, asked, _judged(api, _subject(spec), spec))


def may_they_here(api: Api, user: User, route: Route, request: Request) -> Response:
    """Raises BadRequest, Invalid."""
    asked = intake.read_whole(request, LOCAL_ACCESS)
    metadata, spec = asked["metadata"], part(asked, "spec")
    if metadata.setdefault("namespace", route.namespace) != route.namespace:
        raise BadRequest.of("the namespace of the provided object does not match the namespace sent on the request")
    causes = [*_one_question(spec), *_somebody(spec)]
    if _said({**metadata, "namespace": None}):
        causes.append(Cause.invalid("metadata", metadata, "must be empty except for namespace"))
    resource = spec.get("resourceAttributes")
    if resource is not None and part(spec, "resourceAttributes").get("namespace") != route.namespace:
        path = "spec.resourceAttributes.namespace"
        namespace = text(part(spec, "resourceAttributes").get("namespace"))
        causes.append(Cause.invalid(path, namespace, "must match metadata.namespace"))
    if (plain := spec.get("nonResourceAttributes")) is not None:
        causes.append(Cause.invalid("spec.nonResourceAttributes", plain, "disallowed on this kind of request"))
    _check(LOCAL_ACCESS, causes)
    return _answered(LOCAL_ACCESS, asked, _judged(api, _subject(spec), spec))


def what_may_i(api: Api, user: User, route: Route, request: Request) -> Response:
    """Raises BadRequest."""
    asked = intake.read_whole(request, SELF_RULES)
    if not text(part(asked, "spec").get("namespace")):
        raise BadRequest.of("no namespace on request")
    rules = api.authorizer.rules(user)
    status: Object = {
        "resourceRules": rules.resources,
        "nonResourceRules": rules.paths,
        "incomplete": bool(rules.unsaid),
    }
    if rules.unsaid:
        status["evaluationError"] = rules.unsaid
    return _answered(SELF_RULES, {**asked, "spec": {}}, status)


def _answered(kind: Kind, asked: Object, status: Object) -> Response:
    about = {name: value for name, value in asked.get("metadata", {}).items() if value is not None}
    shown = {"kind": kind.name, "apiVersion": kind.api_version, **asked, "metadata": about, "status": status}
    return answer(shown, 201)


def _info(user: User) -> Object:
    info: Object = {"username": user.name, "groups": [*user.groups, AUTHENTICATED]}
    if user.uid:
        info["uid"] = user.uid
    if user.extra:
        info["extra"] = {name: list(values) for name, values in user.extra.items()}
    return info


def _said(metadata: Fields) -> bool:
    return any(value not in (None, "", {}, []) for name, value in metadata.items() if name != "managedFields")


def _check(kind: Kind, causes: list[Cause]) -> None:
    if causes:
        raise Invalid.of(kind.name, "", causes, kind.group)


def _one_question(spec: Fields) -> Iterator[Cause]:
    resource, plain = spec.get("resourceAttributes"), spec.get("nonResourceAttributes")
    if resource is not None and plain is not None:
        why = "cannot be specified in combination with resourceAttributes"
        yield Cause.invalid("spec.nonResourceAttributes", plain, why)
    if resource is None and plain is None:
        why = "exactly one of nonResourceAttributes or resourceAttributes must be specified"
        yield Cause.invalid("spec.resourceAttributes", None, why)

    for field, keyed in (("fieldSelector", _field_key), ("labelSelector", _label_key)):
        selector = part(spec, "resourceAttributes").get(field)
        if isinstance(selector, dict):
            yield from _selector(selector, f"spec.resourceAttributes.{field}", keyed)


def _selector(selector: Fields, path: str, keyed: Callable[[Fields, str], Iterator[Cause]]) -> Iterator[Cause]:
    """Of what one may read only a part is asked for. Operators that we do not know may be a newer client's."""
    raw, requirements = text(selector.get("rawSelector")), rows(selector.get("requirements"))
    if raw and requirements:
        yield Cause.invalid(f"{path}.rawSelector", raw, "may not specified at the same time as requirements")
    if not raw and not requirements:
        why = f"when {path} is specified, requirements or rawSelector is required"
        yield Cause.required(f"{path}.requirements", why)
    for where, row in indexed(selector.get("requirements"), f"{path}.requirements"):
        operator, values = row.get("operator"), texts(row.get("values"))
        if operator in ("In", "NotIn") and not values:
            yield Cause.required(f"{where}.values", "must be specified when `operator` is 'In' or 'NotIn'")
        if operator in ("Exists", "DoesNotExist") and values:
            why = "may not be specified when `operator` is 'Exists' or 'DoesNotExist'"
            yield Cause.forbidden(f"{where}.values", why)
        yield from keyed(row, where)


def _field_key(row: Fields, path: str) -> Iterator[Cause]:
    if not text(row.get("key")):
        yield Cause.required(f"{path}.key", "must be specified")


def _label_key(row: Fields, path: str) -> Iterator[Cause]:
    for message in label_key(text(row.get("key"))):
        yield Cause.invalid(f"{path}.key", text(row.get("key")), message)
    for index, value in enumerate(texts(row.get("values"))):
        for message in label_value(value):
            yield Cause.invalid(f"{path}.values[{index}]", value, message)


def _somebody(spec: Fields) -> Iterator[Cause]:
    if not text(spec.get("user")) and not texts(spec.get("groups")):
        yield Cause.invalid("spec.user", "", "at least one of user or group must be specified")


def _subject(spec: Fields) -> User:
    extra = {name: tuple(texts(values)) for name, values in part(spec, "extra").items()}
    groups = tuple(group for group in texts(spec.get("groups")) if group != AUTHENTICATED)
    return User(text(spec.get("user")), groups, text(spec.get("uid")), extra)


def _judged(api: Api, user: User, spec: Fields) -> Object:
    plain, resource = part(spec, "nonResourceAttributes"), part(spec, "resourceAttributes")
    if plain:
        path = text(plain.get("path"))
        route = Route(text(plain.get("verb")), path, tuple(path.strip("/").split("/")))
    else:
        words = [text(resource.get(field)) for field in ("verb", "group", "version", "resource", "subresource")]
        verb, group, version, plural, subresource = words
        route = Route(verb, "", (), group, version, plural, subresource)
        route = replace(route, namespace=resource.get("namespace") or None, name=resource.get("name") or None)
    return {"allowed": api.authorizer.allows(user, route, {})}


Review = Callable[["Api", User, Route, Request], Response]
TABLE: dict[tuple[str, str], Review] = {
    (kind.group, kind.plural): review
    for kind, review in (
        (SELF_SUBJECT, who_am_i),
        (TOKEN, whose_token),
        (LOCAL_ACCESS, may_they_here),
        (SELF_ACCESS, may_i),
        (SELF_RULES, what_may_i),
        (ACCESS, may_they),
    )
}
