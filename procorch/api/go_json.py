"""What Go's encoding/json says of a text that is no JSON: clients get to see it.

Source: the package's scanner; its words name the first character that cannot be, and what should have been there.
"""

from __future__ import annotations

import re
from typing import Any

from procorch.api.go import json_type_of

_SPACE = re.compile(rb"[ \t\r\n]*")
_PLAIN = re.compile(rb'[^"\\\x00-\x1f]*')
_DIGITS = re.compile(rb"[0-9]+")
_LITERALS = {0x74: b"true", 0x66: b"false", 0x6E: b"null"}
_ESCAPES = b'bfnrt\\/"'
_HEX = b"0123456789abcdefABCDEF"


_TYPE_META = r'struct { APIVersion string "json:\"apiVersion,omitempty\""; Kind string "json:\"kind,omitempty\"" }'


def misplaced(value: Any) -> str:
    """Why a value cannot say of which version and kind it is; empty where it can, or says nothing."""
    if value is not None and not isinstance(value, dict):
        return f"json: cannot unmarshal {json_type_of(value)} into Go value of type {_TYPE_META}"
    for name in ("apiVersion", "kind"):
        said = (value or {}).get(name)
        if said is not None and not isinstance(said, str):
            return f"json: cannot unmarshal {json_type_of(said)} into Go struct field .{name} of type string"
    return ""


class _Fault(Exception):
    """The complaint."""


def complaint(data: bytes) -> str:
    """Of the first thing that is wrong; empty where nothing is."""
    scanner = _Scanner(data)
    try:
        scanner.value()
        scanner.space()
        if scanner.at < len(data):
            scanner.fail("after top-level value")
    except _Fault as fault:
        return str(fault)
    return ""


class _Scanner:
    def __init__(self, data: bytes) -> None:
        self.data = data
        self.at = 0

    def fail(self, where: str, *, inside: bool = False) -> None:
        """inside: of a token, which Go ends by a space where the text ends. Raises _Fault."""
        if self.at >= len(self.data) and not inside:
            raise _Fault("unexpected end of JSON input")
        byte = self.data[self.at] if self.at < len(self.data) else 0x20
        raise _Fault(f"invalid character {_quoted(byte)} {where}")

    def peek(self) -> int:
        """The next byte; -1 at the end."""
        return self.data[self.at] if self.at < len(self.data) else -1

    def skip(self, pattern: re.Pattern[bytes]) -> bool:
        """Whether there was anything of it."""
        found = pattern.match(self.data, self.at)
        before, self.at = self.at, found.end() if found else self.at
        return self.at > before

    def space(self) -> None:
        self.skip(_SPACE)

    def value(self) -> None:
        """Lists and objects are followed with a stack: a hostile text is deep."""
        closers: list[int] = []
        while True:
            self.space()
            byte = self.peek()
            if byte in (0x7B, 0x5B):
                self.at += 1
                closers.append(byte + 2)
                self.space()
                if self.peek() != byte + 2:
                    if byte == 0x7B:
                        self._key("looking for beginning of object key string")
                    continue
            else:
                self._scalar(byte)
            if not self._follows(closers):
                return

    def _follows(self, closers: list[int]) -> bool:
        """After a value, or at the end of what is empty: whether there is another value to come."""
        while closers:
            self.space()
            byte = self.peek()
            if byte == closers[-1]:
                self.at += 1
                closers.pop()
                continue
            is_object = closers[-1] == 0x7D
            if byte != 0x2C:
                self.fail("after object key:value pair" if is_object else "after array element")
            self.at += 1
            if is_object:
                self.space()
                self._key("looking for beginning of object key string")
            return True
        return False

    def _key(self, where: str) -> None:
        if self.peek() != 0x22:
            self.fail(where)
        self._string()
        self.space()
        if self.peek() != 0x3A:
            self.fail("after object key")
        self.at += 1

    def _scalar(self, byte: int) -> None:
        if byte == 0x22:
            self._string()
        elif byte in _LITERALS:
            word = _LITERALS[byte].decode()
            for index, letter in enumerate(word):
                if self.peek() != ord(letter):
                    self.fail(f"in literal {word} (expecting {_quoted(ord(word[index]))})", inside=True)
                self.at += 1
        elif byte == 0x2D or 0x30 <= byte <= 0x39:
            self._number()
        else:
            self.fail("looking for beginning of value")

    def _string(self) -> None:
        self.at += 1
        while self.skip(_PLAIN) or True:
            byte = self.peek()
            self.at += byte in (0x22, 0x5C)
            if byte == 0x22:
                return
            if byte != 0x5C:
                self.fail("in string literal")
            escaped = self.peek()
            if escaped != 0x75 and (escaped < 0 or escaped not in _ESCAPES):
                self.fail("in string escape code", inside=True)
            self.at += 1
            for _ in range(4 if escaped == 0x75 else 0):
                if self.peek() < 0 or self.peek() not in _HEX:
                    self.fail("in \\u hexadecimal character escape", inside=True)
                self.at += 1

    def _number(self) -> None:
        self.at += self.peek() == 0x2D
        if self.peek() == 0x30:
            self.at += 1
        elif not self.skip(_DIGITS):
            self.fail("in numeric literal", inside=True)
        if self.peek() == 0x2E:
            self.at += 1
            if not self.skip(_DIGITS):
                self.fail("after decimal point in numeric literal", inside=True)
        if self.peek() in (0x65, 0x45):
            self.at += 1
            self.at += self.peek() in (0x2B, 0x2D)
            if not self.skip(_DIGITS):
                self.fail("in exponent of numeric literal", inside=True)


_QUOTED = {0x07: "\\a", 0x08: "\\b", 0x09: "\\t", 0x0A: "\\n", 0x0B: "\\v", 0x0C: "\\f", 0x0D: "\\r", 0x27: "\\'",
           0x5C: "\\\\"}  # fmt: skip


def _quoted(byte: int) -> str:
    """As strconv.Quote prints the character of that number, in single quotes."""
    shown = _QUOTED.get(byte)
    if shown is None:
        shown = chr(byte) if chr(byte).isprintable() else f"\\x{byte:02x}" if byte < 0x80 else f"\\u{byte:04x}"
    return f"'{shown}'"
