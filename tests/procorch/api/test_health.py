"""Health in one word, by name, and with some left out."""

from __future__ import annotations

import pytest
from multidict import MultiDict

from procorch.api.health import Check, Tally, answer
from procorch.objects import ApiError

_OK = "[+]ping ok\n[+]store ok\n[+]watch-cache ok\n"
GOOD = [Check("ping"), Check("store"), Check("watch-cache")]
BAD = [Check("ping"), Check("store", "the disk is gone"), Check("watch-cache")]


def said(path, query, checks):
    response = answer(path.split("/"), query, checks, Tally())
    return response.status, response.body.decode()


@pytest.mark.parametrize(
    ("path", "query", "checks", "status", "body"),
    [
        pytest.param("livez", {}, GOOD, 200, "ok", id="one word"),
        pytest.param("readyz", {"verbose": ""}, GOOD, 200,
                     _OK + "readyz check passed\n", id="by name"),
        pytest.param("readyz", {}, BAD, 500, "[+]ping ok\n[-]store failed: reason withheld\n[+]watch-cache ok\n"
                     "readyz check failed\n", id="a failure is told by name, not why"),
        pytest.param("readyz", {"exclude": "store"}, BAD, 200, "ok", id="without the one that fails"),
        pytest.param("livez", {"exclude": "store", "verbose": "1"}, BAD, 200,
                     "[+]ping ok\n[+]store excluded: ok\n[+]watch-cache ok\nlivez check passed\n",
                     id="shown as left out"),
        pytest.param("livez", {"exclude": "etcd", "verbose": ""}, GOOD, 200, _OK +
                     'warn: some health checks cannot be excluded: no matches for "etcd"\nlivez check passed\n',
                     id="nothing of that name"),
        pytest.param("readyz/store", {}, GOOD, 200, "ok", id="one alone"),
        pytest.param("readyz/store", {}, BAD, 500, "internal server error: the disk is gone\n", id="one alone fails"),
        pytest.param("readyz/store", {"verbose": "1"}, [Check("store", note="has 1 scar")], 200,
                     "[!]store has 1 scar\nok", id="what is no failure"),
    ],
)  # fmt: skip
def test_health(path, query, checks, status, body):
    assert said(path, query, checks) == (status, body)


def test_several_are_left_out():
    query = MultiDict([("exclude", "store"), ("exclude", "ping"), ("verbose", "")])

    assert said("livez", query, BAD)[1].splitlines()[:2] == ["[+]ping excluded: ok", "[+]store excluded: ok"]


def test_a_check_that_there_is_not():
    with pytest.raises(ApiError) as refused:
        said("livez/etcd", {}, GOOD)

    assert refused.value.code == 404


def test_what_was_answered_is_counted():
    """By check, and by where it was asked; what was left out, and a check alone, were not asked as a whole."""
    tally = Tally()
    for checks, query in ((GOOD, {}), (BAD, {}), (BAD, {"exclude": "store"})):
        answer(["readyz"], query, checks, tally)
    answer(["livez"], {}, GOOD[:1], tally)
    answer(["livez", "store"], {}, GOOD, tally)

    last, counts = (family.values for family in tally.families())
    assert last == {
        'name="ping",type="readyz"': 1,
        'name="store",type="readyz"': 0,
        'name="watch-cache",type="readyz"': 1,
        'name="ping",type="livez"': 1,
    }
    assert counts['name="store",status="success",type="readyz"'] == 1
    assert counts['name="store",status="error",type="readyz"'] == 1
    assert counts['name="ping",status="success",type="readyz"'] == 3
