"""Hand-made markets: accounts and dated payments, told block by block to a detector."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from analytics.alerts import Alert
from analytics.anomaly.accounts import AccountScore
from analytics.detection import Detector
from analytics.movements import AccountOpened, BlockFacts, Movement
from analytics.typologies.parameters import DAY_MS, HOUR_MS, TypologyParameters
from analytics.typologies.sanctions import SanctionsList

MINUTE_MS = 60_000
BEGAN_MS = 1_767_225_600_000  # 2026-01-01T00:00:00Z
HELD = 10_000_000_00
"""What every account holds at the start, fen."""

CROWD = [f"user{number}" for number in range(40)]
"""Accounts that others deal with."""

Leg = tuple[str, str, int | float]


class Story:
    """A market of named accounts; every payment is a block of its own. Amounts are in yuan."""

    def __init__(
        self,
        accounts: Iterable[str],
        *,
        kinds: dict[str, str] | None = None,
        parameters: TypologyParameters | None = None,
        names: Sequence[str] = (),
        listed: Iterable[str] = (),
    ) -> None:
        self._detector = Detector(
            parameters or TypologyParameters(),
            SanctionsList(list(names), set(listed)),
            {"CNY": 2},
        )
        self._height = 0
        self.now_ms = BEGAN_MS
        self.alerts: list[Alert] = []
        self.scores: list[AccountScore] = []
        """Scores of anomalies that were to be kept."""
        kinds = kinds or {}
        opened = tuple(
            AccountOpened(account, "bank1", kinds.get(account, "user")) for account in accounts
        )
        balances = tuple(
            Movement(None, 0, place, "genesis", None, account.account, "CNY", HELD, "")
            for place, account in enumerate(opened)
        )
        self._block(opened, balances)

    def wait(self, *, days: float = 0, hours: float = 0, minutes: float = 0) -> None:
        """Let time pass without a block."""
        self.now_ms += int(days * DAY_MS + hours * HOUR_MS + minutes * MINUTE_MS)

    def pay(self, payer: str, payee: str, yuan: float, reference: str = "") -> list[Alert]:
        """Tell of one payment and return the alerts that it gave."""
        return self.batch([(payer, payee, yuan)], reference)

    def batch(self, legs: Iterable[Leg], reference: str = "") -> list[Alert]:
        """Tell of one transaction with several legs and return the alerts that it gave."""
        txid = f"{self._height:064x}"
        return self._block(
            (),
            tuple(
                Movement(
                    txid, 0, place, "transfer", payer, payee, "CNY", round(yuan * 100), reference
                )
                for place, (payer, payee, yuan) in enumerate(legs)
            ),
        )

    def told(self, typology: str) -> set[str | None]:
        """Return the accounts that were warned of for a pattern."""
        return {alert.account for alert in self.alerts if alert.typology == typology}

    def _block(
        self, opened: tuple[AccountOpened, ...], movements: tuple[Movement, ...]
    ) -> list[Alert]:
        facts = BlockFacts(
            height=self._height, time_ms=self.now_ms, opened=opened, movements=movements
        )
        self._height += 1
        self.now_ms += 1_000
        alerts = list(self._detector.detect(facts))
        self.alerts.extend(alerts)
        self.scores.extend(self._detector.anomaly_scores)
        return alerts


def settled(*accounts: str, days: int = 10, kinds: dict[str, str] | None = None) -> Story:
    """Return a market whose accounts have led a quiet life for some days."""
    story = Story([*accounts, *CROWD], kinds=kinds)
    for day in range(days):
        for account in accounts:
            story.pay(account, CROWD[day % 3], 80 + day)
        story.wait(days=1)
    return story
