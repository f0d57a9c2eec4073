"""Lines of an account's history that are no payments."""

from __future__ import annotations

from typing import Any

import pytest

from ledger.addresses import encode_account_id
from tests.factories import make_account_id
from wallet.errors import ApiError
from wallet.reading import history_rows

ALICE, BOB = make_account_id("alice"), make_account_id("bob")


def item(measures: Any) -> dict[str, Any]:
    """Return a history item of governance."""
    body = {"kind": "govern", "reference": "", "legs": [], "measures": measures}
    return {"height": 7, "time": "2026-01-01T00:00:07.000Z", "txid": "00" * 32, "body": body}


def test_a_measure_is_told_with_its_reason() -> None:
    """The account's own measure, among those of others, in the place of the reference."""
    measures = [
        {"measure": "unfreeze", "account": encode_account_id(BOB), "reason": "no", "case": ""},
        {"measure": "freeze", "account": encode_account_id(ALICE), "reason": "order 7", "case": ""},
    ]
    (row,) = history_rows(item(measures), ALICE, {})
    assert row == (
        "7", "2026-01-01T00:00:07.000Z", "govern", "", "", "", "freeze: order 7", "00" * 32,
    )  # fmt: skip


@pytest.mark.parametrize("measures", [[{}], ["freeze"], 7])
def test_a_malformed_measure_is_a_bad_answer(measures: Any) -> None:
    """What a node should not say ends the command with its code."""
    with pytest.raises(ApiError) as caught:
        list(history_rows(item(measures), ALICE, {}))
    assert caught.value.code == "bad_answer"
