"""Objects are read without surprises, and errors read as Kubernetes' own."""

import pytest

from procorch.objects import ApiError, Cause, Conflict, Invalid, NotFound, condition_of, get, key_of, split_key


def test_a_missing_step_reads_as_the_default() -> None:
    pod = {"spec": {"nodeName": None, "containers": []}}

    assert get(pod, ".spec.nodeName", "none") == "none"
    assert get(pod, ".status.phase") is None
    assert get(pod, ".spec.containers.name") is None


def test_keys_are_split_as_they_are_joined() -> None:
    assert key_of({"metadata": {"name": "a", "namespace": "n"}}) == "n/a"
    assert split_key("n/a") == ("n", "a")
    assert split_key("a") == (None, "a")


def test_a_condition_is_found_by_its_type() -> None:
    node = {"status": {"conditions": [{"type": "Ready", "status": "True"}]}}

    assert condition_of(node, "Ready") == {"type": "Ready", "status": "True"}
    assert condition_of(node, "Other") is None


@pytest.mark.parametrize(
    ("cause", "line"),
    [
        (Cause.invalid("a.b", 'x"\n', "is bad"), r'a.b: Invalid value: "x\"\n": is bad'),
        (Cause.invalid("a", {"b": "<1>", "a": 2}, "no"), 'a: Invalid value: {"a":2,"b":"\\u003c1\\u003e"}: no'),
        (Cause.invalid("a", 0, "no"), "a: Invalid value: 0: no"),
        (Cause.invalid("a", None, "no"), "a: Invalid value: null: no"),
        (Cause.invalid("a", "数", "no"), 'a: Invalid value: "数": no'),
        (Cause.required("a"), "a: Required value"),
        (Cause.required("a", "say it"), "a: Required value: say it"),
        (
            Cause.unsupported("a", "x", ("Always", "Never", "Maybe")),
            'a: Unsupported value: "x": supported values: "Always", "Never", "Maybe"',
        ),
        (Cause.unsupported("a", "x", {"c", "b"}), 'a: Unsupported value: "x": supported values: "b", "c"'),
        (Cause.forbidden("a", "no"), "a: Forbidden: no"),
        (Cause.duplicate("a", "x"), 'a: Duplicate value: "x"'),
        (Cause.not_found("a", "x"), 'a: Not found: "x"'),
        (Cause.too_long("a", 10), "a: Too long: may not be more than 10 bytes"),
        (Cause.too_many("a", 3, 1), "a: Too many: 3: must have at most 1 item"),
    ],
)
def test_a_cause_reads_as_kubernetes_writes_it(cause: Cause, line: str) -> None:
    assert f"{cause.field}: {cause.message}" == line


def test_one_cause_stands_alone_and_several_in_brackets() -> None:
    one, two = Cause.required("a"), Cause.required("b")

    assert str(Invalid.of("Pod", "x", [one])) == 'Pod "x" is invalid: a: Required value'
    assert str(Invalid.of("ReplicaSet", "x", [one, two], "apps")) == (
        'ReplicaSet.apps "x" is invalid: [a: Required value, b: Required value]'
    )


def test_an_error_comes_back_from_its_status_as_its_own_class() -> None:
    status = Conflict.of("pods", "a").status()

    error = ApiError.from_status(status)

    assert isinstance(error, Conflict)
    assert error.code == 409
    assert error.status() == status


def test_not_found_names_the_resource() -> None:
    assert str(NotFound.of("replicasets", "a", "apps")) == 'replicasets.apps "a" not found'
