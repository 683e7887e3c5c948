"""Objects without a page of their own, by their fields."""

import pytest

from cli.descriptions.fields import describe_fields, title
from procorch.kinds import KINDS


@pytest.mark.parametrize(("name", "words"), [("nodeName", "Node Name"), ("podIP", "Pod IP"), ("data", "Data")])
def test_a_field_in_words(name, words):
    assert title(name) == words


def test_fields_are_titles_and_users_keys_stay():
    lease = {"metadata": {"name": "a"}, "spec": {"holderIdentity": "n1", "leaseDurationSeconds": 40}}
    assert describe_fields(KINDS["Lease"], lease) == {
        "Spec": {"Holder Identity": ["n1"], "Lease Duration Seconds": ["40"]}
    }

    service = {"spec": {"selector": {"myApp": "x"}, "ports": [{"name": "web", "port": 80}]}}
    page = describe_fields(KINDS["Service"], service)["Spec"]
    assert page == {"Selector": {"myApp": ["x"]}, "Ports": {"1. web": {"Name": ["web"], "Port": ["80"]}}}
