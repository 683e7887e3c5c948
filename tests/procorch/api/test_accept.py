"""Accept headers: what is served, and in which order."""

from __future__ import annotations

import pytest

from procorch.api.accept import PROTOBUF, YAML, Form, form_of, parameter, render
from procorch.api.request import JSON
from procorch.objects import NotAcceptable

KUBECTL = (
    "application/json;as=Table;v=v1;g=meta.k8s.io,application/json;as=Table;v=v1beta1;g=meta.k8s.io,application/json"
)


@pytest.mark.parametrize(
    ("accept", "form"),
    [
        pytest.param("", Form(JSON), id="nothing said"),
        pytest.param("*/*", Form(JSON), id="anything"),
        pytest.param(KUBECTL, Form(JSON, "Table"), id="kubectl get"),
        pytest.param("application/json;as=Table;v=v1beta1;g=meta.k8s.io,application/json", Form(JSON),
                     id="an old table falls back"),
        pytest.param("application/yaml", Form(YAML), id="yaml"),
        pytest.param(f"{PROTOBUF},application/json", Form(PROTOBUF), id="protobuf"),
        pytest.param("application/json;q=0.5,application/yaml", Form(YAML), id="by weight"),
        pytest.param("text/html,application/xhtml+xml,*/*;q=0.8", Form(JSON), id="a browser"),
    ],
)  # fmt: skip
def test_the_first_that_can_be_served(accept, form):
    assert form_of(accept) == form


@pytest.mark.parametrize("accept", ["image/png", "application/json;q=0"])
def test_nothing_can_be_served(accept):
    with pytest.raises(NotAcceptable):
        form_of(accept)


def test_a_parameter_is_a_whole_word():
    assert parameter("application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList", "as=APIGroupDiscoveryList")
    assert not parameter("application/json;as=APIGroupDiscoveryListX", "as=APIGroupDiscoveryList")


def test_what_has_no_protobuf_table_comes_as_json():
    data = b'{"apiVersion":"example.com/v1","kind":"Thing","metadata":{"name":"a"}}'

    assert render(data, Form(PROTOBUF)).headers["Content-Type"] == JSON


def test_a_pod_comes_as_protobuf():
    data = b'{"apiVersion":"v1","kind":"Pod","metadata":{"name":"a"}}'

    response = render(data, Form(PROTOBUF))

    assert response.headers["Content-Type"] == PROTOBUF and response.body.startswith(b"k8s\0")
