"""How far something is that takes long: a bar on a terminal, plain lines elsewhere."""

import time

from django.core.management.base import OutputWrapper

BAR_CELLS = 30
BAR_SECONDS, LINE_SECONDS = 0.2, 10.0


class Progress:
    """Rows of `total` that are done, drawn on `out` no more often than a person reads."""

    def __init__(self, out: OutputWrapper, total: int) -> None:
        self.out, self.total, self.done, self.skipped = out, total, 0, 0
        self.is_terminal = out.isatty()
        self.began = self.drawn = time.monotonic()

    def skip(self, rows: int) -> None:
        """Count rows that were done before: they say nothing about how fast this goes."""
        self.done += rows
        self.skipped += rows

    def passed(self, rows: int) -> None:
        self.done += rows
        now = time.monotonic()
        if now - self.drawn >= (BAR_SECONDS if self.is_terminal else LINE_SECONDS):
            self.drawn = now
            self._write(f"\r{self.bar} {self.words}\x1b[K" if self.is_terminal else f"{self.words}\n")

    def say(self, line: str) -> None:
        """Write a line, in the place of the bar on a terminal."""
        self._write(f"\r\x1b[K{line}\n" if self.is_terminal else f"{line}\n")

    @property
    def bar(self) -> str:
        filled = BAR_CELLS * self.done // max(1, self.total)
        return f"[{'#' * filled}{' ' * (BAR_CELLS - filled)}]"

    @property
    def words(self) -> str:
        now_done = self.done - self.skipped
        left = (time.monotonic() - self.began) * (self.total - self.done) / now_done if now_done else 0
        return f"{100 * self.done // max(1, self.total)} %, {self.done:,} of {self.total:,} rows, {left:,.0f} s left"

    def _write(self, text: str) -> None:
        self.out.write(text, ending="")
        self.out.flush()
