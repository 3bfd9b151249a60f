# SPDX-License-Identifier: MIT
"""Bars as SVG: a panel for each figure, a bar for each median, a line from the least to the most."""
from __future__ import annotations

import statistics
from typing import NamedTuple
from xml.sax.saxutils import escape

NAME, WIDTH, VALUE, ROW, TITLE = 250, 420, 90, 20, 34
COLOURS = {"claude-proxy": "#c15f3c", "nginx": "#5b8a5b", "LiteLLM": "#6b7fb3", "TensorZero": "#b3966b", "smg": "#7d6bb3"}


class Panel(NamedTuple):
    """One figure; each row's values are those of all repetitions, and may be none."""

    title: str
    digits: int
    rows: list[tuple[str, list[float]]]


def colour(name: str) -> str:
    return next((chosen for start, chosen in COLOURS.items() if name.startswith(start)), "#999999")


def draw(title: str, panels: list[Panel]) -> str:
    """The text of the picture."""
    parts, y = [f'<text x="10" y="20" font-size="14" font-weight="bold">{escape(title)}</text>'], 30
    for panel in panels:
        rows = [(name, values) for name, values in panel.rows if values]
        if not rows:
            continue
        most = max(max(values) for _, values in rows) or 1.0
        parts.append(f'<text x="{NAME}" y="{y + 18}" fill="#555">{escape(panel.title)}</text>')
        y += TITLE - 8
        for name, values in rows:
            median = statistics.median(values)
            least, middle, last = (NAME + WIDTH * value / most for value in (min(values), median, max(values)))
            line = y + ROW / 2
            parts += [f'<text x="{NAME - 8}" y="{y + 14}" text-anchor="end">{escape(name)}</text>',
                      f'<rect x="{NAME}" y="{y + 3}" width="{max(middle - NAME, 1):.1f}" height="{ROW - 6}" fill="{colour(name)}"/>',
                      f'<path d="M{least:.1f} {line}H{last:.1f}M{least:.1f} {line - 3}v6M{last:.1f} {line - 3}v6" stroke="#222"/>',
                      f'<text x="{last + 6:.1f}" y="{y + 14}">{median:,.{panel.digits}f}</text>']
            y += ROW
        y += 8
    return (f'<svg xmlns="http://www.w3.org/2000/svg" width="{NAME + WIDTH + VALUE}" height="{y + 6}" font-family="sans-serif" '
            f'font-size="12">\n<rect width="100%" height="100%" fill="white"/>\n' + "\n".join(parts) + "\n</svg>\n")
