"""Links that lead through the proxy again, and everything else as it was."""

from __future__ import annotations

import pytest

from procorch.api.streaming.rewriting import rewritten_page, rewritten_url

PREFIX = "/api/v1/namespaces/default/pods/a/proxy"


@pytest.mark.parametrize(
    ("url", "changed"),
    [
        ("/x?q=1#f", f"{PREFIX}/x?q=1#f"),
        ("http://10.0.0.1:80/x", f"{PREFIX}/x"),
        ("http://10.0.0.1:80", PREFIX),
        ("x/y", "x/y"),
        ("?q", "?q"),
        ("#here", "#here"),
        ("http://other/x", "http://other/x"),
        ("mailto:a@b", "mailto:a@b"),
        (f"{PREFIX}/x", f"{PREFIX}/x"),
        ("http://[", "http://["),
    ],
)
def test_a_link(url, changed):
    assert rewritten_url(url, "10.0.0.1:80", PREFIX) == changed


@pytest.mark.parametrize(
    ("page", "changed"),
    [
        ('<a href="/rewriteme">test</a>', f'<a href="{PREFIX}/rewriteme">test</a>'),
        ("<A class=x HREF='/x?a=1&amp;b=2'>", f'<A class=x HREF="{PREFIX}/x?a=1&amp;b=2">'),
        ("<img src=/i.png usemap=/m>", f'<img src="{PREFIX}/i.png" usemap="{PREFIX}/m">'),
        ('<p title="/x">/x</p>', '<p title="/x">/x</p>'),
        ("<a href=x>", "<a href=x>"),
        ("<a href='/unclosed", "<a href='/unclosed"),
    ],
)
def test_a_page(page, changed):
    assert rewritten_page(page, "10.0.0.1:80", PREFIX) == changed
