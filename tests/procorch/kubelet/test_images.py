"""What image names mean."""

from __future__ import annotations

import asyncio
import venv
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from procorch.kubelet.images import PATH, ImageProblem, Images, Resolved, match, user_of
from runtime import Mount, Root
from runtime.images import ImageStore
from tests.runtime.test_archives import layout, tar_of, write
from tests.runtime.test_images import shell_root

if TYPE_CHECKING:
    from .conftest import Cluster


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


async def resolve(image: str, objects: list[dict[str, Any]], store: Path = Path("/no/such")) -> Resolved:
    return await Images(ImageStore(store)).resolve(image, objects)


async def test_host_and_schemes(tmp_path: Path) -> None:
    program = tmp_path / "program"
    program.touch()

    assert (await resolve("host", [])).image_id == (await resolve("", [])).image_id == "host"
    assert (await resolve(f"dir://{tmp_path}", [])).root == Root("dir", tmp_path)
    assert (await resolve(f"exec://{program}", [])).entrypoint == (str(program),)


async def test_an_image_object_says_truthfully_what_runs() -> None:
    found = await resolve("kubeguide/tomcat-app:v1", IMAGES)
    changed = await resolve(
        "kubeguide/tomcat-app:v1", [image("app", "kubeguide/tomcat-app:v1", entrypoint=["/bin/true"])]
    )

    assert found.entrypoint == ("/bin/sh",) and found.args == ("-c", "true")
    assert found.image_id.startswith("image.procorch.dev/app@sha256:")
    assert user_of(found.user) == (7, 8)
    assert changed.image_id != found.image_id


@pytest.mark.parametrize(
    ("name", "reason", "said"),
    [
        pytest.param("nginx", "ErrImagePull", "no Image object has a pattern for it", id="nobody knows it"),
        pytest.param("ftp:///x", "InvalidImageName", "scheme ftp is not supported", id="an unknown scheme"),
        pytest.param("nginx", "ErrImagePull", "procorch image load FILE --name nginx", id="what to do"),
        pytest.param("oci:///no/such", "ErrImagePull", "/no/such: No such file", id="no such archive"),
        pytest.param("tar:///no/such", "ErrImagePull", "/no/such: No such file", id="no such tar"),
        pytest.param("tar://x", "InvalidImageName", "must be absolute", id="a relative tar"),
        pytest.param("oci:///a/../b", "InvalidImageName", "must be absolute", id="a path with dots"),
        pytest.param("venv:///no/such", "ErrImagePull", "/no/such is no directory on this node", id="no environment"),
        pytest.param("venv:///etc", "ErrImagePull", "has no bin", id="a directory that is no environment"),
        pytest.param("venv:///", "ErrImagePull", "has no bin", id="the whole machine is no environment"),
        pytest.param("dir://x", "InvalidImageName", "must be absolute", id="a relative directory"),
        pytest.param("dir:///no/such", "ErrImagePull", "is no directory on this node", id="no such directory"),
        pytest.param("exec:///no/such", "ErrImagePull", "is no file on this node", id="no such program"),
    ],
)
async def test_what_cannot_be_had_says_what_to_do(name: str, reason: str, said: str, tmp_path: Path) -> None:
    with pytest.raises(ImageProblem, match=said) as caught:
        await resolve(name, IMAGES[1:], tmp_path)

    assert caught.value.reason == reason


async def test_a_program_that_is_not_installed_is_told() -> None:
    with pytest.raises(ImageProblem, match="install it first"):
        await resolve("x", [image("x", "x", entrypoint=["/no/such/program"])])


async def test_an_environment_is_seen_at_its_own_place(tmp_path: Path) -> None:
    place = tmp_path / "venv"
    (place / "bin").mkdir(parents=True)
    (place / "pyvenv.cfg").write_text("home = /usr/bin\n")

    found = await resolve(f"venv://{place}", [])

    assert (found.root, found.image_id) == (Root("host"), f"venv://{place}")
    assert found.mounts == (Mount(str(place), place, read_only=True),)
    assert {row["name"]: row["value"] for row in found.env} == {
        "PATH": f"{place}/bin:{PATH}",
        "VIRTUAL_ENV": str(place),
    }


async def test_the_python_of_an_environment_is_seen_where_its_place_is_hidden(tmp_path: Path) -> None:
    assert tmp_path.is_relative_to("/tmp")  # a directory that the host root hides
    place, base = tmp_path / "venv", tmp_path / "python"
    (place / "bin").mkdir(parents=True)
    (base / "bin").mkdir(parents=True)
    (base / "bin/python3").touch()
    (place / "pyvenv.cfg").write_text(f"home = {base}/bin\n")

    found = await resolve(f"venv://{place}", [])

    assert [mount.target for mount in found.mounts] == [str(place), str(base)]


async def test_a_conda_prefix_is_no_venv(tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    (tmp_path / "conda-meta").mkdir()

    found = await resolve(f"venv://{tmp_path}", [])

    assert [row["name"] for row in found.env] == ["PATH", "CONDA_PREFIX"]


async def test_a_tar_is_unpacked_once_however_many_ask(tmp_path: Path) -> None:
    (tmp_path / "root.tar").write_bytes(tar_of({"etc/name": b"x"}))
    images = Images(ImageStore(tmp_path / "images"))

    found = await asyncio.gather(*(images.resolve(f"tar://{tmp_path}/root.tar", []) for _ in range(3)))

    assert len({one.image_id for one in found}) == 1 and found[0].image_id.startswith("tar@sha256:")
    assert found[0].root.path is not None and (found[0].root.path / "etc/name").read_text() == "x"


async def test_a_loaded_name_comes_before_an_image_object(tmp_path: Path) -> None:
    (tmp_path / "root.tar").write_bytes(tar_of({"etc/name": b"x"}))
    ImageStore(tmp_path).load(tmp_path / "root.tar", "mysql")

    assert (await resolve("docker.io/library/mysql:latest", IMAGES, tmp_path)).root.kind == "dir"
    assert (await resolve("mysql:8.1", IMAGES, tmp_path)).root.kind == "host"


def script(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)


@pytest.mark.kernel
async def test_a_pod_runs_in_an_environment_that_it_sees_and_cannot_change(running: Cluster, tmp_path: Path) -> None:
    place = tmp_path / "venv"
    script(place / "bin/tool", "#!/bin/sh\necho tool in $VIRTUAL_ENV; touch $VIRTUAL_ENV/x 2>/dev/null || echo no\n")
    (place / "pyvenv.cfg").write_text("home = /usr/bin\n")
    container = {"name": "a", "image": f"venv://{place}", "command": ["tool"]}

    await running.pod("web", containers=[container], restartPolicy="Never")
    pod = await running.until(lambda pod: pod["status"]["phase"] == "Succeeded")

    assert pod["status"]["containerStatuses"][0]["imageID"] == f"venv://{place}"
    await running.until_said(pod, f"tool in {place}\nno\n")


@pytest.mark.kernel
async def test_a_venv_runs_with_its_python_wherever_that_lies(running: Cluster, tmp_path: Path) -> None:
    venv.create(tmp_path / "venv", symlinks=True)
    program = "import sys; print(sys.prefix, sys.executable)"
    container = {"name": "a", "image": f"venv://{tmp_path}/venv", "command": ["python3", "-c", program]}

    await running.pod("web", containers=[container], restartPolicy="Never")
    pod = await running.until(lambda pod: pod["status"]["phase"] == "Succeeded")

    await running.until_said(pod, f"{tmp_path}/venv {tmp_path}/venv/bin/python3\n")


@pytest.mark.kernel
async def test_a_pod_runs_as_the_config_of_its_archive_says(running: Cluster, tmp_path: Path) -> None:
    config = {
        "Entrypoint": ["/bin/sh", "-c"],
        "Cmd": ['read one < hello; echo "$one $WHO"'],
        "Env": ["WHO=me"],
        "User": "web",
        "WorkingDir": "/srv",
    }
    top = tar_of({"etc/passwd": b"web:x:7:8::/:\n", "srv/hello": b"hello\n"})
    write(tmp_path / "layout", layout(shell_root(tmp_path).read_bytes(), top, config=config))
    container = {"name": "a", "image": f"oci://{tmp_path}/layout"}

    await running.pod("web", containers=[container], restartPolicy="Never")
    pod = await running.until(lambda pod: pod["status"]["phase"] == "Succeeded")

    assert pod["status"]["containerStatuses"][0]["imageID"].startswith("sha256:")
    await running.until_said(pod, "hello me\n")
    (loaded,) = (tmp_path / "images").glob("sha256-*")
    assert (loaded / "rootfs/srv/hello").read_text() == "hello\n"
