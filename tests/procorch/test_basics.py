"""The masters' own objects; that they are made and made again is tested with a master (test_master.py)."""

from __future__ import annotations

from procorch.basics import FRESH_SECONDS, Address, alive, endpoint_slices, endpoints, lease

HERE = Address("192.0.2.7", 6443, "10.96.0.1")


def test_a_master_is_sent_to_while_its_lease_is_fresh() -> None:
    old = lease("old", Address("192.0.2.8", 6443, ""), 1000.0)
    here = lease("here", HERE, 1000.0 + FRESH_SECONDS)
    broken = {"metadata": {"name": "apiserver-x"}, "spec": {}}

    assert alive([old, here, broken], 1001.0 + FRESH_SECONDS) == [("192.0.2.7", 6443)]
    assert old["metadata"]["name"] != here["metadata"]["name"]


def test_masters_of_one_port_are_one_slice_named_as_in_kubernetes() -> None:
    (only,) = endpoint_slices([("192.0.2.8", 6443), ("192.0.2.7", 6443)])

    assert only["metadata"]["name"] == "kubernetes"
    assert [row["addresses"] for row in only["endpoints"]] == [["192.0.2.7"], ["192.0.2.8"]]


def test_masters_of_several_ports_are_all_reached() -> None:
    masters = [("192.0.2.7", 6443), ("192.0.2.7", 7443)]

    assert [subset["ports"][0]["port"] for subset in endpoints(masters)["subsets"]] == [6443, 7443]
    assert [row["metadata"]["name"] for row in endpoint_slices(masters)] == ["kubernetes-6443", "kubernetes-7443"]
