"""What a regulator's node says of a market on its chain, judged by the market's labels."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from contextlib import aclosing
from pathlib import Path
from typing import Any, Final, NamedTuple

from scripts.markets.judge import Verdict, verdict_of
from scripts.markets.labels import LabelsDocument, load_labels
from scripts.markets.plan import TYPOLOGIES
from sunlit.devnet_document import load_devnet
from sunlit.devnet_plan import REGULATOR, REGULATOR_OFFICERS
from wallet.client import NodeClient
from wallet.connection import connect
from wallet.console import Session

POLL_S: Final = 1.0
"""Pause between two looks at how far detection is, seconds."""
SILENCE_S_MAX: Final = 120.0
"""How long detection may stand still before it is given up, seconds."""
REPORT_BLOCKS: Final = 500
"""Blocks between two lines that say how far it is."""

Report = Callable[[str], None]


class Told(NamedTuple):
    """An alert of a node, as far as it is judged."""

    typology: str
    """Pattern that it tells of."""
    account: str | None
    """Account that it is about, ``sun1…``; None where it is about the market."""
    transactions: tuple[str, ...]
    """Txids that it rests on."""


def judge_node(directory: Path, *, node: str | None, report: Report) -> Verdict:
    """Return how the alerts of a node do on the market in a network's directory.

    ``node`` is its URL, that of the network's regulator unless told. Waits until the node has
    searched all of the market's blocks. Alerts about what came after the market do not count.

    Raises:
        ValueError: the directory has no market, or the node is on another chain or keeps no
            analytics.
        SunlitError, WalletError: no network, no node, no key.
    """
    labels = load_labels(directory)
    document = load_devnet(directory)
    regulator = next(one for one in document.nodes if one.member == REGULATOR)
    session = Session(home=Path(document.home), as_json=False)
    alerts = asyncio.run(_alerts(session, node or regulator.api, labels, report))
    return verdict_of(labels.labels(), alerts, labels.pattern_of())


async def _alerts(session: Session, url: str, labels: LabelsDocument, report: Report) -> list[Told]:
    profile = session.profile()
    if profile.genesis_hash.hex() != labels.genesis_hash:
        raise ValueError(f"{session.home} holds the keys of {profile.chain_id}, another network")
    key = session.keystore().signing_key(REGULATOR_OFFICERS[0])
    async with connect(profile, key, url=url) as connection:
        await _until_detected(connection.client, labels.height, report)
        async with aclosing(connection.client.audit_alerts({})) as alerts:
            return [_told(one) async for one in alerts if _is_judged(one, labels.height)]


async def _until_detected(client: NodeClient, height: int, report: Report) -> None:
    """Return once the node has looked for patterns in every block up to a height.

    Raises:
        ValueError: it runs no analytics, or they stand still.
    """
    searched, said, moved_s = -1, 0, time.monotonic()
    while searched < height:
        analytics = (await client.status()).get("analytics")
        if analytics is None:
            raise ValueError(f"{client.url} runs no analytics")
        now_at = analytics["detection_height"] or 0
        if now_at != searched:
            searched, moved_s = now_at, time.monotonic()
        elif time.monotonic() - moved_s > SILENCE_S_MAX:
            raise ValueError(f"the analytics of {client.url} stand still at block {searched}")
        if said + REPORT_BLOCKS <= searched < height:
            report(f"searched {searched} of {height} blocks")
            said = searched
        if searched < height:
            await asyncio.sleep(POLL_S)


def _is_judged(alert: dict[str, Any], height: int) -> bool:
    return alert["height"] <= height and alert["typology"] in TYPOLOGIES


def _told(alert: dict[str, Any]) -> Told:
    return Told(alert["typology"], alert["account"], tuple(alert["transactions"]))
