"""Pods' Prometheus pages through their nodes: gauges as they are, counters as rates, and strangers kept short."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from procorch.api import scraping
from procorch.api.links import Links
from procorch.api.scraping import FRESH_SECONDS, LONGEST_SECONDS, Scraping, read, where
from procorch.link import Stream
from procorch.objects import Object
from procorch.selectors import LabelSelector
from tests.metered import dialled_in


class Pods:
    """A node on which every address answers with its page. looks: how often each was asked, and for which path."""

    def __init__(self) -> None:
        self.now = 100.0
        self.pages: dict[str, str] = {}
        self.looks: list[tuple[str, str]] = []
        self.growing: dict[str, float] = {}

    async def accept(self, header: dict[str, Any], stream: Stream) -> None:
        asked = parse_qs(urlsplit(header["path"]).query)
        host = f"{asked['address'][0]}:{asked['port'][0]}"
        if host not in self.pages:
            await stream.respond({"status": 502, "headers": {}})
            await stream.end()
            return
        await stream.respond({"status": 200, "headers": {}})
        request = (await stream.read()).decode()
        self.looks.append((host, request.split()[1]))
        body = self.pages[host].format(n=self.now * self.growing.get(host, 0)).encode()
        status = b"200 OK" if body else b"404 Not Found"
        await stream.write(b"HTTP/1.1 %b\r\nContent-Length: %d\r\n\r\n%b" % (status, len(body), body))
        await stream.end()

    async def pause(self, seconds: float) -> None:
        self.now += seconds

    def pod(self, name: str, page: str | None = None, growing: float = 0, **annotations: str) -> Object:
        number = len(self.pages) + 2
        if page is not None:
            self.pages[f"10.1.0.{number}:9100"] = page
            self.growing[f"10.1.0.{number}:9100"] = growing
        said = {"scrape": "true", "port": "9100", **annotations}
        return {
            "metadata": {
                "name": name,
                "uid": name,
                "annotations": {f"prometheus.io/{key}": value for key, value in said.items()},
            },
            "spec": {"nodeName": "n1", "containers": [{"ports": [{"containerPort": 8080}]}]},
            "status": {"phase": "Running", "podIP": f"10.1.0.{number}"},
        }


@pytest.fixture
def pods() -> Pods:
    return Pods()


@pytest.fixture
async def found(pods: Pods) -> AsyncIterator[Scraping]:
    links = Links()
    async with dialled_in(links, "n1", pods):
        yield Scraping(links, lambda: 1_700_000_000.0, lambda: pods.now, pods.pause)


COUNTER = '# TYPE hits_total counter\nhits_total{{code="200"}} {n}\nhits_total{{code="500"}} 7\n'


async def test_a_gauge_is_summed_over_its_series(pods: Pods, found: Scraping) -> None:
    page = '# TYPE queue gauge\nqueue{{q="a"}} 3\nqueue{{q="b"}} 4.5\nplain 1\n'
    one, two = pods.pod("one", page, path="/own?x=1"), pods.pod("two", "queue 2\n")
    values = await found.values([one, two], "queue", None)
    assert {uid: (row.value, row.window) for uid, row in values.items()} == {"one": (7.5, 0.0), "two": (2.0, 0.0)}
    assert pods.looks == [("10.1.0.2:9100", "/own?x=1"), ("10.1.0.3:9100", "/metrics")]
    chosen = await found.values([one, two], "queue", LabelSelector.parse("q=a"))
    assert {uid: row.value for uid, row in chosen.items()} == {"one": 3.0, "two": 0}
    assert set(await found.values([one, two], "plain", None)) == {"one"}
    assert len(pods.looks) == 2, "all of it out of one look"


@pytest.mark.parametrize("metric", ["hits", "hits_total", "hits_per_second"])
async def test_a_counter_is_asked_for_by_its_rate(pods: Pods, found: Scraping, metric: str) -> None:
    pod = pods.pod("one", COUNTER, growing=2.5)
    first = (await found.values([pod], metric, None))["one"]
    assert (first.value, first.window) == (2.5, 1.0), "a second's wait for the second look"
    pods.now += 15
    second = (await found.values([pod], metric, LabelSelector.parse("code=200")))["one"]
    assert (second.value, second.window) == (2.5, 15.0)
    pods.now += FRESH_SECONDS - 1
    assert (await found.values([pod], metric, None))["one"].window == 15.0
    pods.now += LONGEST_SECONDS + 1
    assert (await found.values([pod], metric, None))["one"].window == 1.0
    assert len(pods.looks) == 5


async def test_a_counter_that_began_anew_has_no_rate_below_nothing(pods: Pods, found: Scraping) -> None:
    pod = pods.pod("one", COUNTER, growing=1)
    await found.values([pod], "hits", None)
    pods.growing["10.1.0.2:9100"] = 0.1
    pods.now += 10
    assert (await found.values([pod], "hits", None))["one"].value == pytest.approx(1.11)


async def test_who_does_not_answer_well_has_no_values(
    pods: Pods, found: Scraping, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scraping, "LARGEST_PAGE", 1000)
    bad = [
        pods.pod("refuses"),
        pods.pod("has none", ""),
        pods.pod("talks nonsense", "<html>{{}} = \n"),
        pods.pod("talks too much", "queue 1\n" * 200),
    ]
    bad[0]["status"]["podIP"] = "10.1.0.99"
    good = pods.pod("good", "queue 1\n")
    assert set(await found.values([*bad, good], "queue", None)) == {"good"}


async def test_many_who_ask_at_once_share_a_look(pods: Pods, found: Scraping) -> None:
    pod = pods.pod("one", "queue 1\n")
    await asyncio.gather(*(found.values([pod], "queue", None) for _ in range(20)))
    assert len(pods.looks) == 1


@pytest.mark.parametrize(
    ("annotations", "change", "expected"),
    [
        pytest.param({}, {}, ("http://10.1.0.2:9100", "/metrics"), id="as it is said"),
        pytest.param({"port": ""}, {}, ("http://10.1.0.2:8080", "/metrics"), id="the first port"),
        pytest.param({"scheme": "https", "path": "/m"}, {}, ("https://10.1.0.2:9100", "/m"), id="elsewhere"),
        pytest.param({"scrape": "false"}, {}, None, id="not offered"),
        pytest.param({"port": "x"}, {}, None, id="no port"),
        pytest.param({"port": "70000"}, {}, None, id="no such port"),
        pytest.param({"scheme": "file"}, {}, None, id="no such scheme"),
        pytest.param({"path": "metrics"}, {}, None, id="no path"),
        pytest.param({}, {"phase": "Pending"}, None, id="it does not run"),
        pytest.param({}, {"podIP": "127.0.0.1"}, None, id="an address that is not its own"),
    ],
)
def test_pods_say_where_their_page_is(pods: Pods, annotations: Any, change: Any, expected: Any) -> None:
    pod = pods.pod("one", **annotations)
    pod["status"] |= change
    found = where(pod)
    assert expected == (found and (f"{found[0].scheme}://{found[0].host}", found[1]))


def test_a_page_is_read() -> None:
    values, counters = read('# TYPE a counter\na_total 1\n# TYPE b gauge\nb 2\nb{x="y"} NaN\nc 3\n')
    assert counters == {"a_total"}
    assert values["b"][frozenset()] == 2 and values["c"] == {frozenset(): 3.0}
