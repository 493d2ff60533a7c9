"""Computes the layout of bar charts: horizontal bars that start at zero, each with a name and a figure."""

from collections.abc import Sequence
from dataclasses import dataclass

from exams.selectors import Figure

ROW, BAR = 44, 12


@dataclass(frozen=True)
class Bar:
    """One bar of a chart.

    `words_y` and `bar_y` are distances from the top in pixels. The bar is as wide as `figure.percent` percent of the
    chart.
    """

    figure: Figure
    words_y: int
    bar_y: int


@dataclass(frozen=True)
class BarChart:
    height: int
    bar_height: int
    bars: list[Bar]


def bar_chart(figures: Sequence[Figure]) -> BarChart:
    bars = [Bar(figure, index * ROW + 16, index * ROW + 23) for index, figure in enumerate(figures)]
    return BarChart(len(figures) * ROW, BAR, bars)
