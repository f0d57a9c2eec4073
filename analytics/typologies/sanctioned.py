"""Sanctioned counterparty: a payment to or from a listed account, or with a listed name in its text.

The alert is about the account that deals with the listed one; it is the one that can answer.
Source: FATF Recommendation 6; Wolfsberg Group, Guidance on Sanctions Screening (2019).
"""

from __future__ import annotations

from collections.abc import Iterator

from analytics.activity import Market, Moves, Payment
from analytics.typologies.finding import Finding, Sign, found
from analytics.typologies.parameters import SanctionedParameters
from analytics.typologies.sanctions import SanctionsList


class Sanctioned:
    """Screens every fresh payment once at each of its two accounts."""

    name = "sanctioned"
    version = 1

    def __init__(self, parameters: SanctionedParameters, listed: SanctionsList) -> None:
        self._parameters = parameters
        self._listed = listed

    def examine(self, moves: Moves, market: Market, time_ms: int) -> Finding | None:  # noqa: ARG002 - the protocol's
        """Return the surest match among the fresh payments."""
        if moves.activity.account in self._listed.accounts:
            return None
        return max(self._matches(moves), key=lambda finding: finding.score, default=None)

    def _matches(self, moves: Moves) -> Iterator[Finding]:
        for payment in (*moves.paid, *moves.received):
            if payment.other in self._listed.accounts:
                text = f"the counterparty {payment.other} is on the sanctions list"
                yield found([Sign("listed_account", 1, 1, 1, text)], [payment])
        # Who writes the text answers for it: the payer.
        for payment in moves.paid:
            finding = self._named(payment)
            if finding is not None:
                yield finding

    def _named(self, payment: Payment) -> Finding | None:
        if not payment.reference:
            return None
        match = self._listed.match(payment.reference, self._parameters.similarity_min)
        if match is None:
            return None
        text = f"the payment text resembles the listed name {match.name!r}"
        return found(
            [Sign("name_similarity", match.similarity, match.similarity / 100, 1, text)], [payment]
        )
