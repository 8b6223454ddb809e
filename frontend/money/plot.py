"""Bars by day, drawn on the server: one for each day (or week, of long spans), zones stacked."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from typing import Final

from frontend.money.amounts import dollars
from gateway.usage.services.reports import Line

ZONES: Final = ("on_prem", "private_cloud", "cloud")
_MOST_BARS: Final = 93
_GAP: Final = 0.22


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """One zone's part of a bar, in units of the drawing: a bar is 1 wide, the whole 100 high."""

    zone: str
    x: float
    y: float
    width: float
    height: float
    title: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Plot:
    """The drawing, and the same as rows of a table."""

    bars: int
    pieces: Sequence[Piece]
    ticks: Sequence[str]  # from the top to nothing
    days: Sequence[str]  # some, evenly spread
    rows: Sequence[tuple[str, Sequence[str], str]]  # day, each zone's, all
    zones: Sequence[str]  # those that occur

    @property
    def empty(self) -> bool:
        """Whether there is nothing to draw."""
        return not self.pieces


def value_of(line: Line, measure: str) -> Decimal:
    """What a bar is as high as."""
    if measure == "cost":
        return line.cost_usd
    if measure == "tokens":
        return Decimal(line.prompt_tokens + line.completion_tokens)
    return Decimal(line.requests)


def plot_of(lines: Sequence[Line], *, first: date, last: date, measure: str) -> Plot:
    """From sums by (day, zone)."""
    span = (last - first).days + 1
    step = 1 if span <= _MOST_BARS else 7
    count = -(-span // step)
    sums: list[dict[str, Decimal]] = [{} for _ in range(count)]
    for line in lines:
        day, zone = line.names
        bar = sums[(date.fromisoformat(day) - first).days // step]
        place = zone if zone in ZONES else "cloud"
        bar[place] = bar.get(place, Decimal(0)) + value_of(line, measure)
    tallest = max((sum(bar.values(), Decimal(0)) for bar in sums), default=Decimal(0))
    top = _round_up(tallest)
    starts = [first + timedelta(days=step * at) for at in range(count)]
    zones = [zone for zone in ZONES if any(bar.get(zone) for bar in sums)]
    return Plot(
        bars=count,
        pieces=[
            piece
            for at, bar in enumerate(sums)
            for piece in _stacked(at, bar, top, starts[at], measure)
        ],
        ticks=[_told(top * part / 4, measure) for part in (4, 3, 2, 1, 0)],
        days=[f"{starts[at]:%-d %b}" for at in _spread(count)],
        rows=[
            (
                f"{start}",
                [_told(bar.get(zone, Decimal(0)), measure) for zone in zones],
                _told(sum(bar.values(), Decimal(0)), measure),
            )
            for start, bar in zip(starts, sums, strict=True)
            if bar
        ],
        zones=zones,
    )


def _stacked(
    at: int, bar: Mapping[str, Decimal], top: Decimal, start: date, measure: str
) -> Sequence[Piece]:
    pieces, base = [], 100.0
    for zone in ZONES:
        value = bar.get(zone)
        if not value:
            continue
        height = float(100 * value / top)
        base -= height
        pieces.append(
            Piece(
                zone=zone,
                x=round(at + _GAP / 2, 4),
                y=round(base, 3),
                width=1 - _GAP,
                height=round(height, 3),
                title=f"{start}: {_told(value, measure)}",
            )
        )
    return pieces


def _round_up(value: Decimal) -> Decimal:
    """The next of 1, 2, 4, 8 with any number of zeros; 1 for nothing."""
    if value <= 0:
        return Decimal(1)
    power = Decimal(1).scaleb(value.adjusted())
    return next(power * step for step in (1, 2, 4, 8, 10) if power * step >= value)


def _spread(count: int) -> Sequence[int]:
    """Up to seven places, the first among them."""
    step = max(1, -(-count // 7))
    return range(0, count, step)


def _told(value: Decimal, measure: str) -> str:
    if measure == "cost":
        return dollars(value)
    return short(value)


def short(value: Decimal | int) -> str:
    """`2.1 M`, `310 k`, `12`."""
    for size, word in ((10**9, "G"), (10**6, "M"), (10**3, "k")):
        if value >= size:
            number = Decimal(value) / size
            return f"{number:.1f} {word}" if number < 100 else f"{number:.0f} {word}"
    return f"{Decimal(value).normalize():f}" if value else "0"
