"""ConfigMaps in full, Secrets only by their sizes."""

from cli.descriptions.data import describe_config_map, describe_secret
from cli.descriptions.page import Text


def test_a_config_map_shows_its_text():
    page = describe_config_map({"data": {"b": "x\ny\n", "a": "1"}, "binaryData": {"c": "AAA="}})

    assert page == {"Data": {"a": Text(["1"]), "b": Text(["x", "y"])}, "BinaryData": {"c": "2 bytes"}}
    assert describe_config_map({})["Data"] == []


def test_a_secret_shows_how_long_its_values_are():
    assert describe_secret({"type": "Opaque", "data": {"k": "aGlkZGVuLXdvcmQ="}})["Data"] == {"k": "11 bytes"}
    assert describe_secret({"data": {"k": "a"}}) == {"Type": "Opaque", "Data": {"k": "not base64"}}
