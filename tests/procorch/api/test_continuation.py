"""Continue tokens: there and back, and those of nobody."""

from __future__ import annotations

import base64
import json

import pytest

from procorch.api.continuation import Continuation, read
from procorch.objects import BadRequest


def forged(**fields):
    row = {"v": "meta.k8s.io/v1", "rv": 5, "start": "default/a\0", **fields}
    return base64.urlsafe_b64encode(json.dumps(row).encode()).decode().rstrip("=")


def test_a_token_is_read_as_it_was_made():
    for place in (Continuation(5, "default/a"), Continuation(None, "default/a")):
        assert read(place.token(), namespaced=True, namespace="default") == place
        assert read(place.token(), namespaced=True, namespace=None) == place
    assert read(Continuation(5, "a").token(), namespaced=False, namespace=None) == Continuation(5, "a")


def test_what_is_expired_goes_on_at_the_present():
    error = Continuation(5, "default/a").expired()

    assert (error.code, error.status()["reason"]) == (410, "Expired")
    token = error.status()["metadata"]["continue"]
    assert read(token, namespaced=True, namespace="default") == Continuation(None, "default/a")


@pytest.mark.parametrize(
    ("token", "message"),
    [
        pytest.param("%%%", "continue key is not valid", id="no base64"),
        pytest.param("AAAA", "continue key is not valid", id="no JSON"),
        pytest.param(base64.urlsafe_b64encode(b"[1]").decode(), "server does not recognize", id="a list"),
        pytest.param(forged(v="meta.k8s.io/v2"), "server does not recognize this encoded version", id="a later form"),
        pytest.param(forged(rv=0), "incorrect encoded start resourceVersion", id="version 0"),
        pytest.param(forged(rv=1 << 70), "incorrect encoded start resourceVersion", id="a version of 70 bits"),
        pytest.param(forged(rv=True), "incorrect encoded start resourceVersion", id="a version that is true"),
        pytest.param(forged(start=""), "encoded start key empty", id="no key"),
        pytest.param(forged(start="kube-system/a\0"), "continue key is not valid", id="another namespace"),
        pytest.param(forged(start="default/../kube-system/a"), "continue key is not valid", id="a way out"),
        pytest.param(forged(start="default/"), "continue key is not valid", id="half a key"),
        pytest.param(forged(start="a"), "continue key is not valid", id="no namespace"),
        pytest.param(forged(start="default/a\0\0"), "continue key is not valid", id="a NUL in the key"),
    ],
)
def test_a_forged_token_is_refused(token, message):
    with pytest.raises(BadRequest, match=f"^invalid continue token: .*{message}"):
        read(token, namespaced=True, namespace="default")
