"""Draw markets by seed and judge detection on them.

With --judge the typologies run over each market with their default parameters, and what they say is
compared with the labels of the planted patterns, which they never see.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import Counter
from collections.abc import Sequence
from typing import Any

from scripts.markets.judge import Verdict, judge
from scripts.markets.plan import RATE, plan_market


def main(arguments: Sequence[str] | None = None) -> int:
    """Judge the chosen markets; print a table, or JSON with --json."""
    options = _parser().parse_args(arguments)
    verdicts = []
    for seed in range(options.seed, options.seed + options.seeds):
        print(f"market of seed {seed} …", file=sys.stderr, flush=True)
        plan = plan_market(
            days=options.days, accounts=options.accounts, seed=seed, rate=options.rate
        )
        verdicts.append(judge(plan))
    figures = summary(verdicts)
    print(json.dumps(figures, indent=2) if options.json else table(figures))
    return 0


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
        description="Draw markets by seed and judge detection on them.",
        epilog="example: scripts/market --days 60 --accounts 500 --seed 100 --seeds 5",
    )
    parser.add_argument("--days", type=int, default=60, help="length of a market (60)")
    parser.add_argument("--accounts", type=int, default=500, help="accounts in it (500)")
    parser.add_argument("--seed", type=int, default=1, help="first seed (1)")
    parser.add_argument("--seeds", type=int, default=1, help="number of markets (1)")
    parser.add_argument(
        "--rate", type=float, default=RATE, help="patterns of each typology a person (0.01)"
    )
    parser.add_argument("--json", action="store_true", help="print JSON")
    return parser


if __name__ == "__main__":
    sys.exit(main())
