import click
import pytest

from cli.resources import kind_named, one_object, shown, targets


@pytest.mark.parametrize("word", ["po", "pod", "pods", "Pod", "PODS", "pods.v1."[:4]])
def test_a_kind_has_many_names(word: str) -> None:
    assert kind_named(word).name == "Pod"


def test_a_group_may_be_named() -> None:
    assert kind_named("replicasets.apps").name == "ReplicaSet"
    assert kind_named("leases.v1.coordination.k8s.io").name == "Lease"


@pytest.mark.parametrize(
    ("words", "found"),
    [
        pytest.param(["pods"], [("Pod", None)], id="a type"),
        pytest.param(["pod", "a", "b"], [("Pod", "a"), ("Pod", "b")], id="a type and names"),
        pytest.param(["pod/a", "svc/b"], [("Pod", "a"), ("Service", "b")], id="types with names"),
        pytest.param(["rc,svc"], [("ReplicationController", None), ("Service", None)], id="several types"),
    ],
)
def test_words_name_targets(words: list[str], found: list[tuple[str, str | None]]) -> None:
    assert [(target.kind.name, target.name) for target in targets(words)] == found


def test_all_is_the_kinds_of_that_category() -> None:
    assert {"Pod", "Service", "ReplicationController"} <= {target.kind.name for target in targets(["all"])}


@pytest.mark.parametrize("words", [[], ["pod/a", "b"]])
def test_a_mixture_is_refused(words: list[str]) -> None:
    with pytest.raises(click.UsageError):
        targets(words)


def test_an_unknown_type_says_where_to_look() -> None:
    with pytest.raises(click.ClickException, match=r'resource type "frob": see `procorch api-resources`'):
        kind_named("frob")


def test_one_object_is_named() -> None:
    kind, name = one_object(["rs/web"])
    assert shown(kind, str(name)) == "replicaset.apps/web"
