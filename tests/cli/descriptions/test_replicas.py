"""The page of what keeps a number of pods."""

from cli.descriptions.replicas import describe_replicas


def _pod(owner: str, phase: str) -> dict:
    return {"metadata": {"ownerReferences": [{"uid": owner, "controller": True}]}, "status": {"phase": phase}}


def test_its_own_pods_are_counted():
    rc = {"metadata": {"uid": "u"}, "spec": {"replicas": 3, "selector": {"a": "b"}}, "status": {"replicas": 2}}
    page = describe_replicas(rc, [_pod("u", "Running"), _pod("u", "Pending"), _pod("other", "Running")])

    assert page["Pods Status"] == "1 Running / 1 Waiting / 0 Succeeded / 0 Failed"
    assert page["Replicas"] == "2 current / 3 desired"
    assert page["Selector"] == "a=b"


def test_both_forms_of_selectors():
    rs = {"metadata": {"uid": "u"}, "spec": {"selector": {"matchLabels": {"a": "b"}}}}

    assert describe_replicas(rs, [])["Selector"] == "a=b"
    assert describe_replicas({"metadata": {"uid": "u"}, "spec": {}}, [])["Selector"] == "<none>"
