"""Payment files."""

from __future__ import annotations

from pathlib import Path

import pytest

from ledger.identity import AccountId
from tests.factories import CNY, USD, make_account_id
from wallet import batch
from wallet.batch import check_funds, read_batch, transfers_of
from wallet.errors import InvalidBatch, KeystoreError

BOB = make_account_id("bob")
DECIMALS = {CNY: 2, USD: 2}


def resolve(text: str) -> AccountId:
    """Know bob and nobody else."""
    if text != "bob":
        raise KeystoreError("unknown_key", f"no key {text!r}")
    return BOB


def read(tmp_path: Path, content: str | bytes) -> list[batch.Payment]:
    """Return the payments of a file with that content."""
    path = tmp_path / "batch.csv"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return read_batch(path, resolve=resolve, decimals=DECIMALS)


def test_rows_become_payments_in_order(tmp_path: Path) -> None:
    """Columns may come in any order, cells may be quoted, and a byte order mark is no cell."""
    content = '\ufeffasset,to,reference,amount\r\nCNY,bob,"a, ""b""",1.50\r\nUSD, bob ,,2\r\n'
    payments = read(tmp_path, content)
    assert [(p.to, p.amount, p.asset, p.reference, p.line) for p in payments] == [
        (BOB, 150, CNY, 'a, "b"', 2),
        (BOB, 200, USD, "", 3),
    ]


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("", "line 1: the header"),
        ("bob,1,CNY,x\n", "line 1: the header"),
        ("to,amount\nbob,1\n", "line 1: the header"),
        ("to,amount,asset,memo\nbob,1,CNY,x\n", "line 1: the header"),
        ("to,to,amount,asset\nbob,bob,1,CNY\n", "line 1: the header"),
        ("to,amount,asset\n", "holds no payments"),
        ("to,amount,asset\nbob,1\n", "line 2: the row has not as many cells"),
        ("to,amount,asset\nbob,1,CNY,x\n", "line 2: the row has not as many cells"),
        ("to,amount,asset\nbob,1,CNY\neve,1,CNY\n", "line 3: no key 'eve'"),
        ("to,amount,asset\nbob,1,EUR\n", "line 2: no asset 'EUR'"),
        ("to,amount,asset\nbob,1.001,CNY\n", "line 2: 1.001 has 3 decimals"),
        (
            "to,amount,asset,reference\nbob,1,CNY," + "é" * 71 + "\n",
            "line 2: the reference is over",
        ),
        ('to,amount,asset\nbob,"1,CNY\nbob,1,CNY\n', "unexpected end of data"),
        (b"to,amount,asset\nbob,1,CNY\n\xff,1,CNY\n", "line 3: not UTF-8"),
    ],
)
def test_wrong_files_name_the_line(tmp_path: Path, content: str | bytes, told: str) -> None:
    """Every fault says where it is."""
    with pytest.raises(InvalidBatch) as caught:
        read(tmp_path, content)
    assert caught.value.code == "bad_batch"
    assert told in caught.value.detail


def test_many_wrong_rows_are_counted(tmp_path: Path) -> None:
    """The first faults are shown, the rest counted, so that the error stays one line."""
    with pytest.raises(InvalidBatch) as caught:
        read(tmp_path, "to,amount,asset\n" + "bob,x,CNY\n" * 25)
    assert caught.value.detail.count("line ") == batch.ERRORS_SHOWN_MAX
    assert caught.value.detail.endswith("; and 15 more")


def test_sizes_are_limited(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither rows nor bytes are without end."""
    content = "to,amount,asset\n" + "bob,1,CNY\n" * 3
    monkeypatch.setattr(batch, "BATCH_ROWS_MAX", 3)
    assert len(read(tmp_path, content)) == 3
    monkeypatch.setattr(batch, "BATCH_ROWS_MAX", 2)
    with pytest.raises(InvalidBatch, match="more than 2 rows"):
        read(tmp_path, content)
    monkeypatch.setattr(batch, "BATCH_BYTES_MAX", 10)
    with pytest.raises(InvalidBatch, match="larger than 10 bytes"):
        read(tmp_path, content)


def test_funds_are_checked_for_each_asset(tmp_path: Path) -> None:
    """The rows together may not move more than is there, to the smallest unit."""
    payments = read(tmp_path, "to,amount,asset\nbob,1.00,CNY\nbob,0.01,CNY\nbob,5,USD\n")
    check_funds(payments, {CNY: 101, USD: 500}, DECIMALS)
    for available in ({CNY: 100, USD: 500}, {CNY: 101}):
        with pytest.raises(InvalidBatch, match="insufficient_funds"):
            check_funds(payments, available, DECIMALS)


def test_rows_are_split_in_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Transactions take the rows as they come, none lost and none twice."""
    monkeypatch.setattr(batch, "TRANSACTION_LEGS_MAX", 2)
    payments = read(tmp_path, "to,amount,asset\n" + "".join(f"bob,{n},CNY\n" for n in range(1, 6)))
    parts = list(transfers_of(make_account_id("alice"), payments))
    assert [[leg.amount for leg in legs] for legs in parts] == [[100, 200], [300, 400], [500]]
