"""Measure the models on real data sets, and print each figure beside the baseline's.

The data sets come out of published packages (`scripts.modelling.datasets`), so the first run needs an
index that pip can reach. The figures in docs/models.md are what this prints.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import sys
from collections.abc import Sequence
from importlib import import_module
from typing import Final

from analytics.models.errors import ModelError
from scripts.modelling.datasets import DatasetMissing
from scripts.modelling.figures import Evaluation, Figure

EVALUATIONS: Final = {
    "logistic": "scripts.modelling.classical:logistic",
    "random-forest": "scripts.modelling.classical:random_forest",
    "cnn": "scripts.modelling.cnn:cnn",
    "arima": "scripts.modelling.deep:arima",
    "lstm": "scripts.modelling.deep:lstm",
    "autoencoder": "scripts.modelling.deep:autoencoder",
    "text": "scripts.modelling.text:text",
    "text-embedding": "scripts.modelling.text:text_embedding",
    "text-fine-tuned": "scripts.modelling.text:text_fine_tuned",
}
"""Evaluations by the name of their model: module and function."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the chosen evaluations; print a table, or a line of JSON for each figure with --json."""
    parser = argparse.ArgumentParser(prog="scripts/models", description=__doc__)
    parser.add_argument("--only", metavar="NAME", choices=EVALUATIONS, help="one model")
    parser.add_argument("--json", action="store_true", help="a line of JSON for each figure")
    options = parser.parse_args(arguments)
    for name in [options.only] if options.only else EVALUATIONS:
        try:
            for figure in _evaluation(name)(_progress):
                print(json.dumps(dataclasses.asdict(figure)) if options.json else _line(figure))
        except (DatasetMissing, ModelError) as error:
            print(f"error[not_measured]: {name}: {error}", file=sys.stderr)
            return 1
    return 0


def _evaluation(name: str) -> Evaluation:
    module, _, function = EVALUATIONS[name].partition(":")
    found: Evaluation = getattr(import_module(module), function)
    return found


def _line(figure: Figure) -> str:
    baseline = "" if figure.baseline is None else f"{figure.baseline:10.4f}  {figure.beside}"
    what = f"{figure.model:14} {figure.data:16} {figure.measure:26}"
    return f"{what} {figure.ours:10.4f} {baseline}"


def _progress(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
