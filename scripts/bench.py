"""Measure the ledger and the network on this machine: a table on stdout and JSON in a file.

Every figure that has a limit was taken in turns with it, on the same core in the same run, so the
ratio holds on a machine where neither number does. docs/benchmarks.md explains each.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from scripts.benchmarks.connecting import measure_batches, measure_single
from scripts.benchmarks.finality import measure_finality
from scripts.benchmarks.hashing import measure_hashing
from scripts.benchmarks.measure import Figure
from scripts.benchmarks.network import measure_network
from scripts.benchmarks.predict import measure_predict
from scripts.benchmarks.regulator import measure_regulator
from scripts.benchmarks.report import document, machine, table
from scripts.benchmarks.start import measure_start
from scripts.benchmarks.state_tree import measure_state_tree
from scripts.benchmarks.warehouse import measure_warehouse

BUILD = Path(__file__).resolve().parents[1] / "build"
"""Where results and the benchmarks' data directories go; git ignores it."""

Benchmark = Callable[[bool], list[Figure]]
"""Takes whether to be quick, and returns figures."""

BENCHMARKS: Mapping[str, Benchmark] = {
    "single": lambda is_quick: measure_single(BUILD, is_quick=is_quick),
    "batch": lambda is_quick: measure_batches(BUILD, is_quick=is_quick),
    "state-tree": lambda is_quick: measure_state_tree(is_quick=is_quick),
    "hashing": lambda is_quick: measure_hashing(is_quick=is_quick),
    "finality": lambda is_quick: measure_finality(is_quick=is_quick),
    "network": lambda is_quick: measure_network(BUILD, is_quick=is_quick),
    "start": lambda is_quick: measure_start(BUILD, is_quick=is_quick),
    "warehouse": lambda is_quick: measure_warehouse(BUILD, is_quick=is_quick),
    "regulator": lambda is_quick: measure_regulator(BUILD, is_quick=is_quick),
    "predict": lambda is_quick: measure_predict(BUILD, is_quick=is_quick),
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the chosen benchmarks; return 0 whatever the figures are, for they are no test."""
    options = _parser().parse_args(arguments)
    command = " ".join(("scripts/bench", *(sys.argv[1:] if arguments is None else arguments)))
    before = machine()
    figures: list[Figure] = []
    for name in options.only:
        print(f"{name} …", file=sys.stderr, flush=True)
        figures += BENCHMARKS[name](options.quick)
    result = document(figures, command=command, is_quick=options.quick) | {"machine": before}
    options.json.parent.mkdir(parents=True, exist_ok=True)
    options.json.write_text(json.dumps(result, indent=2, ensure_ascii=False) + "\n")
    print(table(figures))
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="scripts/bench",
        description="Measure the ledger and the network on this machine.",
        epilog="example: scripts/bench --quick --only single,hashing --json results.json",
    )
    parser.add_argument("--quick", action="store_true", help="smaller sizes, to see that it runs")
    parser.add_argument(
        "--only",
        type=_names,
        default=list(BENCHMARKS),
        metavar="NAME,...",
        help=f"some of: {', '.join(BENCHMARKS)}",
    )
    parser.add_argument(
        "--json",
        type=Path,
        default=BUILD / "bench.json",
        metavar="FILE",
        help="where the figures go (default: build/bench.json)",
    )
    return parser


def _names(text: str) -> list[str]:
    names = text.split(",")
    unknown = [name for name in names if name not in BENCHMARKS]
    if unknown:
        raise argparse.ArgumentTypeError(f"unknown benchmark {', '.join(unknown)}")
    return names


if __name__ == "__main__":
    sys.exit(main())
