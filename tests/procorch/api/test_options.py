"""The parameters of lists and watches, in Kubernetes' words."""

from __future__ import annotations

import itertools

import pytest
from multidict import MultiDict

from procorch.api.options import ListOptions, check_timeout, check_write, list_options, version_of, watch_options
from procorch.kinds import KINDS
from procorch.objects import BadRequest, Invalid

POD = KINDS["Pod"]
_ABOUT_LISTS = 'ListOptions.meta.k8s.io "" is invalid: '


@pytest.mark.parametrize(
    ("query", "wanted"),
    [
        pytest.param({}, ListOptions(), id="nothing asked"),
        pytest.param({"resourceVersion": "0"}, ListOptions(version=0), id="whatever is at hand"),
        pytest.param({"resourceVersion": "7"}, ListOptions(version=7), id="not older than"),
        pytest.param({"limit": "-1"}, ListOptions(), id="a negative limit is none"),
        pytest.param({"timeoutSeconds": "-1"}, ListOptions(), id="a negative time is none"),
        pytest.param({"resourceVersion": "7", "limit": "3"}, ListOptions(3, version=7, exact=True),
                     id="a page of a version is of that version"),
        pytest.param({"resourceVersion": "7", "limit": "3", "resourceVersionMatch": "NotOlderThan"},
                     ListOptions(3, version=7), id="a page that may be newer"),
        pytest.param({"resourceVersion": "7", "resourceVersionMatch": "Exact"}, ListOptions(version=7, exact=True),
                     id="exactly"),
        pytest.param({"continue": "t", "resourceVersion": "0"}, ListOptions(token="t", version=0),
                     id="a token and version 0, as reflectors send them"),
    ],
)  # fmt: skip
def test_what_a_list_asks(query, wanted):
    assert list_options(query) == wanted


@pytest.mark.parametrize(
    ("query", "error", "message"),
    [
        pytest.param({"resourceVersionMatch": "Exact"}, Invalid, _ABOUT_LISTS + "resourceVersionMatch: Forbidden: "
                     "resourceVersionMatch is forbidden unless resourceVersion is provided", id="match alone"),
        pytest.param({"resourceVersionMatch": "Exact", "resourceVersion": "0"}, Invalid, _ABOUT_LISTS +
                     "resourceVersionMatch: Forbidden: resourceVersionMatch \"exact\" is forbidden for resourceVersion "
                     "\"0\"", id="exactly 0"),
        pytest.param({"resourceVersionMatch": "Near", "resourceVersion": "1"}, Invalid, _ABOUT_LISTS +
                     "resourceVersionMatch: Unsupported value: \"Near\": supported values: \"Exact\", "
                     "\"NotOlderThan\", \"\"", id="no such match"),
        pytest.param({"resourceVersionMatch": "Exact", "resourceVersion": "1", "continue": "t"}, Invalid,
                     _ABOUT_LISTS + "resourceVersionMatch: Forbidden: resourceVersionMatch is forbidden when continue "
                     "is provided", id="match and token"),
        pytest.param({"sendInitialEvents": "false"}, Invalid, _ABOUT_LISTS +
                     "sendInitialEvents: Forbidden: sendInitialEvents is forbidden for list", id="a watch's option"),
        pytest.param({"resourceVersion": "1", "continue": "t"}, BadRequest,
                     "specifying resource version is not allowed when using continue", id="version and token"),
        pytest.param({"resourceVersion": "x"}, BadRequest, "invalid resource version: resourceVersion: Invalid value: "
                     '"x": strconv.ParseUint: parsing "x": invalid syntax', id="a version that is no number"),
        pytest.param({"resourceVersion": "-1"}, BadRequest, "invalid resource version: resourceVersion: Invalid value: "
                     '"-1": strconv.ParseUint: parsing "-1": invalid syntax', id="a negative version"),
        pytest.param({"resourceVersion": "9" * 30}, BadRequest, "invalid resource version: resourceVersion: Invalid "
                     f'value: "{"9" * 30}": strconv.ParseUint: parsing "{"9" * 30}": value out of range',
                     id="a version of 100 bits"),
        pytest.param({"limit": ""}, BadRequest, 'strconv.ParseInt: parsing "": invalid syntax', id="an empty limit"),
        pytest.param({"limit": "9" * 5000}, BadRequest,
                     f'strconv.ParseInt: parsing "{"9" * 100}…": value out of range', id="a giant limit"),
    ],
)  # fmt: skip
def test_what_a_list_may_not_ask(query, error, message):
    with pytest.raises(error) as refused:
        list_options(query)

    assert refused.value.message == message


@pytest.mark.parametrize(
    ("query", "wanted"),
    [
        pytest.param({}, ListOptions(initial=True), id="begins with what is there"),
        pytest.param({"resourceVersion": "0"}, ListOptions(version=0, initial=True), id="with what is at hand"),
        pytest.param({"resourceVersion": "7"}, ListOptions(version=7), id="goes on from a version"),
        pytest.param({"sendInitialEvents": "false", "resourceVersionMatch": "NotOlderThan"},
                     ListOptions(initial=False), id="from now on"),
        pytest.param({"sendInitialEvents": "true", "resourceVersionMatch": "NotOlderThan", "resourceVersion": "7",
                      "allowWatchBookmarks": "true", "timeoutSeconds": "5"},
                     ListOptions(version=7, initial=True, bookmarks=True, timeout=5), id="what a reflector asks"),
    ],
)  # fmt: skip
def test_what_a_watch_asks(query, wanted):
    assert watch_options(query, POD) == wanted


_ABSENT = None
_VALUES = {
    "resourceVersion": (_ABSENT, "", "0", "7", "x"),
    "resourceVersionMatch": (_ABSENT, "", "Exact", "NotOlderThan", "Near"),
    "sendInitialEvents": (_ABSENT, "true", "false"),
    "limit": (_ABSENT, "0", "2", "many"),
    "continue": (_ABSENT, "", "token"),
    "timeoutSeconds": (_ABSENT, "5", "long"),
    "allowWatchBookmarks": (_ABSENT, "true"),
}


def _queries():
    """Every combination."""
    for values in itertools.product(*_VALUES.values()):
        yield {name: value for name, value in zip(_VALUES, values, strict=True) if value is not None}


def _answer(ask, query):
    """What is understood, or the code and the messages of the refusal."""
    try:
        return ask(query)
    except Invalid as error:
        return error.code, [(cause["field"], cause["message"]) for cause in error.details["causes"]]
    except BadRequest as error:
        return error.code, error.message


def _badly_numbered(query):
    for name in ("timeoutSeconds", "limit"):
        if query.get(name, "0").isalpha():
            return 400, f'strconv.ParseInt: parsing "{query[name]}": invalid syntax'
    return None


_MATCH, _NOT = "resourceVersionMatch", "Forbidden: resourceVersionMatch is forbidden"


def test_every_combination_of_a_list_s_parameters_is_understood_or_refused_as_in_kubernetes():
    for query in _queries():
        version, match, token = (query.get(name, "") for name in ("resourceVersion", _MATCH, "continue"))
        rules = [
            (match and not version, _MATCH, f"{_NOT} unless resourceVersion is provided"),
            (match and token, _MATCH, f"{_NOT} when continue is provided"),
            (match == "Near", _MATCH, 'Unsupported value: "Near": supported values: "Exact", "NotOlderThan", ""'),
            (match == "Exact" and version == "0", _MATCH,
             'Forbidden: resourceVersionMatch "exact" is forbidden for resourceVersion "0"'),
            ("sendInitialEvents" in query, "sendInitialEvents", "Forbidden: sendInitialEvents is forbidden for list"),
        ]  # fmt: skip
        causes = [(field, message) for holds, field, message in rules if holds]
        limit = int(query.get("limit", "0")) if query.get("limit", "0").isdigit() else 0
        number = int(version) if version.isdigit() else None
        wanted = (
            _badly_numbered(query)
            or (causes and (422, causes))
            or (token and version in ("7", "x") and
                (400, "specifying resource version is not allowed when using continue"))
            or (version == "x" and (400, "invalid resource version: resourceVersion: Invalid value: \"x\": "
                                         'strconv.ParseUint: parsing "x": invalid syntax'))
            or ListOptions(limit, token, number, match == "Exact" or (not match and limit > 0 and number == 7))
        )  # fmt: skip

        assert _answer(list_options, query) == wanted, query


def test_every_combination_of_a_watch_s_parameters_is_understood_or_refused_as_in_kubernetes():
    for query in _queries():
        version, match, token = (query.get(name, "") for name in ("resourceVersion", _MATCH, "continue"))
        initial = query.get("sendInitialEvents")
        if initial is None and not match and version in ("", "0"):
            initial, match = "true", "NotOlderThan"  # what a watch without more means
        rules = [
            (initial is not None and match != "NotOlderThan", "Forbidden: sendInitialEvents requires setting "
             "resourceVersionMatch to NotOlderThan"),
            (match and initial is None, f"{_NOT} for watch unless sendInitialEvents is provided"),
            (match not in ("", "NotOlderThan"),
             f'Unsupported value: "{match}": supported values: "NotOlderThan"'),
            (match and token, f"{_NOT} when continue is provided"),
        ]  # fmt: skip
        causes = [(_MATCH, message) for holds, message in rules if holds]
        number = "resourceVersion", 'Invalid value: "x": strconv.ParseUint: parsing "x": invalid syntax'
        wanted = (
            _badly_numbered(query)
            or (causes and (422, causes))
            or (version == "x" and (422, [number]))
            or ListOptions(0, "", int(version) if version else None, False,
                           None if initial is None else initial == "true", "allowWatchBookmarks" in query,
                           int(query.get("timeoutSeconds", "0")))
        )  # fmt: skip

        assert _answer(lambda query: watch_options(query, POD), query) == wanted, query


@pytest.mark.parametrize(
    ("verb", "query", "message"),
    [
        ("create", {"dryRun": "Some"}, 'CreateOptions.meta.k8s.io "" is invalid: dryRun: Unsupported value: ["Some"]: '
         'supported values: "All"'),
        ("patch", {"fieldValidation": "Loose"}, 'PatchOptions.meta.k8s.io "" is invalid: fieldValidation: Unsupported '
         'value: "Loose": supported values: "", "Ignore", "Strict", "Warn"'),
        ("update", MultiDict([("dryRun", "All"), ("dryRun", "x")]), 'UpdateOptions.meta.k8s.io "" is invalid: dryRun: '
         'Unsupported value: ["All","x"]: supported values: "All"'),
    ],
)  # fmt: skip
def test_what_a_write_may_not_say(verb, query, message):
    with pytest.raises(Invalid) as refused:
        check_write(verb, query)

    assert refused.value.message == message


def test_what_a_write_may_say():
    check_write("create", {"dryRun": "All", "fieldValidation": "Strict"})
    check_write("create", {"dryRun": "", "fieldValidation": ""})


def test_a_version_is_absent_zero_or_a_number():
    assert (version_of(""), version_of("0"), version_of("12")) == (None, 0, 12)


@pytest.mark.parametrize(
    ("verb", "applies", "query", "why"),
    [
        (
            "create",
            False,
            {"fieldManager": "m" * 129},
            "CreateOptions.*fieldManager: Too long: may not be more than 128",
        ),
        ("update", False, {"fieldManager": "a\nb"}, "UpdateOptions.*fieldManager: Invalid value.*contain printable"),
        ("patch", False, {"force": "true"}, "PatchOptions.*force: Forbidden: may not be specified for non-apply patch"),
        ("patch", True, {}, "PatchOptions.*fieldManager: Required value: is required for apply patch"),
    ],
)
def test_what_may_not_be_said_of_a_field_manager(verb, applies, query, why):
    with pytest.raises(Invalid, match=why):
        check_write(verb, query, applies=applies)


def test_who_applies_says_so_and_may_force():
    check_write("patch", {"fieldManager": "ä" * 64, "force": "true"}, applies=True)


@pytest.mark.parametrize("query", [{}, {"timeout": ""}, {"timeout": "0s"}, {"timeout": "3m"}])
def test_a_timeout_is_a_duration(query):
    check_timeout(query)


def test_a_timeout_that_is_no_duration_is_refused():
    why = '^invalid timeout specified in the request URL - time: invalid duration "soon"$'
    with pytest.raises(BadRequest, match=why):
        check_timeout({"timeout": "soon"})
