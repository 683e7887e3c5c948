"""Image objects: which one a name means, and what it makes of its root."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from procorch.kubelet.images import ImageProblem, Resolved
from procorch.kubelet.images.objects import match, over, root_of_object, rows_of
from procorch.kubelet.images.roots import Archive
from runtime import Root
from tests.runtime.test_archives import write


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


def test_an_image_object_says_truthfully_what_runs() -> None:
    app, changed = IMAGES[3], image("app", "x", entrypoint=["/bin/true"])
    host = Resolved(Root("host"), "host", note="the node's file tree")
    found = over(host, app)

    assert (found.entrypoint, found.args, found.user) == (("/bin/sh",), ("-c", "true"), (7, 8))
    assert found.image_id.startswith("image.procorch.dev/app@sha256:") and "+" not in found.image_id
    assert found.note == 'Image "app": /bin/sh in the node\'s file tree'
    assert over(host, changed).image_id != found.image_id
    assert over(host, app, "sha256:1").image_id == f"{found.image_id}+sha256:1"


OF_ARCHIVE = Resolved(
    Root("dir", Path("/")), "sha256:1", ("/bin/sh",), ("-c", "x"),
    ({"name": "A", "value": "1"}, {"name": "B", "value": "2"}), "/srv", (7, 8),
)  # fmt: skip


@pytest.mark.parametrize(
    ("spec", "field", "value"),
    [
        pytest.param({}, "entrypoint", ("/bin/sh",), id="the archive's program"),
        pytest.param({}, "args", ("-c", "x"), id="the archive's arguments"),
        pytest.param({"entrypoint": ["/bin/true"]}, "entrypoint", ("/bin/true",), id="the object's program"),
        pytest.param({"entrypoint": ["/bin/true"]}, "args", (), id="with a program of its own no foreign arguments"),
        pytest.param({"args": ["y"]}, "entrypoint", ("/bin/sh",), id="its arguments for the archive's program"),
        pytest.param({"args": ["y"]}, "args", ("y",), id="the object's arguments"),
        pytest.param({}, "working_dir", "/srv", id="the archive's directory"),
        pytest.param({"workingDir": "/"}, "working_dir", "/", id="the object's directory"),
        pytest.param({}, "user", (7, 8), id="the archive's user"),
        pytest.param({"user": "5:6"}, "user", (5, 6), id="the object's user"),
        pytest.param(
            {"env": [{"name": "B", "value": "3"}, {"name": "C", "value": "4"}]}, "env",
            ({"name": "A", "value": "1"}, {"name": "B", "value": "3"}, {"name": "C", "value": "4"}),
            id="variables are merged by name",
        ),
    ],
)  # fmt: skip
def test_what_an_object_says_goes_before_what_its_root_brings(spec: dict[str, Any], field: str, value: Any) -> None:
    assert getattr(over(OF_ARCHIVE, image("web", "web", **spec)), field) == value


def test_users_are_those_of_the_root(tmp_path: Path) -> None:
    write(tmp_path, {"etc/passwd": b"web:x:7:8::/:\n"})
    root = Resolved(Root("dir", tmp_path), f"dir://{tmp_path}")

    assert over(root, image("web", "web", user="web")).user == (7, 8)
    with pytest.raises(ImageProblem, match='Image "web": unable to find user "other"'):
        over(root, image("web", "web", user="other"))


def test_a_program_is_looked_for_in_the_root_as_the_container_will_see_it(tmp_path: Path) -> None:
    write(tmp_path, {"real/run": b""})
    (tmp_path / "bin").symlink_to("/real")  # in the root, not on the machine
    (tmp_path / "out").symlink_to("/bin/sh")
    root = Resolved(Root("dir", tmp_path), f"dir://{tmp_path}")

    assert over(root, image("web", "web", entrypoint=["/bin/run"])).entrypoint == ("/bin/run",)
    with pytest.raises(ImageProblem, match=f"its program /out is not in dir://{tmp_path}"):
        over(root, image("web", "web", entrypoint=["/out"]))
    with pytest.raises(ImageProblem, match="install it first"):
        over(Resolved(Root("host"), "host"), image("web", "web", entrypoint=["/no/such/program"]))


def test_roots_of_objects(tmp_path: Path) -> None:
    assert root_of_object(image("web", "web")) == root_of_object(image("web", "web", root="host"))
    where = f'Image "web": root tar://{tmp_path}/x'
    assert root_of_object(image("web", "web", root=f"tar://{tmp_path}/x")) == Archive("tar", tmp_path / "x", where)
    with pytest.raises(ImageProblem, match='Image "web": root dir:///no/such: /no/such is no directory'):
        root_of_object(image("web", "web", root="dir:///no/such"))


def test_names_with_wildcards_are_no_names_of_a_node() -> None:
    assert [row["names"] for row in rows_of(IMAGES)] == [["mysql"], ["kubeguide/tomcat-app:v1"]]
