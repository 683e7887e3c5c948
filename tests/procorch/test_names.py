"""Names and the like are judged as Kubernetes judges them, word for word."""

import pytest

from procorch import names

LABEL = (
    "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end "
    "with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is "
    "'[a-z0-9]([-a-z0-9]*[a-z0-9])?')"
)
SUBDOMAIN = (
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start "
    "and end with an alphanumeric character (e.g. 'example.com', regex used for validation is "
    r"'[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')"
)


def test_a_good_name_has_no_problems() -> None:
    for check, name in (
        (names.dns_label, "my-name"),
        (names.dns_subdomain, "example.com"),
        (names.dns_1035_label, "my-name"),
        (names.label_key, "example.com/MyName"),
        (names.label_value, ""),
        (names.config_key, "my.KEY_1"),
        (names.env_name, "0 é".replace("é", "e")),
        (names.port_name, "name-of-port"),
        (names.address, "10.0.0.1"),
        (names.address, "fe80::1"),
        (names.cidr, "10.0.0.0/8"),
    ):
        assert check(name) == [], (check.__name__, name)


def test_upper_case_is_no_label() -> None:
    assert names.dns_label("My") == [LABEL]


def test_dots_are_named_when_they_are_all_that_is_wrong() -> None:
    assert names.dns_label("a.b") == ["must not contain dots"]


def test_a_name_with_an_underscore_is_no_subdomain() -> None:
    assert names.dns_subdomain("a_b") == [SUBDOMAIN]


def test_length_is_counted_in_bytes() -> None:
    assert names.dns_label("a" * 64) == ["must be no more than 63 characters"]
    assert names.label_value("é" * 32)[0] == "must be no more than 63 bytes"


def test_a_label_key_says_which_part_is_wrong() -> None:
    assert names.label_key("/a") == ["prefix part must be non-empty"]
    assert names.label_key("a/")[0] == "name part must be non-empty"
    assert names.label_key("A_/a")[0].startswith("prefix part a lowercase RFC 1123 subdomain must")
    assert names.label_key("-a")[0].startswith("name part must consist of alphanumeric characters")
    assert names.label_key("a/b/c")[0].endswith("DNS subdomain prefix and '/' (e.g. 'example.com/MyName')")


def test_a_key_that_would_climb_out_of_its_directory_is_refused() -> None:
    assert names.config_key("..") == ["must not be '..'"]
    assert names.config_key("..a") == ["must not start with '..'"]


def test_port_names_and_numbers() -> None:
    assert names.port_name("a" * 16) == ["must be no more than 15 characters"]
    assert names.port_name("1-2") == ["must contain at least one letter (a-z)"]
    assert names.port_name("a--b") == ["must not contain consecutive hyphens"]
    assert names.port_number(0) == ["must be between 1 and 65535, inclusive"]


def test_a_name_that_is_no_step_of_a_url_is_refused() -> None:
    assert names.path_segment("..") == ["may not be '..'"]
    assert names.path_segment("a/b%c") == ["may not contain '/'", "may not contain '%'"]


def test_addresses_have_one_spelling() -> None:
    assert names.address("10.0.0.01") == ["must not have leading 0s"]
    assert names.address("fe80:0::1") == ['must be in canonical form ("fe80::1")']
    assert names.address("::ffff:10.0.0.1") == ["must not be an IPv4-mapped IPv6 address"]
    assert names.address("ten") == ["must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)"]
    assert names.cidr("10.0.0.1/8") == ["must not have bits set beyond the prefix length"]
    assert names.cidr("10.0.0.0") == ["must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)"]


def test_an_environment_variable_may_have_any_printable_name_without_equals_sign() -> None:
    message = "a valid environment variable name must consist only of printable ASCII characters other than '='"

    assert names.env_name("a=b") == [message]
    assert names.env_name("ä") == [message]
    assert names.env_name("") == ["environment variable name must be non-empty"]


def test_a_wildcard_stands_in_front_of_a_domain() -> None:
    assert names.wildcard_subdomain("*.example.com") == []
    for wrong in ("example.com", "*", "a.*.com", "*.*.com", "*.Example.com"):
        (problem,) = names.wildcard_subdomain(wrong)
        assert problem.startswith("a wildcard DNS-1123 subdomain must start with '*.'"), wrong


def test_an_address_that_is_nobodys_in_particular_is_special() -> None:
    assert names.special_address("192.0.2.1") == names.special_address("2001:db8::1") == []
    for special, word in (("0.0.0.0", "unspecified"), ("127.0.0.1", "loopback"), ("fe80::1", "link-local range"),
                          ("224.0.0.1", "multicast")):  # fmt: skip
        assert word in names.special_address(special)[0]


@pytest.mark.parametrize(
    ("given", "warnings"),
    [
        ("10.0.0.1", []),
        ("x", []),
        ("010.0.0.1", ['p: non-standard IP address "010.0.0.1" is invalid: use "10.0.0.1"']),
        ("2001:DB8::1", ['p: IPv6 address "2001:DB8::1" should be in RFC 5952 canonical format ("2001:db8::1")']),
        ("::ffff:1.2.3.4", ['p: IPv4-mapped IPv6 address "::ffff:1.2.3.4" is invalid: use "1.2.3.4"']),
    ],
)
def test_addresses_that_should_be_written_otherwise(given: str, warnings: list[str]) -> None:
    assert names.address_warnings(given, "p") == warnings


def test_ranges_that_should_be_written_otherwise() -> None:
    assert names.range_warnings("10.0.0.0/8", "p") == []
    assert names.range_warnings("010.0.0.0/8", "p") == [
        'p: non-standard CIDR value "010.0.0.0/8" is invalid: use "10.0.0.0/8"'
    ]
    assert names.range_warnings("10.0.0.1/8", "p") == [
        'p: CIDR value "10.0.0.1/8" is ambiguous in this context (should be "10.0.0.0/8" or "10.0.0.1/32"?)'
    ]


def test_underscores_are_letters_where_names_are_searched() -> None:
    assert names.search_domain("_srv.a_b.example") == []
    assert names.search_domain("a b")[0].startswith("a lowercase RFC 1123 subdomain must consist of")
