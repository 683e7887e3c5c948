"""What a node tells of its images."""

from __future__ import annotations

from pathlib import Path

from procorch.kubelet.images.inventory import MOST_IMAGES, MOST_NAMES, Inventory
from procorch.objects import Object
from runtime.images import ImageStore
from tests.procorch.kubelet.images.test_objects import image
from tests.runtime.test_archives import tar_of


def load(store: ImageStore, content: bytes, *names: str) -> None:
    path = store.directory.parent / "root.tar"
    path.write_bytes(tar_of({"a": content}))
    for name in names:
        store.load(path, name)


def test_images_come_with_their_names_and_sizes_the_largest_first(tmp_path: Path) -> None:
    store = ImageStore(tmp_path / "images")
    objects: dict[str, Object] = {"mysql": image("mysql", "mysql", "mysql:*")}
    inventory = Inventory(store, objects)
    assert inventory.rows() == [{"names": ["mysql"], "sizeBytes": 0}]

    load(store, b"1", "small")
    load(store, b"22", "large", "large:1")
    inventory.changed()

    assert inventory.rows() == [
        {"names": ["docker.io/library/large:1", "docker.io/library/large:latest"], "sizeBytes": 2},
        {"names": ["docker.io/library/small:latest"], "sizeBytes": 1},
        {"names": ["mysql"], "sizeBytes": 0},
    ]


def test_an_image_without_a_name_is_told_by_its_digest(tmp_path: Path) -> None:
    (tmp_path / "root.tar").write_bytes(tar_of({"a": b"1"}))
    store = ImageStore(tmp_path / "images")
    unpacked = store.tar(tmp_path / "root.tar")

    assert Inventory(store, {}).rows() == [{"names": [unpacked.id], "sizeBytes": 1}]


def test_a_node_with_many_images_stays_small(tmp_path: Path) -> None:
    store = ImageStore(tmp_path / "images")
    load(store, b"1", *(f"app:{number}" for number in range(9)))
    objects = {str(number): image(str(number), f"app-{number}") for number in range(99)}

    rows = Inventory(store, objects).rows()

    assert len(rows) == MOST_IMAGES and len(rows[0]["names"]) == MOST_NAMES


def test_a_damaged_store_is_no_reason_to_say_nothing(tmp_path: Path) -> None:
    (tmp_path / "names.json").write_text("{")

    assert Inventory(ImageStore(tmp_path), {"mysql": image("mysql", "mysql")}).rows()[0]["names"] == ["mysql"]
