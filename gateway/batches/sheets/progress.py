"""A line that says how far something is: drawn over on a terminal, seldom written anywhere else."""

from collections.abc import Callable
from dataclasses import dataclass, field
from time import monotonic
from typing import TextIO

WIDTH = 30
DRAW_EVERY_S = 0.1


@dataclass(slots=True)
class Bar:
    """Draws `done` of `total` to a stream."""

    stream: TextIO
    label: str
    total: int
    clock: Callable[[], float] = monotonic
    _began_s: float = field(init=False)
    _drawn_s: float = -1.0
    _told: int = -1
    _open: bool = False

    def __post_init__(self) -> None:
        self._began_s = self.clock()

    def update(self, done: int, *, note: str = "") -> None:
        """Show it, if it is time to."""
        if self.stream.isatty():
            now_s = self.clock()
            if done < self.total and now_s - self._drawn_s < DRAW_EVERY_S:
                return
            self._drawn_s = now_s
            self.stream.write(f"\r\033[K{self._line(done, note)}")
            self.stream.flush()
            self._open = True
        else:
            tenth = done * 10 // self.total if self.total else 10
            if tenth > self._told:
                self._told = tenth
                self.stream.write(self._line(done, note) + "\n")

    def end(self) -> None:
        """Leave the line as it stands."""
        if self._open:
            self.stream.write("\n")
            self._open = False

    def _line(self, done: int, note: str) -> str:
        part = done / self.total if self.total else 1.0
        full = int(part * WIDTH)
        took_s = self.clock() - self._began_s
        rate = f", {done / took_s:.1f} rows/s" if done and took_s > 1 else ""
        more = f", {note}" if note else ""
        bar = "#" * full + "." * (WIDTH - full)
        return f"{self.label} [{bar}] {done} of {self.total}{more}{rate}"
