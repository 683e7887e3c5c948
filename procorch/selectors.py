"""Label and field selectors: which objects are meant.

    label selector   a=b, a==b, a!=b, a in (b,c), a notin (b), a, !a, a>1, a<1; joined by commas, all must hold
    field selector   a.b=c, a.b==c, a.b!=c; joined by commas; \\, = and , in a value are written \\\\ \\= \\,

Every form becomes requirements: a LabelSelector is parsed from kubectl's text, made of an object's
{matchLabels, matchExpressions}, or of the plain map of a ReplicationController or Service.
Source: apimachinery pkg/labels and pkg/fields, whose grammar and messages these are.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from procorch.names import label_key, label_value

_BINARY = ("in", "notin", "=", "==", "!=", "gt", "lt")
_SPELLING = {**{word: word for word in _BINARY[:5]}, ">": "gt", "<": "lt"}
_OPERATORS = {"In": "in", "NotIn": "notin", "Exists": "exists", "DoesNotExist": "!"}
_SPECIAL = "=!(),><"
_TOKEN = re.compile(r"[ \t\r\n]*(?:(==|!=|[=!(),<>])|([^=!(),<> \t\r\n]+)|$)")
_INTEGER = re.compile(r"[+-]?[0-9]+", re.ASCII)


@dataclass(frozen=True, slots=True)
class Requirement:
    """One condition on one label.

    operator: in, notin, =, ==, !=, exists, !, gt or lt. values: sorted, each once.
    """

    key: str
    operator: str
    values: tuple[str, ...] = ()

    def matches(self, labels: Mapping[str, str]) -> bool:
        value = labels.get(self.key)
        match self.operator:
            case "in" | "=" | "==":
                return value is not None and value in self.values
            case "notin" | "!=":
                return value is None or value not in self.values
            case "exists":
                return value is not None
            case "!":
                return value is None
            case _:
                return self._compares(value)

    def _compares(self, value: str | None) -> bool:
        if value is None or not _INTEGER.fullmatch(value):
            return False
        wanted = int(self.values[0])
        return int(value) > wanted if self.operator == "gt" else int(value) < wanted

    def __str__(self) -> str:
        values = ",".join(self.values)
        match self.operator:
            case "exists":
                return self.key
            case "!":
                return f"!{self.key}"
            case "in" | "notin":
                return f"{self.key} {self.operator} ({values})"
            case "gt" | "lt":
                return f"{self.key}{'>' if self.operator == 'gt' else '<'}{values}"
            case _:
                return f"{self.key}{self.operator}{values}"


def _requirement(key: str, operator: str, values: Iterable[str] = ()) -> Requirement:
    """A checked requirement; ValueError with all that is wrong with it."""
    listed = tuple(sorted(set(values)))
    problems = []
    if messages := label_key(key):
        problems.append(f'key: Invalid value: "{key}": {"; ".join(messages)}')
    if operator in ("in", "notin") and not listed:
        problems.append("values: Invalid value: []: for 'in', 'notin' operators, values set can't be empty")
    if operator in ("gt", "lt") and not all(_INTEGER.fullmatch(value) for value in listed):
        problems.append(
            f"values[0]: Invalid value: \"{listed[0]}\": for 'Gt', 'Lt' operators, the value must be an integer"
        )
    for index, value in enumerate(listed):
        if messages := label_value(value):
            problems.append(f'values[{index}][{key}]: Invalid value: "{value}": {"; ".join(messages)}')
    if problems:
        raise ValueError(problems[0] if len(problems) == 1 else f"[{', '.join(problems)}]")
    return Requirement(key, operator, listed)


@dataclass(frozen=True, slots=True)
class LabelSelector:
    """Requirements that must all hold; none at all select everything, `nothing` selects no object."""

    requirements: tuple[Requirement, ...] = ()
    nothing: bool = False

    @classmethod
    def parse(cls, text: str) -> LabelSelector:
        """From kubectl's `-l` text; empty text selects everything. ValueError for what is no selector."""
        return cls(tuple(sorted(_Parser(text).requirements(), key=lambda one: one.key)))

    @classmethod
    def of(cls, selector: Mapping[str, Any] | None) -> LabelSelector:
        """From {matchLabels, matchExpressions}; {} selects everything, None nothing. ValueError for a bad one."""
        if selector is None:
            return cls(nothing=True)
        rows = [_requirement(key, "=", [value]) for key, value in (selector.get("matchLabels") or {}).items()]
        for row in selector.get("matchExpressions") or ():
            operator = _OPERATORS.get(row.get("operator"))
            if operator is None:
                raise ValueError(f'"{row.get("operator", "")}" is not a valid label selector operator')
            rows.append(_requirement(row.get("key", ""), operator, row.get("values") or ()))
        return cls(tuple(sorted(rows, key=lambda one: one.key)))

    @classmethod
    def of_map(cls, labels: Mapping[str, str] | None) -> LabelSelector:
        """From the map of a ReplicationController or Service: an empty one selects nothing, never everything."""
        if not labels:
            return cls(nothing=True)
        return cls(tuple(Requirement(key, "=", (value,)) for key, value in sorted(labels.items())))

    @property
    def empty(self) -> bool:
        """Whether it selects everything."""
        return not self.requirements and not self.nothing

    def matches(self, labels: Mapping[str, str] | None) -> bool:
        if self.nothing:
            return False
        labels = labels or {}
        return all(requirement.matches(labels) for requirement in self.requirements)

    def __str__(self) -> str:
        """Kubernetes' text, as kubectl shows it and scale's status.selector carries it."""
        return ",".join(str(requirement) for requirement in self.requirements)


class _Parser:
    """Recursive descent over the tokens of a label selector's text; "" is the token of its end."""

    def __init__(self, text: str) -> None:
        self.tokens = [*_tokens(text), ""]
        self.position = 0

    def look(self) -> str:
        return self.tokens[self.position]

    def take(self) -> str:
        token = self.tokens[self.position]
        self.position = min(self.position + 1, len(self.tokens) - 1)
        return token

    def requirements(self) -> list[Requirement]:
        found: list[Requirement] = []
        if self.look() and not _starts(self.look()):
            raise ValueError(f"found '{self.look()}', expected: !, identifier, or 'end of string'")
        while self.look():
            try:
                found.append(self.requirement())
            except ValueError as error:
                raise ValueError(f"unable to parse requirement: {error}") from None
            after = self.take()
            if after == ",":
                if not _starts(self.look()):
                    raise ValueError(f"found '{self.look()}', expected: identifier after ','")
            elif after:
                raise ValueError(f"found '{after}', expected: ',' or 'end of string'")
        return found

    def requirement(self) -> Requirement:
        absent = self.look() == "!"
        if absent:
            self.take()
        key = self.take()
        if not _identifier(key):
            raise ValueError(f"found '{key}', expected: identifier")
        if messages := label_key(key):
            raise ValueError(f'<nil>: Invalid value: "{key}": {"; ".join(messages)}')
        if absent or self.look() in ("", ","):
            return _requirement(key, "!" if absent else "exists")
        word = self.take()
        operator = _SPELLING.get(word)
        if operator is None:
            raise ValueError(f"found '{word}', expected: {', '.join(_BINARY)}")
        values = self.several() if operator in ("in", "notin") else [self.one()]
        return _requirement(key, operator, values)

    def one(self) -> str:
        if self.look() in ("", ","):
            return ""
        value = self.take()
        if not _identifier(value):
            raise ValueError(f"found '{value}', expected: identifier")
        return value

    def several(self) -> list[str]:
        """`(a,b)`; a missing value is the empty one, as in `(a,)`."""
        if (opening := self.take()) != "(":
            raise ValueError(f"found '{opening}' expected: '('")
        if self.look() != ")" and self.look() != "," and not _identifier(self.look()):
            raise ValueError(f"found '{self.look()}', expected: ',', ')' or identifier")
        values = []
        while True:
            values.append(self.take() if _identifier(self.look()) else "")
            after = self.take()
            if after == ")":
                return values
            if after != ",":
                raise ValueError(f"found '{after}', expected: ',' or ')'")
            if self.look() not in (")", ",") and not _identifier(self.look()):
                raise ValueError(f"found '{self.look()}', expected: ',', or identifier")


def _tokens(text: str) -> list[str]:
    return [token for match in _TOKEN.finditer(text) if (token := match.group(1) or match.group(2))]


def _identifier(token: str) -> bool:
    """Keywords too: `in` may be a value."""
    return bool(token) and token[0] not in _SPECIAL


def _starts(token: str) -> bool:
    return _identifier(token) or token == "!"


@dataclass(frozen=True, slots=True)
class FieldTerm:
    """One comparison of a field selector."""

    field: str
    equal: bool
    value: str


_TERM = re.compile(r"(?P<field>.*?)(?P<operator>!=|==|=)(?P<value>.*)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class FieldSelector:
    """Terms that must all hold; none select everything. Which fields exist is the Kind's to say (Kind.check_field)."""

    terms: tuple[FieldTerm, ...] = ()

    @classmethod
    def parse(cls, text: str) -> FieldSelector:
        """From kubectl's `--field-selector` text. ValueError for what is none."""
        terms = []
        for part in re.findall(r"(?:[^\\,]|\\.|\\$)+", text, re.DOTALL):
            match = _TERM.fullmatch(part)
            if match is None:
                raise ValueError(f"invalid selector: '{text}'; can't understand '{part}'")
            terms.append(FieldTerm(match["field"], match["operator"] != "!=", _unescaped(match["value"])))
        return cls(tuple(terms))

    @property
    def empty(self) -> bool:
        return not self.terms

    def matches(self, read: Callable[[str], str] | Mapping[str, str]) -> bool:
        """read: a field's text by its name; what is unset reads as ""."""
        value = read if callable(read) else lambda field: read.get(field, "")
        return all((value(term.field) == term.value) == term.equal for term in self.terms)

    def exact(self, field: str) -> str | None:
        """The one value that the field must have, if there is one; lets a list use an index."""
        return next((term.value for term in self.terms if term.field == field and term.equal), None)

    def __str__(self) -> str:
        return ",".join(f"{t.field}{'=' if t.equal else '!='}{_escaped(t.value)}" for t in self.terms)


def _escaped(value: str) -> str:
    return re.sub(r"([\\,=])", r"\\\1", value)


def _unescaped(value: str) -> str:
    text, letters = "", iter(value)
    for letter in letters:
        if letter == "\\":
            following = next(letters, "")
            if following not in ("\\", ",", "="):
                raise ValueError(f"invalid field selector: invalid escape sequence: \\{following}")
            letter = following
        elif letter in ",=":
            raise ValueError(f"invalid field selector: unescaped character in value: {ord(letter)}")
        text += letter
    return text
