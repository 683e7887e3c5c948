"""The file of names: given, taken, shared, and whole whatever happens."""

from __future__ import annotations

import json
import threading
from pathlib import Path

import pytest

from runtime.image_names import FILE, Name, Names
from runtime.layers import Refused

PULLED = Name("sha256:1", "sha256:2", 7.0, ("a",))


@pytest.fixture
def names(tmp_path: Path) -> Names:
    return Names(tmp_path / "images")


def test_names_are_given_and_taken(names: Names) -> None:
    assert names.read() == {}
    names.write({"a": Name("sha256:1"), "b": PULLED})
    assert Names(names._directory).read() == {"a": Name("sha256:1"), "b": PULLED}
    names.write({"c": Name("sha256:3")}, ["a", "no"])

    assert names.read() == {"b": PULLED, "c": Name("sha256:3")}


def test_the_names_of_an_earlier_version_are_read(names: Names) -> None:
    names.write({})
    (names._directory / FILE).write_text(json.dumps({"a": "sha256:1"}))

    assert names.read() == {"a": Name("sha256:1")}


@pytest.mark.parametrize(
    ("old", "new", "access"),
    [
        pytest.param(("a",), ("b",), {"a", "b"}, id="both who were let in"),
        pytest.param(None, ("b",), None, id="what everyone may have stays so"),
        pytest.param(("a",), None, None, id="what everyone may have now"),
    ],
)
def test_access_to_one_image_adds_up(
    names: Names, old: tuple[str, ...] | None, new: tuple[str, ...] | None, access: set[str] | None
) -> None:
    names.write({"a": Name("sha256:1", "sha256:2", 1.0, old)})
    names.write({"a": Name("sha256:1", "sha256:2", 2.0, new)})

    found = names.read()["a"]
    assert (None if found.access is None else set(found.access)) == access
    assert found.pulled_at == 2.0


def test_another_image_by_the_name_begins_anew(names: Names) -> None:
    names.write({"a": PULLED})
    other = Name("sha256:9", "sha256:8", 8.0, ("b",))
    names.write({"a": other})

    assert names.read() == {"a": other}


def test_many_at_once_lose_nothing(names: Names) -> None:
    threads = [threading.Thread(target=names.write, args=({str(n): Name(f"sha256:{n}")},)) for n in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(names.read()) == 20


@pytest.mark.parametrize("text", ["{", "[]", '{"a": 7}', '{"a": {}}'])
def test_what_cannot_be_read_is_told(names: Names, text: str) -> None:
    names.write({})
    (names._directory / FILE).write_text(text)

    with pytest.raises(Refused, match=r"names\.json cannot be read"):
        names.read()
