"""``cnn`` on card holders' months, and on accounts of markets that were never seen.

Markets are drawn by seed (`scripts.markets`). A row is an account in a week: its features and its
activity image, as `sunlit analytics features --activity` gives them. The event is that the account is
the one that a planted pattern is about and that a payment of the pattern, at this account, is in
the week; accomplices' weeks are neither and left out. Networks and forest learn from the
rows of some seeds and are judged on those of others, beside the rules' alerts of the same weeks.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Final

import numpy as np
import pandas as pd
from sklearn.metrics import average_precision_score, roc_auc_score
from sklearn.model_selection import StratifiedKFold

from analytics.detection import Detector
from analytics.features.engines import History, history_features
from analytics.features.images import image_names
from analytics.models.catalog import model_class
from analytics.models.interface import Request
from analytics.models.splitting import target_of
from analytics.models.tabular import Table, read_table, table_of
from analytics.movements import BlockFacts
from analytics.typologies.parameters import TypologyParameters
from analytics.typologies.sanctions import SanctionsList
from scripts.markets.judge import block_facts, stand_in
from scripts.markets.plan import MarketPlan, plan_market
from scripts.modelling.datasets import dataset
from scripts.modelling.figures import Figure, Progress

SEED: Final = 0
FOLDS: Final = 5
PUBLISHED: Final = 0.771
"""AUC of a convolutional network on the Taiwan data, five folds."""
DAYS: Final = 60
ACCOUNTS: Final = 150
RATE: Final = 0.03
"""Patterns of each typology as a share of the people: more than a market has, so that few tell much."""
LEARNED: Final = range(3_000, 3_002)
"""Seeds of the markets learned from."""
JUDGED: Final = range(3_100, 3_101)
"""Seeds of the markets that judge; nothing was adjusted on them."""
SPANS: Final = 28
"""Spans of an image: six hours each."""
WEEK_MS: Final = 7 * 86_400_000
_TARGET: Final = "planted"


def cnn(progress: Progress) -> Iterator[Figure]:
    """Yield the figures of ``cnn``."""
    yield from card_holders(progress, folds=FOLDS)
    yield from markets(progress)


def card_holders(progress: Progress, *, folds: int) -> Iterator[Figure]:
    """Yield the AUC on the first folds of five of the Taiwan data."""
    table = read_table(dataset("taiwan-default"))
    request = Request(seed=SEED, target="default-payment-next-month")
    codes = target_of(table, request).codes
    splits = StratifiedKFold(FOLDS, shuffle=True, random_state=SEED).split(codes, codes)
    for fold, (learned, held_out) in enumerate(islice(splits, folds), start=1):
        model = model_class("cnn").fit(table.take(learned), request, progress)
        found = model.evaluate(table.take(held_out))
        yield Figure(
            model="cnn",
            data="taiwan-default",
            measure=f"auc, fold {fold} of {FOLDS}",
            ours=found["auc"],
            baseline=PUBLISHED,
            beside="a published network, mean of five folds",
        )


def markets(
    progress: Progress,
    *,
    learned: Sequence[int] = LEARNED,
    judged: Sequence[int] = JUDGED,
    accounts: int = ACCOUNTS,
) -> Iterator[Figure]:
    """Yield AUC and average precision of network, forest and rules on accounts of unseen markets."""
    earlier = pd.concat([_market(seed, accounts, progress) for seed in learned])
    later = pd.concat([_market(seed, accounts, progress) for seed in judged])
    truth, rules = later[_TARGET].to_numpy(), later["alerted"].to_numpy()
    said = {"the rules' alerts": rules}
    pictures = list(image_names(SPANS))
    for name, beside, without in (
        ("cnn", "cnn", []),
        ("random-forest", "random-forest, features and images", []),
        ("random-forest", "random-forest, features alone", pictures),
    ):
        dropped = ["alerted", *without]
        model = model_class(name).fit(
            _table(earlier.drop(columns=dropped)), Request(seed=SEED, target=_TARGET), progress
        )
        rows = _table(later.drop(columns=dropped))
        said[beside] = np.array([each.score for each in model.predict(rows)])
        if beside != "cnn":
            yield from _figures(truth, said, beside)
    yield from _figures(truth, said, "the rules' alerts")


def _figures(truth: np.ndarray, said: dict[str, np.ndarray], name: str) -> Iterator[Figure]:
    for measure, of in (("auc", roc_auc_score), ("average precision", average_precision_score)):
        yield Figure(
            model="cnn",
            data=f"{int(truth.sum())} of {len(truth)}",
            measure=f"{measure} of accounts' weeks",
            ours=float(of(truth, said["cnn"])),
            baseline=float(of(truth, said[name])),
            beside=name,
        )


def _table(rows: pd.DataFrame) -> Table:
    return table_of(rows, name="markets", sha256="0" * 64)


def _market(seed: int, accounts: int, progress: Progress) -> pd.DataFrame:
    """Return the accounts' weeks of a market, with the target and the highest alert's score."""
    progress(f"market of seed {seed}")
    plan = plan_market(days=DAYS, accounts=accounts, seed=seed, rate=RATE)
    blocks = list(block_facts(plan))
    alerts = _alerts(plan, blocks)
    weeks = []
    with tempfile.TemporaryDirectory() as scratch:
        history = _written(plan, blocks, Path(scratch))
        end_ms = blocks[0].time_ms + 2 * WEEK_MS
        while end_ms <= blocks[-1].time_ms:
            until = max(block.height for block in blocks if block.time_ms <= end_ms)
            rows = history_features(
                history, until=until, engine="duckdb", master=None, activity=SPANS
            ).rows
            weeks.append(_labelled(rows, plan, blocks, alerts, until))
            end_ms += WEEK_MS
    return pd.concat(weeks, ignore_index=True)


def _written(plan: MarketPlan, blocks: Sequence[BlockFacts], folder: Path) -> History:
    legs = pd.DataFrame(
        [
            (block.height, block.time_ms, "transfer", each.debit, each.credit, "CNY", each.amount)
            for block in blocks[1:]
            for each in block.movements
        ],
        columns=["height", "time", "kind", "debit", "credit", "asset", "amount"],
    )
    legs["time"] = pd.to_datetime(legs["time"], unit="ms")
    parties = pd.DataFrame(
        [(one.name, one.bank, one.kind, 0) for one in plan.cast.values()],
        columns=["account", "member", "kind", "opened_height"],
    )
    for name, rows in (("legs", legs), ("accounts", parties)):
        rows.to_parquet(folder / f"{name}.parquet", index=False)
    return History(legs=(folder / "legs.parquet",), accounts=(folder / "accounts.parquet",))


def _alerts(plan: MarketPlan, blocks: Sequence[BlockFacts]) -> list[tuple[int, str, float]]:
    """Return the rules' alerts as time, account and score."""
    listed = SanctionsList(list(plan.listed_names), set())
    detector = Detector(TypologyParameters(), listed, {"CNY": 2})
    return [
        (block.time_ms, alert.account, alert.score)
        for block in blocks
        for alert in detector.detect(block)
        if alert.account is not None
    ]


def _labelled(
    rows: pd.DataFrame,
    plan: MarketPlan,
    blocks: Sequence[BlockFacts],
    alerts: Sequence[tuple[int, str, float]],
    until: int,
) -> pd.DataFrame:
    end_ms = next(block.time_ms for block in blocks if block.height == until)
    pattern_of = {stand_in(place): each.pattern for place, each in enumerate(plan.payments)}
    guilty, helping = set[str](), set[str]()
    for block in blocks:
        if not end_ms - WEEK_MS < block.time_ms <= end_ms:
            continue
        for move in block.movements:
            number = pattern_of.get(move.txid or "", -1)
            for party in (move.debit, move.credit) if number >= 0 else ():
                is_meant = party == plan.labels[number].account
                (guilty if is_meant else helping).add(party or "")
    warned: dict[str, float] = {}
    for time_ms, account, score in alerts:
        if end_ms - WEEK_MS < time_ms <= end_ms:
            warned[account] = max(warned.get(account, 0.0), score)
    rows = rows[~rows["account"].isin(helping - guilty)]
    return rows.assign(
        planted=rows["account"].isin(guilty).astype(int),
        alerted=rows["account"].map(warned).fillna(0.0),
    ).drop(columns=["account", "member"])
