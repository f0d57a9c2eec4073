"""The regulator's files: parameters and sanctions list, taken whole or refused with the reason."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from analytics.errors import ParametersInvalid
from analytics.typologies.parameters import HOUR_MS, TypologyParameters, load_parameters
from analytics.typologies.sanctions import load_sanctions
from ledger.addresses import encode_account_id
from ledger.identity import ACCOUNT_ID_BYTES, AccountId


def written(tmp_path: Path, text: str) -> Path:
    """Return a file with that text."""
    path = tmp_path / "file"
    path.write_text(text, encoding="utf-8")
    return path


def test_an_empty_file_is_all_defaults(tmp_path: Path) -> None:
    """What is left out keeps its default."""
    assert load_parameters(written(tmp_path, "")) == TypologyParameters()


def test_values_of_the_file_stand(tmp_path: Path) -> None:
    """Decimals stay exact, and the other rules stay as they are."""
    text = "[structuring]\nwindow_hours = 48\n[structuring.thresholds]\nCNY = [50000, 0.1]\n"
    parameters = load_parameters(written(tmp_path, text))
    assert parameters.structuring.thresholds == {"CNY": (Decimal(50_000), Decimal("0.1"))}
    assert parameters.structuring.window_ms == 48 * HOUR_MS
    assert parameters.fan_in == TypologyParameters().fan_in


@pytest.mark.parametrize(
    ("text", "code", "part"),
    [
        ("[structuring", "parameters_syntax", "TOML"),
        ("[structurring]", "parameters_invalid", "structurring"),
        ("[fan_in]\nburst = 3", "parameters_invalid", "fan_in.burst"),
        ("[fan_in]\nnew_min = 1.5", "parameters_invalid", "fan_in.new_min"),
        ("[dormant]\nwindow_hours = 0", "parameters_invalid", "dormant.window_hours"),
    ],
)
def test_a_mistake_is_named(tmp_path: Path, text: str, code: str, part: str) -> None:
    """A mistyped key is no key, and an impossible value no value."""
    with pytest.raises(ParametersInvalid) as caught:
        load_parameters(written(tmp_path, text))
    assert caught.value.code == code
    assert part in caught.value.detail


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    """Both files."""
    with pytest.raises(ParametersInvalid, match="No such file"):
        load_parameters(tmp_path / "missing.toml")
    with pytest.raises(ParametersInvalid, match="No such file"):
        load_sanctions(tmp_path / "missing.csv")


def test_a_sanctions_list_names_people_and_accounts(tmp_path: Path) -> None:
    """Aliases count as names; a row may be an account alone."""
    account = encode_account_id(AccountId(bytes(range(ACCOUNT_ID_BYTES))))
    text = f"name,aliases,account\nIvan Orlov,Iwan Orlow;Johann Orl,\n,,{account.upper()}\n"
    listed = load_sanctions(written(tmp_path, text))
    assert listed.accounts == {account}
    for written_name in ("ivan orlov", "to Johann Orl", "ORLOW, IWAN"):
        match = listed.match(written_name, 95)
        assert match is not None


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("name,account\nIvan Orlov,sun1x\n", "'sun1x' is no account"),
        ("name,aliases,account\nOrlov, Ivan,Orlow,\n", "more columns than the header"),
        ("name,aliases\nIvan Orlov,IO\n", "'IO' has fewer than 4 letters"),
        ("name\n王\n", "'王' has fewer than 4 letters"),
        ("name\n...\n", "'...' has fewer"),
        ("name,name\nIvan Orlov,Iwan\n", "each once"),
        ('name\n"Ivan Orlov\n', "unexpected end of data"),
    ],
)
def test_an_entry_that_would_never_be_found_is_named(tmp_path: Path, text: str, part: str) -> None:
    """A slip in the file is told when it is read, and not by an alert that never comes."""
    with pytest.raises(ParametersInvalid) as caught:
        load_sanctions(written(tmp_path, text))
    assert caught.value.code == "sanctions_invalid"
    assert part in caught.value.detail


@pytest.mark.parametrize("text", ["name,country\nA,B\n", "name,aliases,account\n,,\n", ""])
def test_a_list_that_says_nothing_is_refused(tmp_path: Path, text: str) -> None:
    """Columns that are not ours, and rows without a name or an account."""
    with pytest.raises(ParametersInvalid) as caught:
        load_sanctions(written(tmp_path, text))
    assert caught.value.code == "sanctions_invalid"
