"""Bars as a page draws them: horizontal, from zero, each with its name and its figure."""

from collections.abc import Sequence
from dataclasses import dataclass

from exams.selectors import Figure

ROW, BAR = 44, 12


@dataclass(frozen=True)
class Bar:
    """Pixels down; the width is `figure.percent` of the whole."""

    figure: Figure
    words_y: int
    bar_y: int


@dataclass(frozen=True)
class BarChart:
    height: int
    bar_height: int
    bars: list[Bar]


def bar_chart(figures: Sequence[Figure]) -> BarChart:
    bars = [Bar(figure, at * ROW + 16, at * ROW + 23) for at, figure in enumerate(figures)]
    return BarChart(len(figures) * ROW, BAR, bars)
