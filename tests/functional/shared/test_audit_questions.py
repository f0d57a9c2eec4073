"""`POST query`, `export` and `access-log` over real nodes, judged by DuckDB, PyArrow and the chain of hashes."""

from __future__ import annotations

import asyncio
import hashlib
import time
from pathlib import Path
from typing import Any

import aiohttp
import duckdb
import pyarrow.parquet as pq

from ledger.access_records import AccessTip, verify_chain
from tests.functional.devnet import HANG_S, Api, Devnet

REGULATOR = "regulator"
PAID = 7


async def settled_height(api: Api) -> int:
    """Return a height that the warehouse has, once it has the final block of now."""
    _, status = await api.get(REGULATOR, "/v1/status")
    wanted = int(status["finalized"]["height"])
    async with asyncio.timeout(HANG_S):
        while (status["analytics"]["height"] or 0) < wanted:
            await asyncio.to_thread(time.sleep, 0.05)  # another process's progress has no event
            _, status = await api.get(REGULATOR, "/v1/status")
    return wanted


async def pay(net: Devnet, api: Api, payer: str, payee: str) -> str:
    """Make a payment, and return its txid once it is final."""
    head = await api.head_height("bank1")
    payment = net.payment(payer, payee, PAID, lane=0, sequence=0, head_height=head)
    status, answer = await api.submit("bank1", payment.raw)
    assert status == 202, answer
    await api.until_final(REGULATOR, {payment.txid.hex()}, first=head)
    return payment.txid.hex()


async def ask_sql(net: Devnet, sql: str) -> tuple[int, Any]:
    """Return status and JSON of a free query."""
    url = net.node(REGULATOR)["api"] + "/v1/audit/query"
    headers = net.headers(REGULATOR, REGULATOR)
    async with (
        aiohttp.ClientSession() as http,
        http.post(url, json={"sql": sql}, headers=headers) as answer,
    ):
        return answer.status, await answer.json(content_type=None)


async def parts(net: Devnet, directory: Path, last: int) -> list[Path]:
    """Fetch the legs up to a height part by part, going on where the one before ended."""
    found, first = [], "0"
    url = net.node(REGULATOR)["api"] + "/v1/audit/export"
    async with aiohttp.ClientSession() as http:
        while True:
            query = {"format": "parquet", "table": "legs", "from": first, "to": str(last)}
            headers = net.headers(REGULATOR, REGULATOR)
            async with http.get(url, params=query, headers=headers) as answer:
                assert answer.status == 200, await answer.text()
                content = await answer.read()
                assert hashlib.sha256(content).hexdigest() == answer.headers["Sunlit-Sha256"]
                file = directory / f"{first}.parquet"
                file.write_bytes(content)
                assert pq.read_metadata(file).num_rows == int(answer.headers["Sunlit-Rows"])
                found.append(file)
                if "Sunlit-Next" not in answer.headers:
                    return found
                first = answer.headers["Sunlit-Next"]


async def test_query_and_export_tell_the_same_and_the_truth(
    net: Devnet, api: Api, tmp_path: Path
) -> None:
    """A payment is found by free SQL; the exported parts, read by others, hold the same legs."""
    txid = await pay(net, api, net.take_account(), net.take_account())
    last = await settled_height(api)
    sql = f"SELECT count(*), sum(amount) FROM legs WHERE height <= {last}"
    status, answer = await ask_sql(net, f"SELECT amount FROM legs WHERE txid = '{txid}'")
    assert (status, answer["rows"]) == (200, [[PAID]])
    _, whole = await ask_sql(net, sql)
    files = await parts(net, tmp_path, last)
    with duckdb.connect() as judge:
        read = judge.read_parquet([str(file) for file in files])
        (counted,) = judge.sql("SELECT count(*), sum(amount)::BIGINT FROM read").fetchall()
        assert read.filter(f"txid = '{txid}'").fetchall()
    assert [int(value) for value in whole["rows"][0]] == list(counted)
    status, refused = await ask_sql(net, "SELECT * FROM read_csv('/etc/passwd')")
    assert (status, refused["code"]) == (422, "query_refused")


async def test_the_supply_is_conserved_on_every_node(net: Devnet, api: Api) -> None:
    """At one height all nodes count the same books, a bank's without analytics too."""
    height = await settled_height(api)
    pages = []
    for node in ("bank1", REGULATOR):
        path = f"/v1/audit/supply?height={height}"
        async with asyncio.timeout(HANG_S):
            status, page = await api.get(node, path, reader=REGULATOR)
            while status in (409, 503):  # not final there yet, or still counting
                status, page = await api.get(node, path, reader=REGULATOR)
        assert (status, page["conserved"]) == (200, True), page
        pages.append(page)
    assert pages[0] == pages[1]
    assert net.done("audit", "supply", "--height", str(height)) == pages[1]


async def test_the_access_log_holds_what_was_asked(net: Devnet, api: Api) -> None:
    """Every record follows from the one before, and a question stands in it with its statement."""
    marked = f"SELECT {time.monotonic_ns()}"
    assert (await ask_sql(net, marked))[0] == 200
    records, cursor = [], ""
    while True:
        path = f"/v1/audit/access-log?order=oldest&limit=1000{cursor}"
        status, page = await api.get(REGULATOR, path, reader=REGULATOR)
        assert status == 200, page
        records += page["items"]
        if page["next_cursor"] is None:
            break
        cursor = f"&cursor={page['next_cursor']}"
    tip = verify_chain(records, AccessTip(sequence=0, hash=page["root"]))
    assert tip.sequence == len(records)
    assert [one["target"] for one in records if one.get("sql") == marked] == ["/v1/audit/query"]
    known = f"{tip.sequence}:{tip.hash}"
    verified = net.done("audit", "access-log", "--verify", "--known", known)
    assert verified["verified"] is True
