import pytest

from cli.jsonpath import JSONPathError, render

PODS = {
    "items": [
        {"metadata": {"name": "a", "labels": {"app.kubernetes.io/name": "x"}}, "status": {"phase": "Running"}},
        {"metadata": {"name": "b"}, "status": {"phase": "Pending", "ready": True, "restarts": 3}},
    ]
}


@pytest.mark.parametrize(
    ("template", "text"),
    [
        pytest.param("{.items[*].metadata.name}", "a b", id="every element"),
        pytest.param("{.items[0].metadata.name}", "a", id="one element"),
        pytest.param("{.items[-1:].metadata.name}", "b", id="the last element"),
        pytest.param(".items[0].status.phase", "Running", id="without braces"),
        pytest.param("{.items[0].nothing.there}", "", id="a missing field is empty"),
        pytest.param(
            "{range .items[*]}{.metadata.name}={.status.phase}{'\\n'}{end}", "a=Running\nb=Pending\n", id="range"
        ),
        pytest.param("{.items[?(@.status.phase=='Pending')].metadata.name}", "b", id="a filter"),
        pytest.param("{.items[?(@.status.restarts>2)].metadata.name}", "b", id="a filter by number"),
        pytest.param("{.items[?(@.status.ready)].metadata.name}", "b", id="a filter by presence"),
        pytest.param("{..name}", "a b", id="at any depth"),
        pytest.param("{.items[0].metadata.labels.app\\.kubernetes\\.io/name}", "x", id="an escaped dot"),
        pytest.param("{.items[0].metadata['name']}", "a", id="a quoted field"),
        pytest.param("{.items[1].status}", '{"phase":"Pending","ready":true,"restarts":3}', id="an object is JSON"),
        pytest.param("total: {.items[1].status.restarts}!", "total: 3!", id="text around"),
    ],
)
def test_a_template_renders_as_kubectl_renders_it(template: str, text: str) -> None:
    assert render(template, PODS) == text


@pytest.mark.parametrize("template", ["{.items[", "{range .items[*]}x", "x{end}", "{.items[?(@.a==]}"])
def test_what_is_no_template_is_refused(template: str) -> None:
    with pytest.raises(JSONPathError):
        render(template, PODS)
