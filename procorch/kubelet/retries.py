"""When to try again what could not be done: seconds that double, apart from the back-off of crashing containers."""

from __future__ import annotations

from dataclasses import dataclass, field

FIRST, MOST = 2.0, 60.0
IMAGE_FIRST, IMAGE_MOST = 10.0, 300.0
SHOWN = 1.0  # seconds that ErrImagePull is seen before ImagePullBackOff


@dataclass(slots=True)
class Retry:
    """at: when the next try may be (epoch seconds); wait: what was last waited. image: the image that was missing."""

    at: float = 0.0
    wait: float = 0.0
    image: str | None = None
    note: str = ""
    shown: bool = False


@dataclass(slots=True)
class Retries:
    """By what is tried: a container's name, or `pod` for volumes and sandbox, which no container is called.

    refresh_at: when volumes want to be made anew.
    """

    refresh_at: float | None = None
    _rows: dict[str, Retry] = field(default_factory=dict)

    def failed(self, what: str, now: float, *, image: str | None = None, note: str = "") -> None:
        row = self._rows.setdefault(f"{what}:" if what != "pod" else what, Retry())
        first, most = (FIRST, MOST) if image is None else (IMAGE_FIRST, IMAGE_MOST)
        row.wait = min(row.wait * 2, most) if row.wait else first
        row.at, row.image, row.note, row.shown = now + row.wait, image, note, False

    def worked(self, what: str) -> None:
        self._rows.pop(self._key(what), None)

    def may(self, what: str, now: float) -> bool:
        row = self._rows.get(self._key(what))
        return row is None or row.at <= now

    def is_failing(self, what: str) -> bool:
        """It was tried, and has not worked since."""
        return self._key(what) in self._rows

    def is_image(self, what: str) -> bool:
        row = self._rows.get(self._key(what))
        return row is not None and row.image is not None

    def of(self, what: str) -> Retry:
        return self._rows[self._key(what)]

    def now(self) -> None:
        """Something has changed that may help: all that failed is tried."""
        for row in self._rows.values():
            row.at = 0.0

    def at_once(self, what: str) -> None:
        """The same for one."""
        self._rows[self._key(what)].at = 0.0

    def next(self, now: float) -> float | None:
        """Seconds until something may be tried again."""
        times = [row.at for row in self._rows.values() if row.at > now]
        for row in self._rows.values():
            if row.image is not None and not row.shown and row.at > now:
                row.shown = True
                times.append(now + SHOWN)
        if self.refresh_at is not None:
            times.append(self.refresh_at)
        return max(min(times) - now, 0.05) if times else None

    @staticmethod
    def _key(what: str) -> str:
        return what if what == "pod" else f"{what}:"
