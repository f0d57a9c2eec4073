"""The node's HTTP API as typed calls (``/openapi.json``)."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import aclosing, asynccontextmanager

from ledger import codec
from wallet.errors import ApiError, NodeUnreachable
from wallet.session import PAGE_ITEMS_MAX, Json, NodeSession, bad_answer, parse_json


class NodeClient(NodeSession):
    """A session with one node.

    async with NodeClient("http://127.0.0.1:8101") as node:
        status = await node.status()
    """

    # --- Open ---------------------------------------------------------------------------------

    async def is_ready(self) -> bool:
        """Tell whether the node says that it is ready; one attempt."""
        try:
            async with self._answer("GET", "/readyz"):
                return True
        except (ApiError, NodeUnreachable):
            return False

    async def health(self) -> Json:
        """Return ``/healthz``."""
        return await self._json("GET", "/healthz")

    async def metrics(self) -> str:
        """Return the Prometheus text of ``/metrics``."""
        return (await self._call("GET", "/metrics")).decode()

    async def status(self) -> Json:
        """Return ``/v1/status``: chain, head, final block, finality."""
        return await self._json("GET", "/v1/status")

    async def block(self, reference: str | int) -> Json:
        """Return a block by height, hash in hex, ``head`` or ``finalized``."""
        return await self._json("GET", f"/v1/blocks/{reference}")

    async def blocks(self, first: int, last: int) -> AsyncIterator[Json]:
        """Yield the blocks of an inclusive range of heights."""
        async for block in self._pages("/v1/blocks", {"from": str(first), "to": str(last)}):
            yield block

    async def members(self) -> list[Json]:
        """Return the register of members at the head."""
        return [member async for member in self._pages("/v1/members", {"state": "head"})]

    async def assets(self) -> list[Json]:
        """Return all assets."""
        return [asset async for asset in self._pages("/v1/assets", {})]

    # --- Transactions -------------------------------------------------------------------------

    async def submit(self, raw: bytes) -> Json:
        """Hand over a signed transaction; return its txid and status, durable at the node."""
        return await self._json("POST", "/v1/transactions", body=raw)

    async def submit_batch(self, raws: Sequence[bytes]) -> list[Json]:
        """Hand over several signed transactions; return one result each, in order."""
        body = codec.encode(tuple(raws))
        answer = await self._call("POST", "/v1/transactions/batch", body=body)
        results = parse_json(answer)
        items = results.get("results") if isinstance(results, dict) else results
        if not isinstance(items, list) or len(items) != len(raws):
            raise bad_answer("a batch has one result for each transaction")
        return items

    async def transaction(self, txid: str) -> Json:
        """Return a transaction's status, and its body for those who may see it."""
        return await self._json("GET", f"/v1/transactions/{txid}")

    async def proof(self, txid: str) -> Json:
        """Return a final transaction's evidence bundle."""
        return await self._json("GET", f"/v1/transactions/{txid}/proof")

    # --- Accounts -----------------------------------------------------------------------------

    async def account(self, account: str, *, state: str = "finalized") -> Json:
        """Return an account at the ``finalized`` block or the ``head``."""
        return await self._json("GET", f"/v1/accounts/{account}", query={"state": state})

    async def account_history(self, account: str, *, items_max: int) -> list[Json]:
        """Return an account's last transactions, the newest first."""
        query = {"limit": str(min(items_max, PAGE_ITEMS_MAX))}
        items: list[Json] = []
        async with aclosing(self._pages(f"/v1/accounts/{account}/history", query)) as pages:
            async for item in pages:
                items.append(item)
                if len(items) == items_max:
                    break
        return items

    async def account_proof(self, account: str) -> Json:
        """Return the evidence bundle of an account's state."""
        return await self._json("GET", f"/v1/accounts/{account}/proof")

    # --- Attestations -------------------------------------------------------------------------

    async def attestations(
        self, query: Mapping[str, str], *, items_max: int | None = None
    ) -> list[Json]:
        """Return attestations by ``member, kind, subject, sha256, state``, ascending."""
        path, asked = "/v1/attestations", dict(query)
        if items_max is not None:
            asked["limit"] = str(min(items_max, PAGE_ITEMS_MAX))
        items: list[Json] = []
        async with aclosing(self._pages(path, asked)) as pages:
            async for item in pages:
                items.append(item)
                if len(items) == items_max:
                    break
        return items

    # --- Audit --------------------------------------------------------------------------------

    async def audit_transactions(self, query: Mapping[str, str]) -> AsyncIterator[Json]:
        """Yield transactions by ``account, asset, kind, min_amount, since, until``."""
        async for item in self._pages("/v1/audit/transactions", query):
            yield item

    async def audit_supply(self) -> list[Json]:
        """Return each asset's supply."""
        return [entry async for entry in self._pages("/v1/audit/supply", {})]

    async def audit_supply_at(self, height: int) -> Json:
        """Return each asset's books at a final height, counted from the genesis on.

        Raises:
            ApiError: ``supply_counting`` while the node has not come that far; ask again.
        """
        path, query = "/v1/audit/supply", {"height": str(height), "limit": str(PAGE_ITEMS_MAX)}
        document = await self._json("GET", path, query=query)
        page = document
        while page.get("next_cursor") is not None:
            page = await self._json("GET", path, query=query | {"cursor": page["next_cursor"]})
            document["items"] += page["items"]
        return document | {"next_cursor": None}

    async def audit_members(self) -> list[Json]:
        """Return the register of members as the audit API gives it."""
        return [member async for member in self._pages("/v1/audit/members", {})]

    async def audit_evidence(self) -> list[Json]:
        """Return the conflicting votes of members."""
        return [evidence async for evidence in self._pages("/v1/audit/evidence", {})]

    async def audit_alerts(self, query: Mapping[str, str]) -> AsyncGenerator[Json, None]:
        """Yield alerts that match the query, newest first."""
        async for alert in self._pages("/v1/audit/alerts", query):
            yield alert

    async def audit_risk(self, account: str, *, at: int | None = None) -> Json:
        """Return an account's risk as of a block, its parts and what is around it."""
        query = {} if at is None else {"at": str(at)}
        return await self._json("GET", f"/v1/audit/accounts/{account}/risk", query=query)

    async def audit_warehouse_state(self) -> Json:
        """Return the digests of everything that the node's warehouse holds."""
        return await self._json("GET", "/v1/audit/warehouse/state")

    async def audit_warehouse_blocks(self, last: int) -> AsyncGenerator[Json, None]:
        """Yield blocks from 0 to a height, each with what the node's warehouse says of it."""
        path, following = "/v1/audit/warehouse/blocks", "0"
        while True:
            page = await self._json("GET", path, query={"from": following, "to": str(last)})
            items = page.get("items")
            if not isinstance(items, list):
                raise bad_answer(f"{path} is no list")
            for item in items:
                yield item
            if page.get("next_cursor") is None:
                return
            following = str(page["next_cursor"])

    @asynccontextmanager
    async def audit_block_events(
        self, query: Mapping[str, str], *, last_event_id: str | None
    ) -> AsyncIterator[AsyncIterator[bytes]]:
        """Open the audit stream of blocks once, as `stream`; it gives Server-Sent Events."""
        headers = {"Accept": "text/event-stream"}
        if last_event_id is not None:
            headers["Last-Event-ID"] = last_event_id
        async with self.stream("/v1/audit/blocks", query, headers=headers) as chunks:
            yield chunks
