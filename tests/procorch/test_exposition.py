"""Prometheus' text form."""

from __future__ import annotations

from prometheus_client.parser import text_string_to_metric_families

from procorch.exposition import Family, labels, text


def test_what_labels_hold_comes_back_from_prometheus_parser() -> None:
    hostile = 'a"b\\c\nd{e="f"}'
    (family,) = text_string_to_metric_families(text([Family("x", "Help.", "gauge", {labels(one=hostile): 1.5}, 1500)]))
    (sample,) = family.samples
    assert (sample.labels, sample.value, sample.timestamp) == ({"one": hostile}, 1.5, 1.5)


def test_a_family_without_values_is_left_out() -> None:
    assert text([Family("x", "Help.", "counter", {}), Family("y_total", "Help.", "counter", {"": 3})]) == (
        "# HELP y_total Help.\n# TYPE y_total counter\ny_total 3\n"
    )
