# SPDX-License-Identifier: MIT
"""Medians, spreads and marks of what was measured, as Markdown and as bars."""
from __future__ import annotations

import os
import statistics
from pathlib import Path
from typing import Any, NamedTuple

import bars
from workloads import Workload

# Shares of the time or of the machine above which a row is marked.
RIG_LIMIT, NOISE = 0.8, 0.1


class Figure(NamedTuple):
    key: str
    title: str
    digits: int = 0


MEMORY = Figure("memory", "memory, MB", 1)
WHOLE = [Figure("rate", "requests/s"), Figure("p50_ms", "p50, ms", 2), Figure("p99_ms", "p99, ms", 2), Figure("cpu_ms", "CPU per request, ms", 3), MEMORY]
BURST = [Figure("events_rate", "events/s"), Figure("p50_ms", "stream p50, ms", 2), Figure("event_us", "CPU per event, µs", 2), MEMORY]
PACED = [Figure("p50_us", "added p50, µs"), Figure("p99_us", "added p99, µs"), Figure("events_rate", "events/s"),
         Figure("event_us", "CPU per event, µs", 1), MEMORY]
HELD = [Figure("kib_each", "memory of a stream, KiB", 1), MEMORY]
STARTED = [Figure("start_ms", "first answer, ms", 1), MEMORY]


# What the summary shows of each workload.
SUMMARY = {"whole-1": [WHOLE[1]], "whole-16": [WHOLE[3]], "burst-16": [BURST[2]], "paced-500": [PACED[0], PACED[3]],
           "held-2000": [HELD[0]], "large-4": [WHOLE[3]], "start": STARTED}


def figures_of(work: Workload) -> list[Figure]:
    if work.mode == "streams":
        return PACED if work.paced else BURST
    return {"wholes": WHOLE, "held": HELD, "start": STARTED}[work.mode]


def facts() -> dict[str, Any]:
    """What the machine is, and how busy it was before."""
    model = [line.partition(":")[2].strip() for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")]
    return {"processor": model[0] if model else os.uname().machine, "cores": len(os.sched_getaffinity(0)),
            "kernel": f"{os.uname().sysname} {os.uname().release}",
            "memory": f"{os.sysconf('SC_PHYS_PAGES') * os.sysconf('SC_PAGE_SIZE') / 1e9:.1f} GB",
            "load average at the start": " ".join(f"{load:.2f}" for load in os.getloadavg())}


class Side:
    """All repetitions of one workload with one target, in one dialect."""

    def __init__(self, rows: list[dict[str, Any]]):
        self.rows = rows
        self.good = [row for row in rows if not row["wrong"]]
        self.name = " ".join(filter(None, (rows[0]["target"], rows[0]["dialect"])))
        self.is_proxy = rows[0]["target"] != "no proxy"

    def values(self, figure: Figure) -> list[float]:
        """Nothing where there is nothing to measure: no proxy takes no memory."""
        if not self.is_proxy and figure.key in ("memory", "cpu_ms", "event_us", "kib_each"):
            return []
        return [row[figure.key] for row in self.good if figure.key in row]

    def cell(self, figure: Figure) -> str:
        """The median, and from where to where all are."""
        values = self.values(figure)
        if not values:
            return "–"
        spread = f" ({min(values):,.{figure.digits}f}–{max(values):,.{figure.digits}f})" if len(values) > 1 else ""
        return f"{statistics.median(values):,.{figure.digits}f}{spread}"

    def share(self, key: str) -> list[float]:
        return [row[key] for row in self.good if key in row]

    def marks(self) -> str:
        found = []
        if self.share("rig_share") and statistics.median(self.share("rig_share")) > RIG_LIMIT:
            found.append("rig")
        if noisy := sum(share > NOISE for share in self.share("others_share")):
            found.append(f"noisy {noisy}/{len(self.rows)}")
        if wrong := [row for row in self.rows if row["wrong"]]:
            why = " ".join(wrong[0]["complaint"].replace("|", " ").split())
            found.append(f"wrong {len(wrong)}/{len(self.rows)}: {why[:100]}")
        return ", ".join(found)


def table(sides: list[Side], figures: list[Figure]) -> list[str]:
    titles = ["", *(figure.title for figure in figures), "others", "marks"]
    lines = ["| " + " | ".join(titles) + " |", "|---" + "|---:" * (len(titles) - 2) + "|---|"]
    for side in sides:
        others = side.share("others_share")
        cells = [side.name, *map(side.cell, figures), f"{statistics.median(others):.0%}" if others else "", side.marks()]
        lines.append("| " + " | ".join(cells) + " |")
    return lines


def write(folder: Path, known: dict[str, Any], rows: list[dict[str, Any]], works: list[Workload]) -> str:
    """Writes report.md, a plot for each workload and one of the most telling figures, and gives the text."""
    lines = ["# What a proxy costs", "", *(f"- {name}: {value}" for name, value in known.items()), "",
             "Medians of all repetitions, and in brackets the least and the most. CPU and memory (PSS) are of all processes of the target.",
             "Added: how long after it was made a piece of text came to the client, of which the row “no proxy” is the rig's part.",
             f"Others: the part of the machine that others took, or its host; noisy: more than {NOISE:.0%}, in how many repetitions.",
             f"Rig: the load client or the upstream was busy for more than {RIG_LIMIT:.0%} of the time, and may have been the limit."]
    summary: list[bars.Panel] = []
    for work in works:
        of_work = [row for row in rows if row["workload"] == work.name]
        keys = list(dict.fromkeys((row["target"], row["dialect"]) for row in of_work))
        sides = [Side([row for row in of_work if (row["target"], row["dialect"]) == key]) for key in keys]
        if not sides:
            continue
        figures = figures_of(work)
        lines += ["", f"## {work.title}", "", *table(sides, figures), "", f"![{work.title}]({work.name}.svg)"]
        panels = [bars.Panel(figure.title, figure.digits, [(side.name, side.values(figure)) for side in sides]) for figure in figures]
        (folder / f"{work.name}.svg").write_text(bars.draw(work.title, panels))
        summary += [bars.Panel(f"{work.title}: {figure.title}", figure.digits, [
            (side.name, side.values(figure)) for side in sides if side.is_proxy]) for figure in SUMMARY.get(work.name, [])]
    (folder / "summary.svg").write_text(bars.draw("What a proxy costs: shorter is better", summary))
    text = "\n".join(lines) + "\n"
    (folder / "report.md").write_text(text)
    return text
