"""A Service's page."""

from cli.descriptions.service import describe_service


def _slice(*addresses: str, ready: bool = True, port: str = "") -> dict:
    return {
        "ports": [{"name": port, "port": 8080}],
        "endpoints": [{"addresses": [one], "conditions": {"ready": ready}} for one in addresses],
    }


def test_ready_addresses_are_named_and_not_too_many():
    service = {"spec": {"type": "ClusterIP", "ports": [{"port": 80, "targetPort": "web"}]}}
    few = describe_service(service, [_slice("10.0.0.2", "10.0.0.1"), _slice("10.0.0.9", ready=False)])
    many = describe_service(service, [_slice("10.0.0.1", "10.0.0.2", "10.0.0.3", "10.0.0.4", "10.0.0.5")])

    assert few["Endpoints"] == "10.0.0.1:8080,10.0.0.2:8080"
    assert many["Endpoints"] == "10.0.0.1:8080,10.0.0.2:8080,10.0.0.3:8080 + 2 more..."
    assert describe_service(service, [])["Endpoints"] == "<none>"


def test_several_ports_have_their_own_lines():
    ports = [{"name": "a", "port": 80, "nodePort": 30080}, {"name": "b", "port": 81}]
    page = describe_service({"spec": {"ports": ports}}, [_slice("10.0.0.1", port="a")])

    assert (page["Port (a)"], page["NodePort (a)"]) == ("a  80/TCP", "a  30080/TCP")
    assert (page["Endpoints (a)"], page["Endpoints (b)"]) == ("10.0.0.1:8080", "<none>")
