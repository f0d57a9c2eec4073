"""How soon the regulator knows, and whether the ledger feels it: a network of four, phase by phase.

Each phase puts the regulator's node under a load while light payments go on and fresh accounts
split sums, which alerts are due for. Phases take turns, quiet ones among them, and every second
round goes backwards: a young chain's difficulty still moves towards its target, and a change that is
steady meets all phases alike then.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from pathlib import Path
from time import perf_counter

from analytics.typologies.parameters import EVERY_ASSET, StructuringParameters
from ledger.addresses import encode_account_id
from ledger.kinds import Leg, Transfer
from ledger.transactions import Actor, SignedTransaction
from scripts.benchmarks.devnet import (
    CNY,
    DevelopmentNetwork,
    Payer,
    Payments,
    development_network,
    fund_accounts,
    submit_all,
)
from scripts.benchmarks.measure import Figure
from scripts.benchmarks.noise import sliced
from scripts.benchmarks.regulator_figures import Measure, Samples, figures_of
from scripts.benchmarks.regulator_loads import (
    Done,
    consumers,
    killed_analytics,
    quiet,
    slow_sql,
    training,
)
from scripts.benchmarks.regulator_watch import RegulatorWatch, watching_regulator
from scripts.benchmarks.watch import Watch, watching
from wallet.client import NodeClient

NODES = 4
PAYERS = 20
PAYMENT_EVERY_S = 0.25
SPLIT_EVERY_S = 1.0
SETTLE_S_MAX = 180
"""Longest wait for alerts and analytics after a phase: a killed process starts ever more slowly."""
POLL_S = 0.1
BALANCE = 5_000_000
"""What each account is given, smallest units; one pays once just under the threshold so often."""

RULE = StructuringParameters()
SPLITS = RULE.payments_min
"""Payments of a split sum: the last of them is warned of."""
SPLIT_AMOUNT = int(98 * min(RULE.thresholds[EVERY_ASSET]))
"""98 hundredths of the lowest threshold, which is in units of 100 smallest ones."""

Load = Callable[[DevelopmentNetwork, Done], AbstractAsyncContextManager[None]]
PHASES: dict[str, Load] = {
    "quiet": quiet,
    "slow SQL": slow_sql,
    "analytics killed": killed_analytics,
    "training": training,
    "100 consumers": consumers,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Sizes:
    """How long it is measured."""

    rounds: int = 2
    """Turns of all phases; an even number, see the module."""
    phase_s: float = 20.0
    """Length of a phase, seconds; its payments then become final under the same load."""
    warm_up_s: float = 20.0
    """Length of a quiet phase before them that is not counted: everybody starts and connects."""


QUICK = Sizes(rounds=1, phase_s=8.0, warm_up_s=2.0)


@dataclass(slots=True, kw_only=True)
class Scene:
    """The network, who looks on, and what is still to be paid."""

    network: DevelopmentNetwork
    client: NodeClient
    """Submits at a bank's node."""
    chain: Watch
    """Looks at the bank's node."""
    regulator: RegulatorWatch
    """Looks at the regulator's."""
    payments: Payments
    fresh: Sequence[Payer]
    """Accounts that split a sum, each once."""
    split: int = 0
    """How many of them have."""
    done: Done = field(default_factory=Counter)


def measure_regulator(directory: Path, *, is_quick: bool) -> list[Figure]:
    """Measure alerts, pages, block intervals and finality in every phase."""
    sizes = QUICK if is_quick else Sizes()
    with development_network(directory, nodes=NODES) as network:
        return asyncio.run(_measure(network, sizes))


async def _measure(network: DevelopmentNetwork, sizes: Sizes) -> list[Figure]:
    paying_s = [sizes.warm_up_s] + sizes.rounds * len(PHASES) * [sizes.phase_s]
    splits = sum(int(length_s / SPLIT_EVERY_S) + 1 for length_s in paying_s)
    accounts = await fund_accounts(network, PAYERS + splits, balance=BALANCE)
    rounds: list[dict[str, Samples]] = []
    async with (
        NodeClient(network.urls[0]) as client,
        watching(network.urls[0]) as chain,
        watching_regulator(network) as regulator,
    ):
        scene = Scene(
            network=network,
            client=client,
            chain=chain,
            regulator=regulator,
            payments=Payments(network, accounts[:PAYERS]),
            fresh=accounts[PAYERS:],
        )
        await _phase(scene, quiet, sizes.warm_up_s)
        for number in range(sizes.rounds):
            order = reversed(PHASES) if number % 2 else iter(PHASES)
            samples = {name: await _phase(scene, PHASES[name], sizes.phase_s) for name in order}
            rounds.append({name: samples[name] for name in PHASES})
    detail = {"nodes": NODES, "phase_s": sizes.phase_s, "pause_s": PAYMENT_EVERY_S, **scene.done}
    return figures_of(rounds, detail)


async def _phase(scene: Scene, load: Load, length_s: float) -> Samples:
    """Return what was seen of one phase, once everything that it caused is over."""
    first = scene.split
    async with load(scene.network, scene.done):
        began_s = perf_counter()
        ends_s = began_s + length_s
        async with asyncio.TaskGroup() as group:
            paying = group.create_task(_pay(scene, ends_s), name="pay")
            splitting = group.create_task(_split(scene, ends_s), name="split")
        submitted_s = paying.result()
        await scene.chain.until_final([*submitted_s, *splitting.result()])
    suspects = scene.fresh[first : scene.split]
    await _settle(scene, suspects, ends_s)
    paid = {one.txid.hex(): moment_s for one, moment_s in submitted_s.items()}
    return _samples(scene, paid, suspects, began_s, ends_s)


async def _pay(scene: Scene, ends_s: float) -> dict[SignedTransaction, float]:
    """Submit payments until a moment; return when each was handed over."""
    submitted_s = {}
    while perf_counter() < ends_s:
        (payment,) = scene.payments.take(1)
        submitted_s[payment] = perf_counter()
        await scene.client.submit(payment.raw)
        await asyncio.sleep(PAYMENT_EVERY_S)
    return submitted_s


async def _split(scene: Scene, ends_s: float) -> list[SignedTransaction]:
    """Let one fresh account after the other split a sum until a moment; return the payments."""
    made = []
    while perf_counter() < ends_s:
        payer = scene.fresh[scene.split]
        # The one before is paid, which has split already, so that the alert is about the payer.
        payee = scene.fresh[scene.split - 1]
        scene.split += 1
        effect = Transfer(legs=(Leg(payer.account, payee.account, CNY, SPLIT_AMOUNT),))
        series = [
            scene.network.sign(effect, Actor(payer.account, 0, sequence), payer.private_key)
            for sequence in range(SPLITS)
        ]
        await submit_all(scene.client, series)
        made += series
        await asyncio.sleep(SPLIT_EVERY_S)
    return made


async def _settle(scene: Scene, suspects: Sequence[Payer], ends_s: float) -> None:
    """Return once all alerts have come and the analytics show what was final in the phase.

    Raises:
        AssertionError: they have not after `SETTLE_S_MAX` seconds.
    """
    watch = scene.regulator
    gives_up_s = perf_counter() + SETTLE_S_MAX
    while True:
        missing = watch.missing(suspects, ends_s)
        if not missing:
            return
        if perf_counter() > gives_up_s:
            raise AssertionError(f"after a phase there never came: {', '.join(missing)}")
        await asyncio.sleep(POLL_S)


def _samples(
    scene: Scene,
    paid: dict[str, float],
    suspects: Sequence[Payer],
    began_s: float,
    ends_s: float,
) -> Samples:
    """Return the samples of a phase: of what began in it, whenever it ended."""
    connected_s, watch = scene.chain.connected_s, scene.regulator
    alerts = [watch.alerts[encode_account_id(one.account)] for one in suspects]
    pairs = {
        Measure.ALERT: [
            (watch.final_s[height], came_s - watch.final_s[height]) for height, came_s in alerts
        ],
        Measure.PAGE: [
            (final_s, watch.page_s[height] - final_s)
            for height, final_s in watch.final_s.items()
            if began_s <= final_s <= ends_s
        ],
        Measure.INTERVAL: [
            (moment_s, connected_s[height + 1] - moment_s)
            for height, moment_s in connected_s.items()
            if began_s <= moment_s <= ends_s and height + 1 in connected_s
        ],
        Measure.FINALITY: [
            (moment_s, scene.chain.final_s[txid] - moment_s) for txid, moment_s in paid.items()
        ],
    }
    return {measure: sliced(found, began_s) for measure, found in pairs.items()}
