"""An analytics process played by the test: what it says at each path that the node asks."""

from __future__ import annotations

import asyncio
import copy
import json
import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import Any, Final

from aiohttp.base_protocol import BaseProtocol
from aiohttp.streams import StreamReader

from analytics.client import AnalyticsClient

Json = dict[str, Any]

NOW_S: Final = 1_800_000_000
"""What the node's clock says at first, Unix seconds."""

SCORE: dict[str, Any] = {
    "score": 0.2,
    "band": "low",
    "contributions": [
        {"feature": "new_payees", "value": 1.0, "contribution": 0.2, "text": "all are new"}
    ],
    "model": "account_risk/1",
    "height": 1,
    "time_ms": NOW_S * 1_000,
}
DIGESTS: dict[str, str] = dict.fromkeys(("rows", "changes"), "00" * 32)
CASE_ID: Final = "case-" + "ab" * 8
ALERT_ID: Final = "ab" * 16
_OFFICER: Final = "00" * 33
_ALERT: Final[Json] = {
    "id": ALERT_ID,
    "typology": "structuring",
    "severity": "medium",
    "account": None,
    "score": 0.75,
    "reasons": [{"feature": "bunching", "value": 1.0, "contribution": 0.75, "text": "bunching"}],
    "transactions": ["00" * 32],
    "height": 1,
    "time_ms": NOW_S * 1_000,
    "model": "structuring/1",
}
_CASE: Final[Json] = {
    "id": CASE_ID,
    "title": "structuring",
    "state": "measure_proposed",
    "officer": _OFFICER,
    "opened_by": _OFFICER,
    "opened_time_ms": NOW_S * 1_000,
    "changed_time_ms": NOW_S * 1_000,
}
_WHOLE_CASE: Final[Json] = _CASE | {
    "alerts": [],
    "accounts": [],
    "transactions": [],
    "notes": [{"note": 1, "time_ms": NOW_S * 1_000, "officer": _OFFICER, "text": "looked at"}],
    "history": [
        {"time_ms": NOW_S * 1_000, "by": None, "state": "measure_applied", "officer": _OFFICER}
    ],
    "proposals": [],
    "measures": [],
    "effects": [
        {
            "account": "sun1",
            "status": "frozen",
            "frozen_since": {"height": 1, "txid": "00" * 32, "time_ms": NOW_S * 1_000},
            "balances": [],
        }
    ],
    "height": 1,
}
_AGGREGATE = {
    "release": 1,
    "time_ms": NOW_S * 1_000,
    "officer": "01" * 33,
    "measure": "payments",
    "by": "all",
    "asset": None,
    "since_ms": NOW_S * 1_000,
    "until_ms": NOW_S * 1_000,
    "height": 1,
    "rows": [{"key": "all", "value": "-3"}],
    "accuracy_95": "30",
    "bounds": {"contribution_max": "10", "groups_max": 1, "sensitivity": "10"},
    "mechanism": {"name": "discrete_laplace", "scale": 10.0, "unit": "account_year"},
    "epsilon": 1.0,
    "budget": {"year": 2026, "epsilon": 1.0, "spent": 1.0, "left": 0.0},
}
"""An aggregate as the analytics process releases it."""

_SIMULATION: Final[Json] = {
    "accounts": ["sun1"],
    "height": 1,
    "until": 2,
    "counts": {
        "replayed": 2,
        "refused": 1,
        "frozen": 1,
        "insufficient_funds": 0,
        "generations": 0,
        "affected": 1,
        "worse_off": 1,
        "alerts": 1,
    },
    "stopped": [{"asset": "CNY", "frozen": "5", "insufficient_funds": "0"}],
    "held": [{"account": "sun1", "asset": "CNY", "actual": "0", "simulated": "5"}],
    "affected": [
        {
            "account": "sun1",
            "member": "bank1",
            "kind": "user",
            "asset": "CNY",
            "not_received": "5",
            "not_paid": "0",
            "actual": "5",
            "simulated": "0",
            "generation": 0,
        }
    ],
    "texts": [{"reference": "rent", "asset": "CNY", "transactions": 1, "amount": "5"}],
    "refused": [
        {
            "txid": "00" * 32,
            "height": 2,
            "index": 0,
            "kind": "transfer",
            "code": "account_frozen",
            "account": "sun1",
            "generation": 0,
            "legs": 1,
            "reference": "rent",
        }
    ],
    "alerts": [
        {
            "id": ALERT_ID,
            "typology": "structuring",
            "severity": "low",
            "account": None,
            "height": 2,
            "transactions": 1,
        }
    ],
    "truncated": False,
}
"""A simulated freeze as the analytics process gives it."""

MODEL_ID = "ab" * 8
TRAINING_ID = f"training-{MODEL_ID}"
PROPOSAL_ID = f"proposal-{MODEL_ID}"
MODEL: dict[str, Any] = {
    "id": MODEL_ID,
    "series": "account-outliers",
    "version": 1,
    "method": "pca",
    "state": "champion",
    "data": {"from_height": 1, "to_height": 9, "block_hash": "00" * 32},
    "seed": 0,
    "rows": 60,
    "metrics": {"explained": 0.9},
    "compared": {"champion": "00" * 8, "metrics": {"explained": 0.8}},
    "card_hash": "01" * 32,
    "manifest_hash": "ab" * 32,
    "created_ms": NOW_S * 1_000,
    "by": None,
    "training": TRAINING_ID,
}
STEP = {"time_ms": NOW_S * 1_000, "by": None, "state": "candidate", "reason": "entered"}
TRAINING: dict[str, Any] = {
    "id": TRAINING_ID,
    "series": "account-outliers",
    "method": "pca",
    "seed": 0,
    "height": None,
    "features": None,
    "by": None,
    "proposal": None,
    "state": "queued",
    "asked_ms": NOW_S * 1_000,
    "started_ms": None,
    "ended_ms": None,
    "progress": "",
    "model": None,
    "code": None,
    "detail": None,
}
PROPOSAL: dict[str, Any] = {
    "id": PROPOSAL_ID,
    "series": "account-outliers",
    "model": MODEL_ID,
    "height": 9,
    "time_ms": NOW_S * 1_000,
    "reasons": [{"kind": "feature_shift", "name": "payees", "value": 0.3, "text": "t"}],
    "state": "open",
    "decided_by": None,
    "decided_ms": None,
    "note": None,
    "training": None,
}
ANALYTICS_ANSWERS: dict[str, Any] = {
    "POST /simulations": _SIMULATION,
    f"/cases/{CASE_ID}/simulation": _SIMULATION,
    "/aggregates": {"items": [_AGGREGATE], "next_cursor": None},
    "POST /aggregates": _AGGREGATE,
    "/cases": {"items": [_CASE | {"alerts": [], "accounts": []}], "next_cursor": None},
    "POST /cases": _WHOLE_CASE | {"is_new": True},
    f"/cases/{CASE_ID}": _WHOLE_CASE,
    f"/cases/{CASE_ID}/notes": _WHOLE_CASE,
    f"/cases/{CASE_ID}/state": _WHOLE_CASE,
    f"/alerts/{ALERT_ID}/response": {"alert": {}, "case": CASE_ID, "proposal": {}},
    "/accounts": {
        "items": [
            {
                "account": "sun1",
                "member": "bank1",
                "kind": "user",
                "status": "active",
                "opened_height": 0,
                "opened_ms": NOW_S * 1_000,
                "first_height": None,
                "last_height": None,
                "last_ms": None,
                "balances": [{"asset": "CNY", "amount": "5"}],
                "alerts": 0,
            }
        ],
        "next_cursor": None,
    },
    "/flows": {
        "items": [
            {
                "debit_member": "bank1",
                "credit_member": "bank2",
                "debit": None,
                "credit": None,
                "asset": "CNY",
                "legs": 1,
                "amount": "5",
            }
        ],
        "next_cursor": None,
        "height": 1,
    },
    "/reports/typologies": {
        "report": "typologies",
        "since_ms": NOW_S * 1_000,
        "until_ms": None,
        "height": 1,
        "rows": [],
        "truncated": False,
    },
    "/warehouse/blocks": {
        "items": [{"height": 1, "hash": "00" * 32, "transactions": 1, "legs": 1, **DIGESTS}]
    },
    "/alerts": {"items": [_ALERT], "next_cursor": None},
    f"/alerts/{ALERT_ID}": _ALERT,
    "/warehouse/state": {
        "height": 1,
        "hash": "00" * 32,
        "accounts": 3,
        **dict.fromkeys(("balances", "supply", "registers", "days"), "00" * 32),
    },
    "/risk/{account}": {
        "account": "sun1",
        "member": "bank1",
        "kind": "user",
        "segment": "payer",
        "at": {"height": 1, "time_ms": NOW_S * 1_000},
        "latest": SCORE,
        "history": [{name: SCORE[name] for name in SCORE if name != "contributions"}],
        "anomalies": [SCORE],
        "alerts": [],
        "neighbours": [
            {
                "account": "sun1",
                "asset": "CNY",
                "paid": "5",
                "received": "0",
                "payments": 1,
                "last_ms": NOW_S * 1_000,
            }
        ],
        "features": {"paid_count": 1.0},
    },
    "/risk": {
        "at": {"height": 1, "time_ms": NOW_S * 1_000},
        "market": SCORE,
        "members": [{"member": "bank1", **SCORE}],
    },
    "/segments": {
        "height": 1,
        "time_ms": NOW_S * 1_000,
        "items": [
            {
                "segment": "payer",
                "description": "pays and is not paid",
                "accounts": 1,
                "at_risk": 0,
                "mean_score": 0.2,
                "medians": {"paid_count": 1.0},
                "examples": [{"account": "sun1", "score": 0.2, "band": "low"}],
            }
        ],
    },
    "/forecasts": {
        "items": [{"series": "payments", "about": "payments", "unit": "payments"}],
        "spans": ["second", "minute", "hour", "day"],
        "horizon_max": 112,
        "truncated": False,
    },
    "/predict": {
        "predictions": [{"row": 1, "prediction": "yes", "score": 0.5}],
        "reasons": [
            [{"feature": "(baseline)", "value": None, "contribution": 0.5, "text": "half"}]
        ],
        "quality": [
            {
                "column": "payees",
                "check": "range",
                "rows": 1,
                "share": 1.0,
                "first_rows": [1],
                "text": "column payees: 1 rows outside the range",
            }
        ],
        "model": {
            "id": "ab" * 8,
            "version": 1,
            "card_hash": "cd" * 32,
            "series": "account-warnings",
            "method": "logistic",
            "state": "champion",
        },
        "height": None,
    },
    "/models": {"items": [MODEL], "next_cursor": None},
    "POST /models": TRAINING,
    f"/models/{MODEL_ID}": MODEL | {"card": "# pca", "history": [STEP]},
    f"/models/{MODEL_ID}/plots": {
        "id": MODEL_ID,
        "plots": [
            {
                "name": "importances",
                "title": "What it leans on",
                "note": "the largest first",
                "across": "column",
                "up": "importance",
                "traces": [{"name": "", "form": "bars", "across": ["payees"], "up": [0.5]}],
            }
        ],
    },
    f"/models/{MODEL_ID}/standing": MODEL | {"card": "# pca", "history": [STEP]},
    "/trainings": {"items": [TRAINING], "next_cursor": None},
    f"/trainings/{TRAINING_ID}": TRAINING,
    "/retrain-proposals": {"items": [PROPOSAL], "next_cursor": None},
    f"/retrain-proposals/{PROPOSAL_ID}": PROPOSAL,
    "/export": b"PAR1",
    "/query": {"columns": ["n"], "types": ["BIGINT"], "rows": [[1]], "truncated": False},
}
"""What a played analytics process says at each path that the node asks."""


EXPORT_HEADERS = {"Sunlit-From": "0", "Sunlit-To": "1", "Sunlit-Rows": "2", "Sunlit-Sha256": "00"}


class PlayedAnalytics(AnalyticsClient):
    """An analytics process played by the test."""

    def __init__(self, answers: Mapping[str, Any]) -> None:
        super().__init__()
        self._answers = answers

    async def get(self, path: str, query: Mapping[str, str] | None = None) -> Any:
        answer = self._answers[re.sub("sun1[0-9a-z]+", "{account}", path)]
        if isinstance(answer, Exception):
            raise answer
        return copy.deepcopy(answer)

    async def post(self, path: str, document: object) -> Any:
        named = f"POST {path}"
        return await self.get(named if named in self._answers else path)

    @asynccontextmanager
    async def download(self, path: str, query: Mapping[str, str]) -> AsyncIterator[Any]:
        content = StreamReader(BaseProtocol(asyncio.get_running_loop()), 1024)
        content.feed_data(await self.get(path))
        content.feed_eof()
        yield SimpleNamespace(headers=EXPORT_HEADERS, content_length=None, content=content)

    async def post_for_bytes(self, path: str, document: object) -> bytes:
        return json.dumps(await self.get(path)).encode()
