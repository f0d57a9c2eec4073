"""Run seeds until one breaks an invariant; replay the one that did."""

from __future__ import annotations

import json
import sys
import time
from dataclasses import asdict
from itertools import count, islice

import click

from tests.simulation.invariants import InvariantBroken
from tests.simulation.world import Log, Outcome, World


@click.command(help=__doc__)
@click.option("--first", default=0, show_default=True, help="First seed.")
@click.option("--seeds", type=click.IntRange(min=1), help="How many seeds to run.")
@click.option("--minutes", type=click.FloatRange(min=0), help="Run seeds for so long.")
@click.option("--replay", type=int, help="Run this seed alone, and say what happens in it.")
@click.option("--json", "as_json", is_flag=True, help="Print a summary as JSON.")
def simulate(
    first: int, seeds: int | None, minutes: float | None, replay: int | None, as_json: bool
) -> None:
    """Exit with 0 when no invariant broke, else with 1 and the command that replays the seed."""
    if replay is not None:
        outcomes = [_run(replay, log=_say)]
    else:
        deadline = time.monotonic() + 60 * minutes if minutes is not None else None
        outcomes = _run_many(first, 10 if seeds is None and minutes is None else seeds, deadline)
    if as_json:
        click.echo(json.dumps({"ok": True, "runs": [asdict(outcome) for outcome in outcomes]}))
    else:
        blocks = sum(outcome.final_height for outcome in outcomes)
        accepted = sum(outcome.accepted for outcome in outcomes)
        click.echo(
            f"{len(outcomes)} runs, {blocks} final blocks, {accepted} transactions: all invariants held"
        )


def _run_many(first: int, seeds: int | None, deadline: float | None) -> list[Outcome]:
    outcomes = []
    for seed in islice(count(first), seeds):
        if deadline is not None and time.monotonic() >= deadline:
            break
        outcomes.append(_run(seed))
        _say(_line(outcomes[-1]))
    return outcomes


def _run(seed: int, log: Log | None = None) -> Outcome:
    try:
        return World(seed, log=log).run()
    except Exception as error:  # noqa: BLE001 - whatever a seed brings up must name that seed
        kind = error if isinstance(error, InvariantBroken) else f"{type(error).__name__}: {error}"
        _say(f"seed {seed} failed: {kind}\nreplay it with: scripts/simulate --replay {seed}")
        sys.exit(1)


def _line(outcome: Outcome) -> str:
    return (
        f"seed {outcome.seed:<6} {outcome.nodes} nodes  {outcome.final_height:>4} final blocks  "
        f"{outcome.accepted:>4} transactions  {outcome.crashes:>2} crashes  "
        f"{outcome.partitions:>2} partitions  {outcome.clock_steps:>2} clocks set  {outcome.attack:<16} {outcome.trace[:12]}"
    )


def _say(text: str) -> None:
    click.echo(text, err=True)


if __name__ == "__main__":
    simulate()
