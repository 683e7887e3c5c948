"""nftables by netlink messages: tables, chains, rules, maps and their elements, as far as this project needs them.

There is no `nft` program on a user's machine, and pyroute2's nftables cannot express maps. A rule is a list of
expressions that work on registers; `nft --debug=netlink` prints the same list for a rule written in nft's language.

Source: the kernel's include/uapi/linux/netfilter/nf_tables.h.
"""

from __future__ import annotations

import errno
import socket
import struct
from collections.abc import Iterable, Iterator, Mapping

from network.netlink import Message, Netlink, NetlinkError, attribute, attributes, nested, text

_SUBSYSTEM = 10 << 8
_BATCH_BEGIN, _BATCH_END = 0x10, 0x11
_NEWTABLE, _GETTABLE, _DELTABLE, _NEWCHAIN, _NEWRULE = 0, 1, 2, 3, 6
_NEWSET, _NEWSETELEM, _GETSETELEM, _DELSETELEM = 9, 12, 13, 14
_CREATE, _APPEND = 0x400, 0x800
_IPV4 = 2

# Hooks of the family ip.
PREROUTING, INPUT, FORWARD, OUTPUT, POSTROUTING = 0, 1, 2, 3, 4
# Priorities, as nft names them.
DSTNAT, FILTER, SRCNAT = -100, 0, 100

# Four-byte registers; a key of several fields takes as many in a row.
REGISTER = 8

# The numbers by which nft's own program knows the types, so that `nft list` prints addresses and ports.
TYPE_ADDRESS, TYPE_PROTOCOL, TYPE_PORT = 7, 12, 13
_PER_MESSAGE = 1000  # elements; an attribute holds 64 KiB


def _big(value: int) -> bytes:
    return struct.pack(">i", value) if value < 0 else struct.pack(">I", value)


def _expression(name: str, *data: bytes) -> bytes:
    return nested(1, attribute(1, name), nested(2, *data))


def _value(value: bytes) -> bytes:
    return attribute(1, value)


def load_payload(base: str, offset: int, length: int, register: int = REGISTER) -> bytes:
    """Bytes of the packet into a register; base: `network` or `transport` header."""
    where = {"network": 1, "transport": 2}[base]
    return _expression(
        "payload",
        attribute(1, _big(register)),
        attribute(2, _big(where)),
        attribute(3, _big(offset)),
        attribute(4, _big(length)),
    )


def load_source(register: int = REGISTER) -> bytes:
    return load_payload("network", 12, 4, register)


def load_destination(register: int = REGISTER) -> bytes:
    return load_payload("network", 16, 4, register)


def load_port(register: int = REGISTER) -> bytes:
    """The destination port of TCP and UDP."""
    return load_payload("transport", 2, 2, register)


def load_protocol(register: int = REGISTER) -> bytes:
    return _expression("meta", attribute(1, _big(register)), attribute(2, _big(16)))


def load_output_name(register: int = REGISTER) -> bytes:
    """The name of the interface that the packet leaves by, 16 bytes."""
    return _expression("meta", attribute(1, _big(register)), attribute(2, _big(7)))


def interface(name: str) -> bytes:
    return name.encode().ljust(16, b"\0")


def equals(value: bytes, register: int = REGISTER, *, negate: bool = False) -> bytes:
    return _expression(
        "cmp", attribute(1, _big(register)), attribute(2, _big(1 if negate else 0)), nested(3, _value(value))
    )


def within(network: str, register: int = REGISTER, *, negate: bool = False) -> Iterator[bytes]:
    """The address in the register is in a range like `10.0.0.0/8`. Overwrites the register."""
    address, _, length = network.partition("/")
    mask = _big((0xFFFFFFFF << (32 - int(length))) & 0xFFFFFFFF)
    yield _expression(
        "bitwise",
        attribute(1, _big(register)),
        attribute(2, _big(register)),
        attribute(3, _big(4)),
        nested(4, _value(mask)),
        nested(5, _value(bytes(4))),
    )
    yield equals(socket.inet_aton(address), register, negate=negate)


def lookup(name: str, into: int, register: int = REGISTER) -> bytes:
    """The map's value for the key in `register` into a register; the rule ends where there is none."""
    return _expression("lookup", attribute(1, name), attribute(2, _big(register)), attribute(3, _big(into)))


def put(value: bytes, register: int = REGISTER) -> bytes:
    return _expression("immediate", attribute(1, _big(register)), nested(2, _value(value)))


def destination_nat(address_register: int, port_register: int) -> bytes:
    return _expression(
        "nat",
        attribute(1, _big(1)),
        attribute(2, _big(_IPV4)),
        attribute(3, _big(address_register)),
        attribute(5, _big(port_register)),
    )


def masquerade() -> bytes:
    return _expression("masq")


def reset_connection() -> bytes:
    return _expression("reject", attribute(1, _big(1)), attribute(2, b"\0"))


def port_unreachable() -> bytes:
    return _expression("reject", attribute(1, _big(0)), attribute(2, b"\3"))


def drop() -> bytes:
    return _expression("immediate", attribute(1, _big(0)), nested(2, nested(2, attribute(1, _big(0)))))


def _message(kind: int, body: bytes, flags: int, what: str) -> Message:
    return Message(_SUBSYSTEM | kind, struct.pack("=BBH", _IPV4, 0, 0) + body, flags, what)


class Table:
    """Messages about one table of the family ip; `apply` carries a list of them out, all or none."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._name = attribute(1, name)

    def create(self) -> Message:
        """Also when it is there already."""
        return _message(_NEWTABLE, self._name, _CREATE, f"create table {self.name}")

    def delete(self) -> Message:
        return _message(_DELTABLE, self._name, 0, f"delete table {self.name}")

    def renew(self) -> list[Message]:
        """An empty table, whatever was there."""
        return [self.create(), self.delete(), self.create()]

    def chain(self, name: str, kind: str, hook: int, priority: int) -> Message:
        where = nested(4, attribute(1, _big(hook)), attribute(2, _big(priority)))
        body = self._name + attribute(3, name) + where + attribute(7, kind)
        return _message(_NEWCHAIN, body, _CREATE, f"create chain {self.name} {name}")

    def rule(self, chain: str, *expressions: bytes) -> Message:
        body = self._name + attribute(2, chain) + nested(4, *expressions)
        return _message(_NEWRULE, body, _CREATE | _APPEND, f"add rule to {self.name} {chain}")

    def mapping(self, name: str, key: tuple[int, ...], value: int, value_length: int) -> Message:
        """A map whose key is a concatenation of types, four bytes each, and whose value has one type."""
        joined = 0
        for one in key:
            joined = joined << 6 | one
        body = self._name + attribute(2, name)
        for kind, number in ((3, 0x8), (4, joined), (5, 4 * len(key)), (6, value), (7, value_length), (10, 1)):
            body += attribute(kind, _big(number))
        return _message(_NEWSET, body, _CREATE, f"create map {self.name} {name}")

    def put(self, name: str, elements: Mapping[bytes, bytes]) -> Iterator[Message]:
        rows = [nested(1, nested(1, _value(key)), nested(2, _value(value))) for key, value in elements.items()]
        return self._elements(_NEWSETELEM, _CREATE, name, rows)

    def take(self, name: str, keys: Iterable[bytes]) -> Iterator[Message]:
        """Remove elements, each of which must be there."""
        return self._elements(_DELSETELEM, 0, name, [nested(1, nested(1, _value(key))) for key in keys])

    def _elements(self, kind: int, flags: int, name: str, rows: list[bytes]) -> Iterator[Message]:
        verb = "put into" if kind == _NEWSETELEM else "take from"
        for at in range(0, len(rows), _PER_MESSAGE):
            body = self._name + attribute(2, name) + nested(3, *rows[at : at + _PER_MESSAGE])
            yield _message(kind, body, flags, f"{verb} map {self.name} {name}")

    def elements(self, netlink: Netlink, name: str) -> dict[bytes, bytes]:
        """What the kernel has in a map; nothing when there is no such table or map."""
        request = _message(_GETSETELEM, self._name + attribute(2, name), 0, f"list map {self.name} {name}")
        try:
            bodies = netlink.dump(request)
        except NetlinkError as error:
            if error.errno == errno.ENOENT:
                return {}
            raise
        found: dict[bytes, bytes] = {}
        for body in bodies:
            for _, row in attributes(dict(attributes(body, 4)).get(3, b"")):
                element = dict(attributes(row))
                found[_data(element[1])] = _data(element[2])
        return found


def _data(value: bytes) -> bytes:
    return dict(attributes(value))[1]


def tables(netlink: Netlink) -> set[str]:
    """The names of the tables of family ip."""
    bodies = netlink.dump(_message(_GETTABLE, b"", 0, "list tables"))
    return {text(dict(attributes(body, 4))[1]) for body in bodies}


def apply(netlink: Netlink, messages: Iterable[Message]) -> None:
    """Carry out, all or nothing. Raises NetlinkError for the first message that the kernel refuses."""
    edge = struct.pack(">BBH", 0, 0, 10)
    netlink.transaction(
        Message(_BATCH_BEGIN, edge, what="nftables transaction"),
        messages,
        Message(_BATCH_END, edge, what="nftables transaction"),
    )
