"""How much is done: `make test` does a little of everything, `make faults` (FAULTS=long) what an issue asks for."""

import os

LONG = os.environ.get("FAULTS") == "long"


def rounds(*, short: int, long: int) -> int:
    return long if LONG else short
