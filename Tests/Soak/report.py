# SPDX-License-Identifier: MIT
"""The table that a run ends with."""
from __future__ import annotations

import statistics
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from soak import Soak


def quantile(values: list[float], part: float) -> float:
    return sorted(values)[min(len(values) - 1, int(part * len(values)))] if values else 0.0


def table(run: Soak, before: dict[str, int], after: dict[str, int], cpu: float) -> str:
    ledger, watch = run.ledger, run.watch
    lines = [f"{'kind':18} {'requests':>8} {'p50 ms':>8} {'p99 ms':>8}  outcomes"]
    for kind in sorted(ledger.sent | {kind: 0 for kind in ledger.outcomes}, key=lambda kind: -ledger.sent[kind]):
        delays = ledger.delays[kind]
        times = f"{1000 * quantile(delays, 0.5):8.1f} {1000 * quantile(delays, 0.99):8.1f}" if delays else " " * 17
        outcomes = ", ".join(f"{count} {what}" for what, count in ledger.outcomes[kind].most_common())
        lines.append(f"{kind:18} {ledger.sent[kind]:8} {times}  {outcomes}")
    total = sum(ledger.sent.values())
    lines += ["", f"{total} requests in {run.seconds:.0f} s ({total / run.seconds:.0f}/s), {ledger.tokens} tokens "
                  f"checked; times are to the head of the answer",
              f"{run.log.requests} lines in the access log, {run.log.nameless} of them of requests without our id; "
              f"errors: {', '.join(f'{n} {what}' for what, n in run.log.errors.most_common())}",
              f"in flight: at most {max((one.in_flight for one in watch.samples), default=0)}; {run.hangups} SIGHUPs; "
              f"the server used {100 * watch.load(*run.measured):.0f} % of a processor",
              f"the load program used {100 * cpu:.0f} %; its loop was late by "
              f"{1000 * quantile(run.lags, 0.5):.1f} ms (p50), {1000 * quantile(run.lags, 0.99):.1f} ms (p99)",
              "", f"{'process':18} {'descriptors':>16}   {'own memory in MB, least: first third, last third':>48}"]
    rows = {name: (first, last) for name, first, last in watch.growth(*run.measured)}
    for name in before:
        first, last = rows.get(name, (0.0, 0.0))
        lines.append(f"{name:18} {before[name]:7} {after.get(name, 0):8}   {first:20.1f} {last:20.1f}")
    lines.append(f"{'all':18} {sum(before.values()):7} {sum(after.values()):8}   "
                 f"{sum(first for first, _ in rows.values()):20.1f} {sum(last for _, last in rows.values()):20.1f}")
    most = max((sum(one.memory.values()) for one in watch.samples), default=0) / 1024
    open_ones = [sum(one.descriptors.values()) for one in watch.samples]
    lines.append(f"at most {most:.1f} MB at once, {statistics.median(open_ones):.0f} descriptors in the median, "
                 f"{max(open_ones)} at most")
    lines.append("")
    lines += [f"WRONG: {what}" for what in ledger.wrongs[:10]]
    lines.append(f"{len(ledger.wrongs)} things were wrong; the seed was {run.seed}"
                 if ledger.wrongs else f"all was well; the seed was {run.seed}")
    return "\n".join(lines)
