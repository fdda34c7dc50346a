"""What was measured, for people to read."""

import statistics
from collections.abc import Iterable, Sequence

from bench.rows import Result, Round

MARKS = {True: "yes", False: "NO", None: ""}


def number(figure: float) -> str:
    """Return a number with three significant digits, or all of its whole ones."""
    return f"{figure:,.0f}" if figure >= 100 else f"{figure:#.3g}"


def spread(figures: Sequence[float]) -> str:
    """Return the median, with the least and the most where there are several."""
    middle = number(statistics.median(figures))
    return middle if len(figures) == 1 else f"{middle} ({number(min(figures))}–{number(max(figures))})"


def results(found: Iterable[Result]) -> str:
    """Return the table of what is to be reached."""
    lines = [("row", "measured", "", "against", "reach", "met")]
    lines += [
        (each.title, spread(each.figures), each.unit, each.against, str(each.reach or ""), MARKS[each.is_met])
        for each in found
    ]
    return aligned(lines, numbers={1, 4})


def samples(rounds: Sequence[Round]) -> str:
    """Return what each probe told: medians of the rounds, "" without any."""
    if not any(rounds):
        return ""
    lines: list[Sequence[str]] = [
        ("probe", "at once", "requests/s", "CPU ms", "database", "p50 ms", "p99 ms", "client busy")
    ]
    for name, connections in rounds[0]:
        each = [measured[name, connections] for measured in rounds]
        columns = [
            spread([sample.rate for sample in each]),
            spread([sample.server_cpu for sample in each]),
            *(
                number(statistics.median(getattr(sample, figure) for sample in each))
                for figure in ("database_cpu", "p50", "p99")
            ),
            f"{statistics.median(sample.client for sample in each):.0%}",
        ]
        lines.append((name, str(connections), *columns))
    return aligned(lines, numbers=set(range(1, 8)))


def aligned(lines: Sequence[Sequence[str]], numbers: set[int]) -> str:
    """Return lines in columns, those of `numbers` to the right, with a rule below the head."""
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    drawn = [
        "  ".join(
            cell.rjust(width) if place in numbers else cell.ljust(width)
            for place, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    ]
    return "\n".join([drawn[0], "  ".join("─" * width for width in widths), *drawn[1:]])
