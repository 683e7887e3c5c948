"""In which order a name is looked up, and what comes of it."""

from __future__ import annotations

import asyncio
import venv
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from procorch.kubelet.images import ImageProblem, Images, Keyring, Pull, Resolved, Unpack
from runtime import Root
from runtime.images import ImageStore
from runtime.registry import http
from runtime.registry.hosts import Registries
from runtime.registry.puller import Puller
from tests.procorch.kubelet.images.test_objects import IMAGES, image
from tests.runtime.registry.servers import hostile_registry
from tests.runtime.test_archives import layout, tar_of, write
from tests.runtime.test_images import shell_root

if TYPE_CHECKING:
    from tests.procorch.kubelet.conftest import Cluster


async def no_credentials() -> Keyring:
    return Keyring()


def nobody() -> None:
    """Is told that a registry is asked."""


async def resolve(image: str, objects: list[dict[str, Any]], store: Path = Path("/no/such")) -> Resolved:
    return await resolve_by(Images(ImageStore(store)), image, objects)


async def resolve_by(images: Images, image: str, objects: Sequence[dict[str, Any]] = ()) -> Resolved:
    found = images.find(image, objects)
    return (await images.fetch(found, no_credentials, nobody)).resolved if isinstance(found, Unpack) else found


async def test_host_and_schemes(tmp_path: Path) -> None:
    program = tmp_path / "program"
    program.touch()

    assert (await resolve("host", [])).image_id == (await resolve("", [])).image_id == "host"
    assert (await resolve(f"dir://{tmp_path}", [])).root == Root("dir", tmp_path)
    assert (await resolve(f"exec://{program}", [])).entrypoint == (str(program),)


@pytest.mark.parametrize(
    ("name", "reason", "said"),
    [
        pytest.param("nginx", "ErrImagePull", "no Image object has a pattern for it", id="nobody knows it"),
        pytest.param("ftp:///x", "InvalidImageName", "scheme ftp is not supported", id="an unknown scheme"),
        pytest.param("nginx", "ErrImagePull", "procorch image load FILE --name nginx", id="what to do"),
        pytest.param("nginx", "ErrImagePull", "--registry docker.io=URL for a mirror", id="whom one might ask"),
        pytest.param("Nginx", "InvalidImageName", 'couldn\'t parse image name "Nginx"', id="no name"),
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


async def test_a_tar_is_unpacked_once_however_many_ask(tmp_path: Path) -> None:
    (tmp_path / "root.tar").write_bytes(tar_of({"etc/name": b"x"}))
    images = Images(ImageStore(tmp_path / "images"))

    found = await asyncio.gather(*(resolve_by(images, f"tar://{tmp_path}/root.tar") for _ in range(3)))

    assert len({one.image_id for one in found}) == 1 and found[0].image_id.startswith("tar@sha256:")
    assert found[0].root.path is not None and (found[0].root.path / "etc/name").read_text() == "x"


async def test_a_loaded_name_comes_before_an_image_object(tmp_path: Path) -> None:
    (tmp_path / "root.tar").write_bytes(tar_of({"etc/name": b"x"}))
    ImageStore(tmp_path).load(tmp_path / "root.tar", "mysql")

    assert (await resolve("docker.io/library/mysql:latest", IMAGES, tmp_path)).root.kind == "dir"
    assert (await resolve("mysql:8.1", IMAGES, tmp_path)).root.kind == "host"


async def test_an_image_object_may_have_an_archive_as_its_root(tmp_path: Path) -> None:
    path = tmp_path / "root.tar"
    path.write_bytes(tar_of({"etc/passwd": b"web:x:7:8::/:\n", "bin/run": b"#!"}))
    web = image("web", "web", root=f"tar://{path}", entrypoint=["/bin/run"], user="web")

    first = await resolve("web", [web], tmp_path / "images")
    path.write_bytes(tar_of({"etc/passwd": b"web:x:9:9::/:\n", "bin/run": b"#!"}))
    second = await resolve("web", [web], tmp_path / "images")

    assert (first.user, second.user) == ((7, 8), (9, 9))
    of_object, _, of_archive = first.image_id.partition("+")
    assert of_object.startswith("image.procorch.dev/web@sha256:") and of_archive.startswith("tar@sha256:")
    assert second.image_id.startswith(f"{of_object}+") and second.image_id != first.image_id


async def test_what_is_wrong_with_an_objects_archive_is_told_with_its_name(tmp_path: Path) -> None:
    with pytest.raises(ImageProblem, match='Image "web": root oci:///no/such: /no/such: No such file'):
        await resolve("web", [image("web", "web", root="oci:///no/such")], tmp_path)


@pytest.mark.parametrize("policy", ["", "Always", "IfNotPresent", "Never"])
async def test_what_the_node_has_of_its_own_is_no_matter_of_the_pull_policy(tmp_path: Path, policy: str) -> None:
    (tmp_path / "root.tar").write_bytes(tar_of({"etc/name": b"x"}))
    store = ImageStore(tmp_path / "images")
    store.load(tmp_path / "root.tar", "mine")
    images = Images(store)

    for name in ("host", "mine", "mysql", f"dir://{tmp_path}"):
        assert isinstance(images.find(name, IMAGES, policy), Resolved)
    assert isinstance(images.find(f"tar://{tmp_path}/root.tar", [], policy), Unpack)


async def test_an_image_object_comes_before_a_registry(tmp_path: Path) -> None:
    async with hostile_registry() as registry, http.session() as session, asyncio.TaskGroup() as tasks:
        puller = Puller(ImageStore(tmp_path), Registries([f"docker.io={registry.url}"]), session, tasks)
        images = Images(ImageStore(tmp_path), puller)

        assert isinstance(images.find("mysql", IMAGES, "Always"), Resolved)
        assert isinstance(images.find("nginx", IMAGES[1:]), Pull)
        with pytest.raises(ImageProblem, match=r"no registry is configured for quay\.io"):
            images.find("quay.io/app", IMAGES[1:])


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


@pytest.mark.kernel
async def test_a_pod_runs_an_image_object_on_an_archive_as_a_user_of_that(running: Cluster, tmp_path: Path) -> None:
    top = tar_of({"etc/passwd": b"web:x:7:8::/:\n", "srv/hello": b"hello\n"})
    config = {"Cmd": ["/no/such"], "Env": ["WHO=archive", "WHERE=there"], "WorkingDir": "/srv"}
    write(tmp_path / "layout", layout(shell_root(tmp_path).read_bytes(), top, config=config))
    line = 'read one < hello; echo "$one $WHO $WHERE"; (echo > x) 2>/dev/null || echo no root'
    running.images["web"] = image(
        "web", "web:*", root=f"oci://{tmp_path}/layout", user="web",
        entrypoint=["/bin/sh", "-c"], args=[line], env=[{"name": "WHO", "value": "object"}],
    )  # fmt: skip

    await running.pod("web", containers=[{"name": "a", "image": "web:1"}], restartPolicy="Never")
    pod = await running.until(lambda pod: pod["status"]["phase"] == "Succeeded")

    assert "+sha256:" in pod["status"]["containerStatuses"][0]["imageID"]
    await running.until_said(pod, "hello object there\nno root\n")
