"""Addresses: one owner each, whatever happens to the process that gives them out."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from network.ipam import Addresses, Exhausted

SMALL = "10.0.0.0/29"  # .2 to .6 for pods


def test_the_first_address_is_the_gateways_and_the_edges_are_nobodys(tmp_path: Path) -> None:
    book = Addresses(tmp_path, SMALL)

    assert book.gateway == "10.0.0.1"
    assert [book.take(f"pod-{n}") for n in range(5)] == [f"10.0.0.{n}" for n in range(2, 7)]
    with pytest.raises(Exhausted, match="5 are in use"):
        book.take("one too many")


def test_an_owner_gets_the_same_address_again(tmp_path: Path) -> None:
    book = Addresses(tmp_path, SMALL)

    assert book.take("pod") == book.take("pod")
    assert len(book.owners()) == 1


def test_what_was_released_longest_ago_is_used_again_first_and_new_ones_before(tmp_path: Path) -> None:
    book = Addresses(tmp_path, SMALL)
    for name in "abcd":
        book.take(name)
    book.release("c")
    book.release("a")

    assert [book.take(name) for name in "xyz"] == ["10.0.0.6", "10.0.0.4", "10.0.0.2"]


def test_releasing_what_is_not_there_is_no_error(tmp_path: Path) -> None:
    assert Addresses(tmp_path, SMALL).release("nobody") is None


def test_a_successor_knows_the_owners_and_the_order(tmp_path: Path) -> None:
    first = Addresses(tmp_path, SMALL)
    for name in "abcde":
        first.take(name)
    first.release("d")
    first.release("b")
    second = Addresses(tmp_path, SMALL)

    assert second.owners() == {"a": "10.0.0.2", "c": "10.0.0.4", "e": "10.0.0.6"}
    assert [second.take("x"), second.take("y")] == ["10.0.0.5", "10.0.0.3"]


def test_a_line_cut_short_counts_as_not_written(tmp_path: Path) -> None:
    Addresses(tmp_path, SMALL).take("a")
    journal = tmp_path / "addresses.journal"
    journal.write_bytes(journal.read_bytes() + b'["+", "10.0.0.3", "b')
    book = Addresses(tmp_path, SMALL)
    book.take("c")

    assert Addresses(tmp_path, SMALL).owners() == {"a": "10.0.0.2", "c": "10.0.0.3"}


def test_another_range_is_refused_while_addresses_of_the_old_one_are_in_use(tmp_path: Path) -> None:
    book = Addresses(tmp_path, SMALL)
    book.take("pod")
    with pytest.raises(ValueError, match=r"10\.0\.0\.0/29"):
        Addresses(tmp_path, "10.9.0.0/29")
    book.release("pod")

    assert Addresses(tmp_path, "10.9.0.0/29").take("pod") == "10.9.0.2"


def test_the_journal_does_not_grow_without_end(tmp_path: Path) -> None:
    book = Addresses(tmp_path, SMALL)
    for _ in range(3000):
        book.take("pod")
        book.release("pod")

    assert (tmp_path / "addresses.journal").read_bytes().count(b"\n") < 1100
    assert len({Addresses(tmp_path, SMALL).take("x"), book.take("y")}) == 1


def test_a_killed_process_has_written_down_every_address_it_gave_out(tmp_path: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from network.ipam import Addresses\n"
        "book = Addresses(Path(sys.argv[1]), '10.0.0.0/16')\n"
        "for n in range(60000): print(book.take(f'pod-{n}'), flush=True)\n"
    )
    process = subprocess.Popen([sys.executable, "-c", program, str(tmp_path)], stdout=subprocess.PIPE, cwd=Path.cwd())
    assert process.stdout is not None
    given_out = [process.stdout.readline() for _ in range(200)]
    os.kill(process.pid, signal.SIGKILL)
    given_out += process.stdout.read().splitlines(keepends=True)
    process.wait()
    process.stdout.close()
    whole = {line.decode().strip() for line in given_out if line.endswith(b"\n")}

    assert whole <= set(Addresses(tmp_path, "10.0.0.0/16").owners().values())


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(st.sampled_from("abcdefg"), st.sampled_from(["take", "release", "restart"])), max_size=40))
def test_no_address_ever_has_two_owners(tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[str, str]]) -> None:
    directory = tmp_path_factory.mktemp("book")
    book = Addresses(directory, SMALL)
    held: dict[str, str] = {}
    for owner, step in steps:
        if step == "restart":
            book = Addresses(directory, SMALL)
        elif step == "release":
            assert book.release(owner) == held.pop(owner, None)
        elif owner in held or len(held) < 5:
            held[owner] = book.take(owner)
        assert book.owners() == held
        assert len(set(held.values())) == len(held)
