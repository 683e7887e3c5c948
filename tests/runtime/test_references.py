"""References and their one full spelling."""

from __future__ import annotations

import pytest

from runtime.references import Reference, canonical

DIGEST = f"sha256:{'0' * 64}"


@pytest.mark.parametrize(
    ("name", "full"),
    [
        ("busybox", "docker.io/library/busybox:latest"),
        ("docker.io/busybox:1", "docker.io/library/busybox:1"),
        ("a/b", "docker.io/a/b:latest"),
        ("localhost/a", "localhost/a:latest"),
        ("host:5000/a", "host:5000/a:latest"),
        ("quay.io/a/b@sha256:00", "quay.io/a/b@sha256:00"),
    ],
)
def test_canonical(name: str, full: str) -> None:
    assert canonical(name) == full == canonical(full)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("busybox", Reference("docker.io", "library/busybox", "latest")),
        ("team/app:1.2", Reference("docker.io", "team/app", "1.2")),
        ("localhost/app", Reference("localhost", "app", "latest")),
        ("registry.local:5000/a/b__c-d.e:V_1.x-y", Reference("registry.local:5000", "a/b__c-d.e", "V_1.x-y")),
        (f"app@{DIGEST}", Reference("docker.io", "library/app", "", DIGEST)),
        (f"a.b/app:1@{DIGEST}", Reference("a.b", "app", "1", DIGEST)),
    ],
)
def test_a_reference_is_read(text: str, found: Reference) -> None:
    assert Reference.parse(text) == found
    assert str(found) == canonical(text)
    assert found.key == (f"{found.name}@{DIGEST}" if found.digest else f"{found.name}:{found.tag}")
    assert found.wanted == (found.digest or found.tag)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("App", "lower-case"),
        ("a//b", "lower-case"),
        ("a/../b", "lower-case"),
        ("app:", "is no tag"),
        ("app:a b", "is no tag"),
        ("app:1:2", "is no tag"),
        ("app@sha256:1", "is no digest"),
        ("app@", "is no digest"),
        ("-.a/app", "is no host name"),
        ("", "lower-case"),
    ],
)
def test_what_is_none(text: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        Reference.parse(text)
