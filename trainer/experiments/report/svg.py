"""Plots as inline SVG: axes, points, lines, bars. The page's style sheet sets the colours.

All text is escaped here.
"""

from __future__ import annotations

import math
from html import escape
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    Point = tuple[float, float]

_LEFT: Final = 44
_RIGHT: Final = 12
_TOP: Final = 10
_BOTTOM: Final = 36
_TICKS: Final = 5


class Plot:
    """One plot with two axes.

    Args:
        across: range of the horizontal axis.
        up: range of the vertical axis.
        labels: of the two axes.
        name: of the plot, for screen readers.
        size: width and height in pixels of the page.
        left: width of the labels on the left.
        ticks: values with a grid line, for each axis; automatic if None.
        percent: whether the horizontal axis shows shares in percent.
    """

    def __init__(
        self,
        across: Point,
        up: Point,
        labels: tuple[str, str],
        name: str,
        *,
        size: tuple[int, int] = (440, 310),
        left: int = _LEFT,
        ticks: tuple[Sequence[float] | None, Sequence[float] | None] = (None, None),
        percent: bool = False,
    ) -> None:
        self._across, self._up = across, up
        self._percent = percent
        self._size, self._left = size, left
        self._name = name
        self._parts: list[str] = []
        self._grid(labels, ticks)

    def x(self, value: float) -> float:
        """Return the horizontal position of a value, clipped to the plot."""
        return self._left + _share(value, self._across) * (self._size[0] - self._left - _RIGHT)

    def y(self, value: float) -> float:
        """Return the vertical position of a value, clipped to the plot."""
        height = self._size[1] - _TOP - _BOTTOM
        return self._size[1] - _BOTTOM - _share(value, self._up) * height

    def rule(self, *, across: float | None = None, up: float | None = None, kind: str) -> None:
        """Draw a line across the plot at a value of an axis, if that is in its range."""
        if across is not None and self._across[0] <= across <= self._across[1]:
            self.line([(across, self._up[0]), (across, self._up[1])], kind)
        if up is not None and self._up[0] <= up <= self._up[1]:
            self.line([(self._across[0], up), (self._across[1], up)], kind)

    def zone(self, low: float, high: float, kind: str) -> None:
        """Shade the area between two values of the horizontal axis."""
        top, bottom = self.y(self._up[1]), self.y(self._up[0])
        self._parts.append(
            f'<rect class="{kind}" x="{self.x(low):.1f}" y="{top:.1f}" '
            f'width="{self.x(high) - self.x(low):.1f}" height="{bottom - top:.1f}"/>'
        )

    def line(self, points: Iterable[Point], kind: str) -> None:
        """Draw a line through points."""
        positions = " ".join(f"{self.x(x):.1f},{self.y(y):.1f}" for x, y in points)
        self._parts.append(f'<polyline class="{kind}" points="{positions}"/>')

    def point(self, at: Point, kind: str, title: str, radius: float = 3.0) -> None:
        """Draw a dot with a tooltip; an arrow at the edge if it lies outside the plot."""
        x, y = self.x(at[0]), self.y(at[1])
        shape = f'<circle class="{kind}" cx="{x:.1f}" cy="{y:.1f}" r="{radius:g}"'
        tag = "circle"
        if (outside := self._outside(at)) is not None:
            shape, tag = f'<path class="{kind}" d="M{x:.1f},{y:.1f}{outside}z"', "path"
        self._parts.append(f"{shape}><title>{escape(title)}</title></{tag}>")

    def bar(self, span: Point, up: float, kind: str, title: str, height: float = 8.0) -> None:
        """Draw a horizontal bar with a tooltip, from one value to another."""
        low, high = sorted((self.x(span[0]), self.x(span[1])))
        self._parts.append(
            f'<rect class="{kind}" x="{low:.1f}" y="{self.y(up) - height / 2:.1f}" '
            f'width="{max(high - low, 0.5):.1f}" height="{height:g}" rx="1.5">'
            f"<title>{escape(title)}</title></rect>"
        )

    def row(self, up: float, text: str) -> None:
        """Write the label of a row, left of the plot."""
        self._text(self._left - 8, self.y(up) + 3.5, text, "end")

    def drawn(self) -> str:
        """Return the plot as an SVG element."""
        width, height = self._size
        return (
            f'<svg viewBox="0 0 {width} {height}" role="img" aria-label="{escape(self._name)}">'
            f"{''.join(self._parts)}</svg>"
        )

    def _outside(self, at: Point) -> str | None:
        """Return the outline of an arrow whose tip is at the edge; None if inside."""
        if at[1] < self._up[0]:
            return "l-4,-7h8"
        if at[0] > self._across[1]:
            return "l-7,-4v8"
        if at[0] < self._across[0]:
            return "l7,-4v8"
        return None

    def _grid(
        self, labels: tuple[str, str], ticks: tuple[Sequence[float] | None, Sequence[float] | None]
    ) -> None:
        width, height = self._size
        bottom = height - _BOTTOM
        for value in ticks_for(*self._across) if ticks[0] is None else ticks[0]:
            self.rule(across=value, kind="grid")
            shown = f"{_number(100 * value)} %" if self._percent else _number(value)
            self._text(self.x(value), bottom + 14, shown, "middle")
        for value in ticks_for(*self._up) if ticks[1] is None else ticks[1]:
            self.rule(up=value, kind="grid")
            self._text(self._left - 6, self.y(value) + 3.5, _number(value), "end")
        self._text((self._left + width - _RIGHT) / 2, height - 6, labels[0], "middle", "label")
        if labels[1]:
            self._parts.append(
                f'<text class="label" text-anchor="middle" '
                f'transform="translate(11,{(bottom + _TOP) / 2:.1f}) rotate(-90)">'
                f"{escape(labels[1])}</text>"
            )

    def _text(self, x: float, y: float, text: str, anchor: str, kind: str = "tick") -> None:
        self._parts.append(
            f'<text class="{kind}" x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">'
            f"{escape(text)}</text>"
        )


def ticks_for(low: float, high: float) -> list[float]:
    """Return about five round values in a range."""
    raw = (high - low) / _TICKS
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(each for each in (1, 2, 2.5, 5, 10) if each * power >= raw) * power
    first = math.ceil(low / step - 1e-9)
    return [round(number * step, 10) for number in range(first, math.floor(high / step + 1e-9) + 1)]


def _share(value: float, span: Point) -> float:
    low, high = span
    return min(max((value - low) / (high - low), 0.0), 1.0)


def _number(value: float) -> str:
    return f"{value:g}".replace("-", "\N{MINUS SIGN}")
