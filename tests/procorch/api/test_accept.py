"""Accept headers: what is served, in which order, and how it is shown."""

from __future__ import annotations

import orjson
import pytest
import yaml

from procorch.api.accept import Form, clauses, form_of, form_of_error, shaped
from procorch.api.media import CBOR, JSON, PROTOBUF, YAML
from procorch.api.request import Request, Response
from procorch.kinds import KINDS
from procorch.objects import NotAcceptable

_TABLE = "as=Table;v=v1;g=meta.k8s.io"
KUBECTL = f"{JSON};{_TABLE},{JSON};as=Table;v=v1beta1;g=meta.k8s.io,{JSON}"


def asking(accept, query=None, **headers):
    return Request("GET", "/", query or {}, {"accept": accept, **headers})


@pytest.mark.parametrize(
    ("accept", "form"),
    [
        pytest.param("", Form(JSON), id="nothing said"),
        pytest.param("*/*", Form(JSON), id="anything"),
        pytest.param(KUBECTL, Form(JSON, "Table"), id="kubectl get"),
        pytest.param(f"{JSON};as=Table;v=v1beta1;g=meta.k8s.io", Form(JSON, "Table", "v1beta1"), id="an old table"),
        pytest.param(f"{JSON};as=Table;v=v1alpha1;g=meta.k8s.io,{JSON}", Form(JSON), id="an unknown table falls back"),
        pytest.param(f"{JSON};as=Table,{JSON}", Form(JSON), id="a table of no group falls back"),
        pytest.param(YAML, Form(YAML), id="yaml"),
        pytest.param(f"{YAML};{_TABLE}", Form(YAML, "Table"), id="a table in yaml"),
        pytest.param(f"{PROTOBUF},{JSON}", Form(PROTOBUF), id="protobuf"),
        pytest.param(f"{PROTOBUF};{_TABLE},{JSON};{_TABLE}", Form(JSON, "Table"), id="no table is protobuf"),
        pytest.param(f"{PROTOBUF};as=PartialObjectMetadata;v=v1;g=meta.k8s.io", Form(PROTOBUF, "PartialObjectMetadata"),
                     id="metadata in protobuf"),
        pytest.param(f"{JSON};stream=watch", Form(JSON, stream=True), id="a stream"),
        pytest.param(f"{YAML};stream=watch,{JSON}", Form(JSON), id="no stream is yaml"),
        pytest.param(f"{JSON};stream=other,{YAML}", Form(YAML), id="an unknown stream"),
        pytest.param("application/cbor-seq", Form(CBOR, stream=True), id="a stream of cbor"),
        pytest.param(f"{CBOR},{JSON}", Form(CBOR), id="cbor"),
        pytest.param(f"{JSON};q=0.5,{YAML}", Form(YAML), id="by weight"),
        pytest.param(f"{JSON};q=0.5,{YAML};q=high", Form(JSON), id="a weight that is no number weighs nothing"),
        pytest.param(f"{JSON};pretty=1", Form(JSON, pretty=True), id="pretty"),
        pytest.param("text/html,application/xhtml+xml,*/*;q=0.8", Form(JSON), id="a browser"),
        pytest.param("APPLICATION/JSON", Form(JSON), id="in capitals"),
    ],
)  # fmt: skip
def test_the_first_that_can_be_served(accept, form):
    assert form_of(asking(accept)) == form


@pytest.mark.parametrize("accept", ["image/png", f"{JSON};q=0", "text/plain"])
def test_nothing_can_be_served(accept):
    with pytest.raises(NotAcceptable) as refused:
        form_of(asking(accept))
    with pytest.raises(NotAcceptable) as of_list:
        form_of(asking(accept), streams=True)

    available = f"406: Not Acceptable\n\nAvailable representations: {JSON}, {YAML}, {PROTOBUF}, {CBOR}"
    assert (refused.value.code, refused.value.message) == (406, available)
    streams = f"{JSON};stream=watch, {PROTOBUF};stream=watch, application/cbor-seq"
    assert of_list.value.message == f"{available}, {streams}"
    assert form_of_error(asking(accept)) == Form()


@pytest.mark.parametrize("accept", [f"{PROTOBUF};{_TABLE}", f"{JSON};as=Rope;g=meta.k8s.io;v=v1"])
def test_a_form_that_there_is_not(accept):
    with pytest.raises(NotAcceptable) as refused:
        form_of(asking(accept))

    accepted = f"only the following media types are accepted: {JSON}, {YAML}, {PROTOBUF}, {CBOR}"
    assert (refused.value.code, refused.value.message) == (406, accepted)
    assert form_of_error(asking(accept)) == Form()


def test_clauses_are_in_the_order_of_their_weights():
    found = clauses(' b/b;q=0.5, a/a;x="1" , c/c;q=0.5 ')

    assert found == [("a/a", {"x": "1"}), ("b/b", {}), ("c/c", {})]


def test_one_object_is_no_list_and_a_list_no_object():
    with pytest.raises(NotAcceptable, match="you requested PartialObjectMetadata, but the requested object is a list"):
        Form(view="PartialObjectMetadata").check_list("Pod")
    with pytest.raises(NotAcceptable, match="PartialObjectMetadataList, but the requested object is not a list"):
        Form(view="PartialObjectMetadataList").check_one("Pod")


def test_a_watch_of_what_has_no_numbers_is_json_unless_only_metadata_is_asked():
    assert Form(PROTOBUF).framing_of(KINDS["Pod"]).media == f"{PROTOBUF};stream=watch"
    assert Form(PROTOBUF).framing_of(KINDS["Image"]).media == JSON
    assert Form(PROTOBUF, "PartialObjectMetadata").framing_of(KINDS["Image"]).media == f"{PROTOBUF};stream=watch"


async def test_an_answer_is_written_as_it_was_asked_for():
    def answered():
        return Response(201, {"Content-Type": JSON, "Warning": "w"}, b'{"apiVersion":"v1","kind":"Pod","metadata":{}}')

    as_yaml = await shaped(answered(), asking(YAML))
    as_protobuf = await shaped(answered(), asking(PROTOBUF))
    plain = await shaped(answered(), asking("image/png"))

    assert (as_yaml.status, as_yaml.headers) == (201, {"Content-Type": YAML, "Warning": "w"})
    assert yaml.safe_load(as_yaml.body)["kind"] == "Pod"
    assert as_protobuf.headers["Content-Type"] == PROTOBUF and as_protobuf.body.startswith(b"k8s\0")
    assert plain.headers["Content-Type"] == JSON


async def test_what_has_no_form_in_protobuf_comes_as_json():
    data = b'{"apiVersion":"example.com/v1","kind":"Thing","metadata":{"name":"a"}}'

    assert (await shaped(Response(200, {"Content-Type": JSON}, data), asking(PROTOBUF))).body == data


@pytest.mark.parametrize(
    ("request_", "pretty"),
    [
        pytest.param(asking(JSON), False, id="a program"),
        pytest.param(asking(JSON, {"pretty": "true"}), True, id="asked for"),
        pytest.param(asking("*/*", **{"user-agent": "curl/8.0"}), True, id="somebody looks"),
        pytest.param(asking("*/*", {"pretty": "0"}, **{"user-agent": "curl/8.0"}), False, id="somebody counts"),
        pytest.param(asking(f"{JSON};pretty=1"), True, id="in the media type"),
    ],
)
async def test_answers_are_indented_for_people(request_, pretty):
    response = await shaped(Response(200, {"Content-Type": JSON}, b'{"a":{"b":1}}'), request_)

    assert response.body.count(b"\n") == (5 if pretty else 0)
    assert orjson.loads(response.body) == {"a": {"b": 1}}
