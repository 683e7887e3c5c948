"""Selectors choose what kubectl's users mean, and say what is wrong in Kubernetes' words."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from procorch.selectors import FieldSelector, LabelSelector

WEB = {"app": "web", "tier": "front", "release": "7"}


@pytest.mark.parametrize(
    ("text", "matches"),
    [
        pytest.param("", True, id="nothing asked: everything"),
        pytest.param("app=web", True, id="equals"),
        pytest.param("app==web", True, id="double equals"),
        pytest.param(" app = web ", True, id="spaces do not count"),
        pytest.param("app=db", False, id="another value"),
        pytest.param("app!=db", True, id="not that value"),
        pytest.param("zone!=a", True, id="not equal: an absent label is unequal"),
        pytest.param("app in (db,web)", True, id="one of several"),
        pytest.param("app in (db)", False, id="none of them"),
        pytest.param("zone in (a)", False, id="in: an absent label is in no set"),
        pytest.param("app notin (db)", True, id="not in"),
        pytest.param("zone notin (a)", True, id="notin: an absent label is outside"),
        pytest.param("app", True, id="exists"),
        pytest.param("zone", False, id="does not exist, though asked"),
        pytest.param("!zone", True, id="absent as asked"),
        pytest.param("! app", False, id="present, though absence asked"),
        pytest.param("release>6", True, id="greater"),
        pytest.param("release<7", False, id="not less"),
        pytest.param("app>6", False, id="no number: not greater"),
        pytest.param("app=web,tier=front,!zone", True, id="all hold"),
        pytest.param("app=web,tier=back", False, id="one does not hold"),
        pytest.param("app=", False, id="empty value: only an empty label"),
        pytest.param("app in (in,notin,web)", True, id="keywords may be values"),
    ],
)
def test_label_selectors(text: str, matches: bool) -> None:
    assert LabelSelector.parse(text).matches(WEB) is matches


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("=b", "found '=', expected: !, identifier, or 'end of string'"),
        ("a,", "found '', expected: identifier after ','"),
        ("a=b,,c", "found ',', expected: identifier after ','"),
        ("a=b c", "found 'c', expected: ',' or 'end of string'"),
        (
            "a b",
            "unable to parse requirement: found 'b', expected: in, notin, =, ==, !=, gt, lt",
        ),
        ("a in b", "unable to parse requirement: found 'b' expected: '('"),
        ("a in (b", "unable to parse requirement: found '', expected: ',' or ')'"),
        ("a=(", "unable to parse requirement: found '(', expected: identifier"),
        (
            "a>x",
            'unable to parse requirement: values[0]: Invalid value: "x": '
            "for 'Gt', 'Lt' operators, the value must be an integer",
        ),
        ("!a=b", "found '=', expected: ',' or 'end of string'"),
        ("!a in (b)", "found 'in', expected: ',' or 'end of string'"),
        ("a gt 1", "unable to parse requirement: found 'gt', expected: in, notin, =, ==, !=, gt, lt"),
        ("a>=1", "unable to parse requirement: found '=', expected: identifier"),
        ("a===b", "unable to parse requirement: found '=', expected: identifier"),
        ("!!a", "unable to parse requirement: found '!', expected: identifier"),
        ("a in (b,", "unable to parse requirement: found '', expected: ',', or identifier"),
    ],
)
def test_what_is_no_label_selector_is_refused_in_kubernetes_words(text: str, message: str) -> None:
    with pytest.raises(ValueError) as error:
        LabelSelector.parse(text)

    assert str(error.value) == message


def test_a_bad_key_and_a_bad_value_are_named() -> None:
    with pytest.raises(ValueError, match=r'^unable to parse requirement: <nil>: Invalid value: "-a": name part must'):
        LabelSelector.parse("-a=b")
    with pytest.raises(ValueError, match=r'values\[0\]\[a\]: Invalid value: "b@": a valid label must be'):
        LabelSelector.parse("a=b@")


def test_a_selector_is_shown_sorted_by_key_and_with_sorted_values() -> None:
    assert str(LabelSelector.parse("z,b notin (y,x),!c,a==1")) == "a==1,b notin (x,y),!c,z"


def test_an_objects_selector_joins_labels_and_expressions() -> None:
    selector = LabelSelector.of(
        {
            "matchLabels": {"app": "web"},
            "matchExpressions": [
                {"key": "tier", "operator": "In", "values": ["front", "back"]},
                {"key": "zone", "operator": "DoesNotExist"},
            ],
        }
    )

    assert selector.matches(WEB)
    assert not selector.matches({**WEB, "zone": "a"})
    assert str(selector) == "app=web,tier in (back,front),!zone"


def test_no_selector_selects_nothing_and_an_empty_one_everything() -> None:
    assert not LabelSelector.of(None).matches(WEB)
    assert LabelSelector.of({}).matches(WEB)
    assert LabelSelector.of({}).empty


def test_an_empty_map_selects_nothing_so_that_no_controller_takes_every_pod() -> None:
    assert not LabelSelector.of_map({}).matches(WEB)
    assert not LabelSelector.of_map(None).matches(WEB)
    assert LabelSelector.of_map({"app": "web"}).matches(WEB)


def test_an_unknown_operator_is_refused() -> None:
    with pytest.raises(ValueError, match='"Near" is not a valid label selector operator'):
        LabelSelector.of({"matchExpressions": [{"key": "a", "operator": "Near"}]})


@given(st.text(alphabet="ab,=!()<> in", max_size=20))
def test_any_text_is_a_selector_that_is_read_back_or_a_value_error(text: str) -> None:
    try:
        selector = LabelSelector.parse(text)
    except ValueError:
        return

    assert LabelSelector.parse(str(selector)) == selector


@pytest.mark.parametrize(
    ("text", "matches"),
    [
        ("", True),
        ("status.phase=Running", True),
        ("status.phase==Running", True),
        ("status.phase!=Running", False),
        ("status.phase=Running,spec.nodeName=", True),
        ("spec.nodeName!=", False),
        (r"note=a\,b\=c", True),
    ],
)
def test_field_selectors(text: str, matches: bool) -> None:
    fields = {"status.phase": "Running", "note": "a,b=c"}

    assert FieldSelector.parse(text).matches(fields) is matches


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a", "invalid selector: 'a'; can't understand 'a'"),
        ("a=b=c", "invalid field selector: unescaped character in value: 61"),
        (r"a=\x", r"invalid field selector: invalid escape sequence: \x"),
    ],
)
def test_what_is_no_field_selector_is_refused_in_kubernetes_words(text: str, message: str) -> None:
    with pytest.raises(ValueError) as error:
        FieldSelector.parse(text)

    assert str(error.value) == message


@given(st.lists(st.tuples(st.from_regex("[a-z.]{1,8}", fullmatch=True), st.text(max_size=8)), max_size=3))
def test_an_escaped_field_selector_is_read_back(pairs: list[tuple[str, str]]) -> None:
    text = ",".join(
        f"{k}={v}" for k, v in ((k, v.replace("\\", "\\\\").replace(",", "\\,").replace("=", "\\=")) for k, v in pairs)
    )

    terms = FieldSelector.parse(text).terms

    assert [(term.field, term.value) for term in terms] == pairs


def test_the_one_value_of_a_field_is_known_so_that_a_list_can_use_an_index() -> None:
    selector = FieldSelector.parse("spec.nodeName=a,status.phase!=Failed")

    assert selector.exact("spec.nodeName") == "a"
    assert selector.exact("status.phase") is None
