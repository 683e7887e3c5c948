"""What image names mean."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from procorch.kubelet.images import ImageProblem, match, resolve, user_of
from runtime import Root


def image(name: str, *patterns: str, **spec: Any) -> dict[str, Any]:
    return {"metadata": {"name": name}, "spec": {"patterns": list(patterns), **spec}}


IMAGES = [
    image("any", "*"),
    image("mysql", "mysql", "mysql:*"),
    image("eight", "mysql:8.*"),
    image("app", "kubeguide/tomcat-app:v1", entrypoint=["/bin/sh"], args=["-c", "true"], user="7:8"),
]


@pytest.mark.parametrize(
    ("name", "found"),
    [
        pytest.param("mysql", "mysql", id="exact"),
        pytest.param("mysql:5", "mysql", id="a tag"),
        pytest.param("mysql:8.4", "eight", id="the most specific pattern"),
        pytest.param("docker.io/library/mysql", "mysql", id="written in full"),
        pytest.param("kubeguide/tomcat-app:v1", "app", id="with a slash"),
        pytest.param("kubeguide/tomcat-app:v2", "any", id="another tag is another image"),
    ],
)
def test_match(name: str, found: str) -> None:
    one = match(name, IMAGES)

    assert one is not None and one["metadata"]["name"] == found


def test_host_and_schemes(tmp_path: Path) -> None:
    program = tmp_path / "program"
    program.touch()

    assert resolve("host", []).image_id == resolve("", []).image_id == "host"
    assert resolve(f"dir://{tmp_path}", []).root == Root("dir", tmp_path)
    assert resolve(f"exec://{program}", []).entrypoint == (str(program),)


def test_an_image_object_says_truthfully_what_runs() -> None:
    found = resolve("kubeguide/tomcat-app:v1", IMAGES)
    changed = resolve("kubeguide/tomcat-app:v1", [image("app", "kubeguide/tomcat-app:v1", entrypoint=["/bin/true"])])

    assert found.entrypoint == ("/bin/sh",) and found.args == ("-c", "true")
    assert found.image_id.startswith("image.procorch.dev/app@sha256:")
    assert user_of(found.user) == (7, 8)
    assert changed.image_id != found.image_id


@pytest.mark.parametrize(
    ("name", "reason", "said"),
    [
        pytest.param("nginx", "ErrImagePull", "no Image object has a pattern for it", id="nobody knows it"),
        pytest.param("oci:///x", "InvalidImageName", "scheme oci is not supported", id="a scheme of later"),
        pytest.param("dir://x", "InvalidImageName", "must be absolute", id="a relative directory"),
        pytest.param("dir:///no/such", "ErrImagePull", "is no directory on this node", id="no such directory"),
        pytest.param("exec:///no/such", "ErrImagePull", "is no file on this node", id="no such program"),
    ],
)
def test_what_cannot_be_had_says_what_to_do(name: str, reason: str, said: str) -> None:
    with pytest.raises(ImageProblem, match=said) as caught:
        resolve(name, IMAGES[1:])

    assert caught.value.reason == reason


def test_a_program_that_is_not_installed_is_told() -> None:
    with pytest.raises(ImageProblem, match="install it first"):
        resolve("x", [image("x", "x", entrypoint=["/no/such/program"])])
