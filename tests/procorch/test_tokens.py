import pytest

from procorch.tokens import Token, secret_of


def test_a_token_reads_back_what_it_prints() -> None:
    token = Token.new("ab" * 32)

    assert Token.parse(f" {token}\n") == token
    assert token.bearer == f"{token.id}.{token.secret}"


@pytest.mark.parametrize("text", ["", "abc", "abcdef.0123456789abcdeX", "abcdef.0123456789abcdef@12", "a.b@c"])
def test_what_is_no_token_is_refused_with_its_form(text: str) -> None:
    with pytest.raises(ValueError, match="not a join token: expected"):
        Token.parse(text)


def test_the_secret_is_a_kubernetes_bootstrap_token() -> None:
    secret = secret_of(Token("abcdef", "0123456789abcdef"), expires=0.0)

    assert secret["metadata"]["name"] == "bootstrap-token-abcdef"
    assert secret["type"] == "bootstrap.kubernetes.io/token"
    assert secret["stringData"]["expiration"] == "1970-01-01T00:00:00Z"
    assert secret["stringData"]["usage-bootstrap-authentication"] == "true"
