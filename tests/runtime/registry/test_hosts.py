"""Whom a node asks for which names."""

from __future__ import annotations

import pytest

from runtime.registry.hosts import Endpoint, Registries

HUB = Endpoint("https://registry-1.docker.io")
LOCAL = Endpoint("https://r.local:5000")


@pytest.mark.parametrize(
    ("words", "host", "found"),
    [
        pytest.param([], "docker.io", [], id="nobody is asked unless it was said"),
        pytest.param(["r.local:5000"], "r.local:5000", [LOCAL], id="a registry has its own name's images"),
        pytest.param(["r.local:5000"], "r.local", [], id="another port is another host"),
        pytest.param(["r.local:5000"], "docker.io", [], id="and no others"),
        pytest.param(["http://r.local"], "r.local", [Endpoint("http://r.local")], id="without TLS, when it is said"),
        pytest.param(["docker.io"], "docker.io", [HUB], id="Docker's own has another address"),
        pytest.param(
            ["docker.io=r.local:5000"], "docker.io", [Endpoint(LOCAL.url, "", "docker.io")], id="a mirror of one host"
        ),
        pytest.param(["docker.io=r.local:5000"], "r.local:5000", [LOCAL], id="which has its own images, too"),
        pytest.param(
            ["docker.io=https://r.local:5000/hub"], "docker.io", [Endpoint(LOCAL.url, "hub", "docker.io")],
            id="a mirror with a place of its own for them",
        ),
        pytest.param(["*=r.local:5000"], "quay.io", [Endpoint(LOCAL.url, "", "quay.io")], id="a mirror of all"),
        pytest.param(["*=r.local:5000"], "r.local:5000", [LOCAL], id="is asked once for its own"),
        pytest.param(
            ["quay.io", "*=a.local", "quay.io=b.local", "quay.io=c.local"], "quay.io",
            [
                Endpoint("https://b.local", "", "quay.io"), Endpoint("https://c.local", "", "quay.io"),
                Endpoint("https://a.local", "", "quay.io"), Endpoint("https://quay.io"),
            ],
            id="its mirrors in order, mirrors of all, itself",
        ),
    ],
)  # fmt: skip
def test_whom_to_ask(words: list[str], host: str, found: list[Endpoint]) -> None:
    assert Registries(words).of(host) == found


@pytest.mark.parametrize(
    ("word", "said"),
    [
        ("", "write HOST"),
        ("ftp://r.local", "write HOST"),
        ("http://user:secret@r.local", "write HOST"),
        ("https://r.local?x=1", "write HOST"),
        ("a b=r.local", '"a b" is no host name'),
        ("*.io=r.local", "is no host name"),
        ("r.local/hub", "say whose images are there: docker.io=r.local/hub"),
        ("docker.io=r.local/../x", "cannot be the beginning"),
    ],
)
def test_what_is_no_registry(word: str, said: str) -> None:
    with pytest.raises(ValueError, match=said.replace("*", r"\*")):
        Registries([word])


def test_names_below_a_prefix() -> None:
    assert Endpoint("https://r", "hub").repository("library/app") == "hub/library/app"
    assert Endpoint("https://r").repository("library/app") == "library/app"
