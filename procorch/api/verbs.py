"""What each verb does, once it is known that it may: reads are listed, writes go to `rest`, and both are shown."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from procorch.api import admission, components, deletion, intake, measurements, subresources
from procorch.api.accept import form_of
from procorch.api.cache import Entry
from procorch.api.fieldmanager import config_of, is_apply
from procorch.api.intake import Fields
from procorch.api.options import version_of
from procorch.api.request import JSON, LOCAL, Request, Response, User, answer
from procorch.api.routes import Route
from procorch.api.scope import scope_of
from procorch.api.table import view_of
from procorch.kinds import measured
from procorch.kinds.kind import Kind
from procorch.objects import MethodNotAllowed, Object

if TYPE_CHECKING:
    from procorch.api.api import Api


async def get(api: Api, route: Route, request: Request, user: User) -> Response:
    assert route.kind is not None and route.name is not None
    if route.kind is components.KIND:
        return render(api, route.kind, components.one(api, route.name), request)
    if route.group == measured.GROUP:
        return render(api, route.kind, await measurements.one(api, route.kind, route.namespace, route.name), request)
    await api.cache.fresh(version_of(request.query.get("resourceVersion", "")))
    entry = api.rest.entry(route.kind, route.namespace, route.name)
    return render(api, route.kind, entry, request)


async def list_(api: Api, route: Route, request: Request, user: User) -> Response:
    assert route.kind is not None
    form = form_of(request, streams=True)
    form.check_list(route.kind.name)
    view = view_of(route.kind, form, request.query.get("includeObject", ""), api.clock)
    if route.kind is components.KIND:
        scope = scope_of(route, request.query)
        found = [entry for entry in components.entries(api) if scope.has(entry)]
        return Response(200, {"Content-Type": JSON}, view.all_of(found, {"resourceVersion": str(api.cache.revision)}))
    if route.group == measured.GROUP:
        found = await measurements.entries(api, scope_of(route, request.query))
        return Response(200, {"Content-Type": JSON}, view.all_of(found, {"resourceVersion": ""}))
    return await api.listing.items(scope_of(route, request.query), view, request.query)


async def watch(api: Api, route: Route, request: Request, user: User) -> Response:
    assert route.kind is not None
    if request.remote != LOCAL:
        api.listing.check_room(user)
    form = form_of(request, streams=True)
    framing = form.framing_of(route.kind)
    view = view_of(route.kind, form, request.query.get("includeObject", ""), api.clock)
    return await api.listing.watch(scope_of(route, request.query), view, request.query, framing)


async def create(api: Api, route: Route, request: Request, user: User) -> Response:
    assert route.kind is not None
    if route.name is not None or (route.kind.namespaced and not route.namespace):
        raise MethodNotAllowed.of()
    fields, track = Fields.asked(request.query), api.update_by(route, request).track
    dry_run = api.is_dry_run(request)
    obj = intake.read(request, route.kind, fields)
    api.authorizer.check_body(user, route, obj)
    admission.sign(route.kind, obj, user)
    entry = await api.rest.create(route, obj, fields, track, dry_run=dry_run)
    if route.kind.name == "Event":
        await api.expiry.remove_some()
    return render(api, route.kind, entry, request, 201, fields)


async def update(api: Api, route: Route, request: Request, user: User) -> Response:
    assert route.kind is not None
    fields, track = Fields.asked(request.query), api.update_by(route, request).track
    dry_run = api.is_dry_run(request)
    read, admit = partial(intake.read, request, route.kind, fields), _admission(api, route, request, user)
    entry, made = await api.rest.update(route, read, fields, track, admit, dry_run=dry_run)
    return render(api, route.kind, entry, request, 201 if made else 200, fields)


def _admission(api: Api, route: Route, request: Request, user: User) -> Callable[[Object], Object]:
    """What an object goes through that a PUT or an apply makes."""

    def admit(obj: Object) -> Object:
        assert route.kind is not None
        creation = replace(route, verb="create")
        api.authorizer.check(user, creation, request.query)
        api.authorizer.check_body(user, creation, obj)
        admission.sign(route.kind, obj, user)
        return obj

    return admit


async def patch(api: Api, route: Route, request: Request, user: User) -> Response:
    assert route.kind is not None
    if is_apply(request):
        return await apply(api, route, request, user)
    fields, track = Fields.asked(request.query), api.update_by(route, request).track
    dry_run = api.is_dry_run(request)
    entry = await api.rest.patch(route, request, fields, track, dry_run=dry_run)
    return render(api, route.kind, entry, request, 200, fields)


async def apply(api: Api, route: Route, request: Request, user: User) -> Response:
    kind = route.kind
    assert kind is not None
    fields, dry_run = Fields.asked(request.query), api.is_dry_run(request)
    asked = api.apply_by(route, request, kind)

    def read() -> Object:
        return asked.check(config_of(request, fields))

    admit = _admission(api, route, request, user)
    entry, made = await api.rest.apply(route, read, fields, asked, admit, dry_run=dry_run)
    return render(api, kind, entry, request, 201 if made else 200, fields)


async def delete(api: Api, route: Route, request: Request, user: User) -> Response:
    kind = route.kind
    assert kind is not None and route.name is not None
    options = deletion.options_of(intake.read_options(request), request.query)
    entry, gone = await api.rest.delete(kind, route.namespace, route.name, options)
    if not gone or kind.shows_deleted:
        return _warned(kind, options, render(api, kind, entry, request))
    details = {"name": route.name, "group": kind.group, "kind": kind.plural, "uid": entry.object["metadata"]["uid"]}
    status = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success"}
    told = answer({**status, "details": {name: value for name, value in details.items() if value}})
    return _warned(kind, options, told)


async def deletecollection(api: Api, route: Route, request: Request, user: User) -> Response:
    kind = route.kind
    assert kind is not None
    if kind.namespaced and not route.namespace:
        raise MethodNotAllowed.of()
    form = form_of(request)
    form.check_list(kind.name)
    view = view_of(kind, form, request.query.get("includeObject", ""), api.clock)
    options = deletion.options_of(intake.read_options(request), request.query)
    revision, chosen = await api.listing.chosen(scope_of(route, request.query), request.query)
    found = await api.rest.delete_all(kind, chosen, options)
    body = view.all_of(found, {"resourceVersion": str(revision)})
    return _warned(kind, options, Response(200, {"Content-Type": JSON}, body))


async def below(api: Api, route: Route, request: Request, user: User) -> Response:
    """A subresource: its own handler, or a plain write in which only its part counts."""
    found = subresources.of(route)
    if found.handle is not None:
        if route.verb == "get":
            await api.cache.fresh()
        return await found.handle(api, route, request)
    if route.verb == "get":
        return await get(api, route, request, user)
    write = update if route.verb == "update" else patch
    return await write(api, route, request, user)


def render(
    api: Api, kind: Kind, entry: Entry, request: Request, status: int = 200, fields: Fields | None = None
) -> Response:
    form = form_of(request)
    form.check_one(kind.name)
    view = view_of(kind, form, request.query.get("includeObject", ""), api.clock)
    response = Response(status, {"Content-Type": JSON}, view.one(entry) + b"\n")
    if fields is not None:
        response.headers.update(fields.headers())
    return response


def _warned(kind: Kind, options: deletion.Options, response: Response) -> Response:
    """Who deletes without saying what becomes of the dependents is told what does."""
    if kind.orphans_warning and not options.propagation:
        response.headers.update(Fields(warnings=[kind.orphans_warning]).headers())
    return response


TABLE: dict[str, Callable[[Api, Route, Request, User], Awaitable[Response]]] = {
    "get": get,
    "list": list_,
    "watch": watch,
    "create": create,
    "update": update,
    "patch": patch,
    "delete": delete,
    "deletecollection": deletecollection,
}
