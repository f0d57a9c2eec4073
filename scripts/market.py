"""Draw markets by seed, judge detection on them, and write them as chains of real transactions.

Unless told otherwise the typologies run over each market in memory with their default parameters, and
what they say is compared with the labels of the planted patterns, which they never see. With --out a
market becomes a development network that `sunlit dev up --dir DIR` starts; with --judge DIR the alerts
of its regulator's node are compared with the labels instead.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from analytics.errors import AnalyticsError
from analytics.typologies.parameters import TypologyParameters, load_parameters
from ledger.errors import LedgerError
from scripts.markets.asking import judge_node
from scripts.markets.judge import Verdict, alerts_in_memory, verdict_in_memory
from scripts.markets.lead_time import Leads, lead_summary, lead_table, leads_in_memory
from scripts.markets.network import write_market
from scripts.markets.plan import RATE, plan_drifting, plan_market
from scripts.markets.town_patterns import plan_town
from sunlit.errors import SunlitError
from wallet.errors import WalletError
from wallet.profile import home_directory

STYLES: Final = {"market": plan_market, "drift": plan_drifting, "town": plan_town}
"""Markets by the name of their style."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Judge the chosen markets, or write one; print a table, or JSON with --json."""
    parser = _parser()
    options = parser.parse_args(arguments)
    if options.style != "market" and (options.out is not None or options.judge is not None):
        parser.error("--out and --judge know the style market; others are judged in memory")
    in_memory = options.out is None and options.judge is None
    if not in_memory and (options.lead_time or options.typologies is not None):
        parser.error("--lead-time and --typologies are for markets that are judged in memory")
    try:
        if options.out is not None:
            _write(options)
        elif options.judge is not None:
            verdict = judge_node(options.judge.resolve(), node=options.node, report=_progress)
            _print([verdict], [], as_json=options.json)
        else:
            _judge_all(options)
    except (AnalyticsError, LedgerError, SunlitError, WalletError) as error:
        print(f"error[{error.code}]: {error.detail}", file=sys.stderr)
        return 1
    except ValueError as error:
        print(f"error[market]: {error}", file=sys.stderr)
        return 1
    return 0


def _judge_all(options: argparse.Namespace) -> None:
    parameters = TypologyParameters()
    if options.typologies is not None:
        parameters = load_parameters(options.typologies)
    verdicts, leads = list[Verdict](), list[Leads]()
    plan_style = STYLES[options.style]
    for seed in range(options.seed, options.seed + options.seeds):
        _progress(f"market of seed {seed} …")
        plan = plan_style(
            days=options.days, accounts=options.accounts, seed=seed, rate=options.rate
        )
        alerts = alerts_in_memory(plan, parameters)
        verdicts.append(verdict_in_memory(plan, alerts))
        if options.lead_time:
            leads.append(leads_in_memory(plan, alerts, verdicts[-1]))
    _print(verdicts, leads, as_json=options.json)


def _write(options: argparse.Namespace) -> None:
    began_s = time.monotonic()
    directory = options.out.resolve()
    plan = plan_market(
        days=options.days, accounts=options.accounts, seed=options.seed, rate=options.rate
    )
    written = write_market(
        plan,
        directory,
        home=home_directory(os.environ, options.home).resolve(),
        rate=options.rate,
        report=_progress,
    )
    figures = {
        "dir": str(directory),
        "blocks": written.height,
        "payments": written.payments,
        "patterns": len(plan.labels),
    }
    if options.json:
        print(json.dumps(figures))
        return
    _progress(f"written in {time.monotonic() - began_s:.0f} s")
    print(
        f"{written.payments} payments in {written.height} blocks, {len(plan.labels)} patterns; "
        f"sunlit dev up --dir {directory} starts the network"
    )


def _print(verdicts: Sequence[Verdict], leads: Sequence[Leads], *, as_json: bool) -> None:
    figures = summary(verdicts)
    if leads:
        figures["lead_time"] = lead_summary(leads)
    if as_json:
        print(json.dumps(figures, indent=2))
        return
    print(table(figures))
    if leads:
        print(f"\n{lead_table(figures['lead_time'])}")


def _progress(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def summary(verdicts: Sequence[Verdict]) -> dict[str, Any]:
    """Return recall and precision of each typology, and the overall precision."""
    totals: dict[str, Counter[str]] = {
        name: Counter() for name in ("planted", "seen", "alerts", "right")
    }
    for verdict in verdicts:
        for name, counts in totals.items():
            counts.update(getattr(verdict, name))
    typologies = sorted(totals["planted"] | totals["alerts"])
    return {
        "typologies": [
            {
                "typology": typology,
                "planted": totals["planted"][typology],
                "recall": _share(totals["seen"][typology], totals["planted"][typology]),
                "alerts": totals["alerts"][typology],
                "precision": _share(totals["right"][typology], totals["alerts"][typology]),
            }
            for typology in typologies
        ],
        "precision": _share(totals["right"].total(), totals["alerts"].total()),
    }


def table(figures: dict[str, Any]) -> str:
    """Return the figures as a Markdown table."""
    lines = [
        "| typology | planted | recall | alerts | precision |",
        "| --- | ---: | ---: | ---: | ---: |",
    ]
    lines += [
        f"| {row['typology']} | {row['planted']} | {_shown(row['recall'])} | {row['alerts']} "
        f"| {_shown(row['precision'])} |"
        for row in figures["typologies"]
    ]
    lines.append(f"| all | | | | {_shown(figures['precision'])} |")
    return "\n".join(lines)


def _share(part: int, whole: int) -> float | None:
    return part / whole if whole else None


def _shown(share: float | None) -> str:
    return "–" if share is None else f"{share:.3f}"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="scripts/market",
        description="Draw markets by seed, judge detection on them, or write one as a chain.",
        epilog="example: scripts/market --days 60 --accounts 500 --seed 100 --seeds 5",
    )
    parser.add_argument("--days", type=int, default=60, help="length of a market (60)")
    parser.add_argument("--accounts", type=int, default=500, help="accounts in it (500)")
    parser.add_argument("--seed", type=int, default=1, help="first seed (1)")
    parser.add_argument("--seeds", type=int, default=1, help="number of markets judged (1)")
    parser.add_argument(
        "--rate", type=float, default=RATE, help="patterns of each typology a person (0.01)"
    )
    parser.add_argument(
        "--style",
        choices=STYLES,
        default="market",
        help="what is judged: market; drift, one that changes; town, which shares no code with it",
    )
    parser.add_argument(
        "--lead-time", action="store_true",
        help="also say how long before a pattern's end it was told, and how often for nothing",
    )  # fmt: skip
    parser.add_argument(
        "--typologies", type=Path, metavar="FILE", help="judge with a regulator's parameters"
    )
    parser.add_argument("--json", action="store_true", help="print JSON")
    task = parser.add_mutually_exclusive_group()
    task.add_argument(
        "--out", type=Path, metavar="DIR", help="write a development network that holds the market"
    )
    task.add_argument(
        "--judge", type=Path, metavar="DIR", help="judge the alerts of that network's regulator"
    )
    parser.add_argument("--node", metavar="URL", help="with --judge: another node to ask")
    parser.add_argument(
        "--home", metavar="DIR", help="with --out: where keys go; SUNLIT_HOME, else ~/.sunlit"
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
