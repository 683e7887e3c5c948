"""One life of `procorch master`, the real program, with bookmarks a hundred and fifty times as often."""

from __future__ import annotations

import sys

import procorch.api.api
from cli import main

BOOKMARK_SECONDS = 0.2


def live(arguments: list[str]) -> None:
    """What the nursery calls. arguments: of `procorch`."""
    procorch.api.api.BOOKMARK_SECONDS = BOOKMARK_SECONDS
    sys.argv = ["procorch", *arguments]
    main()
