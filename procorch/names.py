"""What names, labels, ports and the like may look like: each check answers with the messages of what is wrong.

The wording is part of the API (kubectl and people's scripts show and match it).
Source: apimachinery pkg/util/validation and pkg/api/validate/content.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable

NameFormat = Callable[[str], list[str]]

_DNS_LABEL = "[a-z0-9]([-a-z0-9]*[a-z0-9])?"
_DNS_SUBDOMAIN = _DNS_LABEL + r"(\." + _DNS_LABEL + ")*"
_SEARCH_LABEL = "_?[a-z0-9]([-_a-z0-9]*[a-z0-9])?"
_SEARCH_DOMAIN = _SEARCH_LABEL + r"(\." + _SEARCH_LABEL + ")*"
_WILDCARD = r"\*\." + _DNS_SUBDOMAIN
_DNS_1035 = "[a-z]([-a-z0-9]*[a-z0-9])?"
_KEY = "([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]"
_VALUE = f"({_KEY})?"
_CONFIG_KEY = "[-._a-zA-Z0-9]+"
_HEADER = "[-A-Za-z0-9]+"

_dns_label = re.compile(_DNS_LABEL)
_dns_subdomain = re.compile(_DNS_SUBDOMAIN)
_search_domain = re.compile(_SEARCH_DOMAIN)
_wildcard = re.compile(_WILDCARD)
_dns_1035 = re.compile(_DNS_1035)
_key = re.compile(_KEY)
_value = re.compile(_VALUE)
_label_key = re.compile(f"({_DNS_SUBDOMAIN}/)?{_KEY}")
_config_key = re.compile(_CONFIG_KEY)
_header = re.compile(_HEADER)
_port_name = re.compile("[-a-z0-9]+")
_env_name = re.compile("[ -<>-~]*")  # printable ASCII but =
_percent = re.compile("[0-9]+%", re.ASCII)


def _length(text: str, limit: int, unit: str = "characters") -> list[str]:
    """Kubernetes counts bytes, and says so of labels alone. unit: what it says."""
    if len(text) * 4 <= limit or len(text.encode(errors="surrogatepass")) <= limit:
        return []
    return [f"must be no more than {limit} {unit}"]


def _regex(message: str, pattern: str, *examples: str) -> str:
    shown = " or ".join(f"'{example}', " for example in examples)
    return f"{message} (e.g. {shown}regex used for validation is '{pattern}')"


_KEY_HELP = _regex(
    "must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character",
    _KEY,
    "MyName",
    "my.name",
    "123-abc",
)


def dns_label(name: str) -> list[str]:
    """RFC 1123 label: containers, namespaces, volumes."""
    problems = _length(name, 63)
    if not _dns_label.fullmatch(name):
        if _dns_subdomain.fullmatch(name):
            return [*problems, "must not contain dots"]
        problems.append(
            _regex(
                "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', "
                "and must start and end with an alphanumeric character",
                _DNS_LABEL,
                "my-name",
                "123-abc",
            )
        )
    return problems


def dns_subdomain(name: str) -> list[str]:
    """RFC 1123 subdomain: the names of most objects."""
    return _subdomain(name, _dns_subdomain, _DNS_SUBDOMAIN, "'-' or '.'")


def search_domain(name: str) -> list[str]:
    """A subdomain in which underscores are letters, too: of resolv.conf's search list."""
    return _subdomain(name, _search_domain, _SEARCH_DOMAIN, "'_', '-' or '.'")


def _subdomain(name: str, form: re.Pattern[str], shown: str, also: str) -> list[str]:
    problems = _length(name, 253)
    if not form.fullmatch(name):
        words = f"a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, {also}, "
        words += "and must start and end with an alphanumeric character"
        problems.append(_regex(words, shown, "example.com"))
    return problems


def wildcard_subdomain(name: str) -> list[str]:
    """`*.example.com`: a host of an Ingress that stands for many."""
    problems = _length(name, 253)
    if not _wildcard.fullmatch(name):
        problems.append(
            _regex(
                "a wildcard DNS-1123 subdomain must start with '*.', followed by a valid DNS subdomain, which must "
                "consist of lower case alphanumeric characters, '-' or '.' and end with an alphanumeric character",
                _WILDCARD,
                "*.example.com",
            )
        )
    return problems


def dns_1035_label(name: str) -> list[str]:
    """A label that begins with a letter."""
    problems = _length(name, 63)
    if not _dns_1035.fullmatch(name):
        problems.append(
            _regex(
                "a DNS-1035 label must consist of lower case alphanumeric characters or '-', "
                "start with an alphabetic character, and end with an alphanumeric character",
                _DNS_1035,
                "my-name",
                "abc-123",
            )
        )
    return problems


def path_segment(name: str) -> list[str]:
    """What any object's name must not be or contain, since it is a step of a URL."""
    if name in (".", ".."):
        return [f"may not be '{name}'"]
    return [f"may not contain '{mark}'" for mark in ("/", "%") if mark in name]


def label_key(key: str) -> list[str]:
    """`[prefix/]name`: keys of labels and annotations, finalizers, condition types, resources."""
    if len(key) <= 63 and _label_key.fullmatch(key):
        return []
    parts = key.split("/")
    if len(parts) > 2:
        return [
            f"a valid label key {_KEY_HELP} with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')"
        ]
    problems: list[str] = []
    name = parts[-1]
    if len(parts) == 2:
        if not parts[0]:
            problems.append("prefix part must be non-empty")
        else:
            problems += [f"prefix part {message}" for message in dns_subdomain(parts[0])]
    if not name:
        problems.append("name part must be non-empty")
    problems += [f"name part {message}" for message in _length(name, 63, "bytes")]
    if not _key.fullmatch(name):
        problems.append(f"name part {_KEY_HELP}")
    return problems


def label_value(value: str) -> list[str]:
    problems = _length(value, 63, "bytes")
    if not _value.fullmatch(value):
        problems.append(
            _regex(
                "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', "
                "and must start and end with an alphanumeric character",
                _VALUE,
                "MyValue",
                "my_value",
                "12345",
            )
        )
    return problems


def _dots(text: str) -> list[str]:
    if text in (".", ".."):
        return [f"must not be '{text}'"]
    return ["must not start with '..'"] if text.startswith("..") else []


def config_key(key: str) -> list[str]:
    """A key of a ConfigMap's or Secret's data; it may become a file's name."""
    problems = _length(key, 253)
    if not _config_key.fullmatch(key):
        problems.append(
            _regex(
                "a valid config key must consist of alphanumeric characters, '-', '_' or '.'",
                _CONFIG_KEY,
                "key.name",
                "KEY_NAME",
                "key-name",
            )
        )
    return problems + _dots(key)


def env_name(name: str) -> list[str]:
    """An environment variable's name: any printable ASCII but `=`."""
    problems = [] if name else ["environment variable name must be non-empty"]
    if not _env_name.fullmatch(name):
        problems.append(
            "a valid environment variable name must consist only of printable ASCII characters other than '='"
        )
    return problems


def port_number(port: int) -> list[str]:
    return [] if 1 <= port <= 65535 else ["must be between 1 and 65535, inclusive"]


def port_name(name: str) -> list[str]:
    problems = _length(name, 15)
    if not _port_name.fullmatch(name):
        problems.append("must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)")
    if not re.search("[a-z]", name):
        problems.append("must contain at least one letter (a-z)")
    if "--" in name:
        problems.append("must not contain consecutive hyphens")
    if name.startswith("-") or name.endswith("-"):
        problems.append("must not begin or end with a hyphen")
    return problems


def header_name(name: str) -> list[str]:
    if _header.fullmatch(name):
        return []
    return [_regex("a valid HTTP header must consist of alphanumeric characters or '-'", _HEADER, "X-Header-Name")]


def address(text: str) -> list[str]:
    """An IP address in the form in which everybody writes it (no leading zeros, shortest IPv6)."""
    try:
        parsed = ipaddress.ip_address(text)
    except ValueError:
        if re.fullmatch(r"\d{1,4}(\.\d{1,4}){3}", text) and all(int(part) < 256 for part in text.split(".")):
            return ["must not have leading 0s"]
        return ["must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)"]
    if isinstance(parsed, ipaddress.IPv6Address) and parsed.ipv4_mapped:
        return ["must not be an IPv4-mapped IPv6 address"]
    return [] if str(parsed) == text else [f'must be in canonical form ("{parsed}")']


def special_address(text: str) -> list[str]:
    """An address that would reach the node itself, or nobody in particular. text: one that `address` takes."""
    parsed = ipaddress.ip_address(text)
    return [
        message
        for wrong, message in (
            (parsed.is_unspecified, f"may not be unspecified ({text})"),
            (parsed.is_loopback, "may not be in the loopback range (127.0.0.0/8, ::1/128)"),
            (parsed.is_link_local, "may not be in the link-local range (169.254.0.0/16, fe80::/10)"),
            (
                parsed.is_multicast and str(parsed).startswith(("224.0.0.", "ff02:")),
                "may not be in the link-local multicast range (224.0.0.0/24, ff02::/10)",
            ),
        )
        if wrong
    ]


def cidr(text: str) -> list[str]:
    """A range such as 10.9.8.0/24, with no bits beyond the prefix."""
    base, slash, length = text.partition("/")
    try:
        network = ipaddress.ip_network(text, strict=False)
    except ValueError:
        return ["must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)"]
    if not slash or not length.isdigit():
        return ["must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)"]
    if ipaddress.ip_address(base) != network.network_address:
        return ["must not have bits set beyond the prefix length"]
    return [] if str(network) == text else [f'must be in canonical form ("{network}")']


def percent(text: str) -> list[str]:
    """A share such as 25%."""
    if _percent.fullmatch(text):
        return []
    message = "a valid percent string must be a numeric string followed by an ending '%'"
    return [_regex(message, "[0-9]+%", "1%", "93%")]


def address_warnings(text: str, path: str) -> list[str]:
    """What is taken where it stood before, and should not be written so. Source: GetWarningsForIP."""
    try:
        parsed = ipaddress.ip_address(_without_leading_zeros(text))
    except ValueError:
        return []
    if isinstance(parsed, ipaddress.IPv6Address) and parsed.ipv4_mapped:
        return [f'{path}: IPv4-mapped IPv6 address "{text}" is invalid: use "{parsed.ipv4_mapped}"']
    if str(parsed) == text:
        return []
    if isinstance(parsed, ipaddress.IPv6Address):
        return [f'{path}: IPv6 address "{text}" should be in RFC 5952 canonical format ("{parsed}")']
    return [f'{path}: non-standard IP address "{text}" is invalid: use "{parsed}"']


def range_warnings(text: str, path: str) -> list[str]:
    """As `address_warnings`, of a range. Source: GetWarningsForCIDR."""
    base, _, length = text.partition("/")
    try:
        network = ipaddress.ip_network(f"{_without_leading_zeros(base)}/{length}", strict=False)
        host = ipaddress.ip_address(_without_leading_zeros(base))
    except ValueError:
        return []
    if host != network.network_address:
        single = f"{host}/{network.max_prefixlen}"
        return [f'{path}: CIDR value "{text}" is ambiguous in this context (should be "{network}" or "{single}"?)']
    if str(network) == text:
        return []
    if host.version == 6:
        return [f'{path}: IPv6 CIDR value "{text}" should be in RFC 5952 canonical format ("{network}")']
    return [f'{path}: non-standard CIDR value "{text}" is invalid: use "{network}"']


def _without_leading_zeros(text: str) -> str:
    if ":" in text:
        return text
    return ".".join(part.lstrip("0") or "0" if part.isdigit() else part for part in text.split("."))
