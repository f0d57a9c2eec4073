"""The commands that speak to a node, from words to what a shell sees."""

from __future__ import annotations

import json
from pathlib import Path

import jwt
import pytest

from ledger.addresses import encode_account_id
from ledger.identity import AccountKind
from ledger.kinds import OpenAccount, Redeem, Transfer
from ledger.state import account_of, balance_key
from ledger.transactions import opened_account_id
from tests.factories import CNY, OPENING_BALANCE, REGULATOR, Network
from tests.unit.wallet.conftest import PASSPHRASE, Run
from tests.unit.wallet.fake_node import FakeNode
from wallet.keystore import Keystore
from wallet.outbox import Outbox


def held(node: FakeNode, name: str) -> int:
    """Return what an account holds of the yuan, smallest units."""
    return int(node.state.get(balance_key(node.network.holders[name].id, CNY)) or 0)


async def test_send_moves_the_amount_and_prints_the_receipt(run: Run, node: FakeNode) -> None:
    """A payment by names is signed for this chain, submitted, and followed until included."""
    result = await run("send", "--from", "alice", "--to", "bob", "12.50", "CNY", "--json")
    assert result.exit_code == 0, result.stderr
    (transaction,) = node.submitted
    txid = transaction.txid.hex()
    assert json.loads(result.stdout) == {"txid": txid, "status": "included", "height": 8}
    assert held(node, "alice") == OPENING_BALANCE - 1250
    assert held(node, "bob") == OPENING_BALANCE + 1250
    assert f"submitted {txid}" in result.stderr


async def test_send_by_id_without_waiting(run: Run, node: FakeNode) -> None:
    """With --wait none the receipt says pending; a payee may be an id; text goes along."""
    bob = encode_account_id(node.network.holders["bob"].id)
    words = ("send", "--from", "alice", "--to", bob, "1", "CNY", "--reference", "rent")
    result = await run(*words, "--wait", "none", "--json")
    assert json.loads(result.stdout)["status"] == "pending"
    assert json.loads(result.stdout)["height"] is None
    assert node.submitted[0].body.reference == "rent"


async def test_a_final_payment_leaves_the_outbox(
    run: Run, node: FakeNode, wallet_home: Path
) -> None:
    """What is final need not be kept; what is only included is kept."""
    await run("send", "--from", "alice", "--to", "bob", "1", "CNY", "--wait", "final")
    assert Outbox(wallet_home).transactions() == []
    await run("send", "--from", "alice", "--to", "bob", "2", "CNY")
    assert [kept.txid for kept in Outbox(wallet_home).transactions()] == [node.submitted[1].txid]


async def test_payments_in_a_row_take_different_sequences(run: Run, node: FakeNode) -> None:
    """Quick successive payments do not wait for blocks: each takes a sequence of its own."""
    node.is_stuck = True
    words = ("send", "--from", "alice", "--to", "bob", "1", "CNY", "--wait", "none")
    for _ in range(4):
        assert (await run(*words)).exit_code == 0
    actors = [transaction.body.actors[0] for transaction in node.submitted]
    assert len(set(actors)) == 4


async def test_a_refused_payment_is_forgotten(run: Run, node: FakeNode, wallet_home: Path) -> None:
    """The node's code is the command's, and the sequence is free for the next payment."""
    result = await run("send", "--from", "alice", "--to", "bob", "9000000", "CNY")
    assert result.exit_code == 1
    assert result.stderr.startswith("error[insufficient_funds]: ")
    assert "a debit of 9000000.00 CNY exceeds" in result.stderr
    assert result.stdout == ""
    assert Outbox(wallet_home).transactions() == []


async def test_a_payment_without_an_answer_is_kept_and_sent_again(
    run: Run, node: FakeNode, wallet_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After an outage the very same bytes are sent by resend, and pay once."""
    monkeypatch.setattr("wallet.session.ATTEMPTS_MAX", 1)
    node.refuse("POST", 503, "busy")
    result = await run("send", "--from", "alice", "--to", "bob", "5", "CNY")
    assert result.exit_code == 1
    assert "error[busy]" in result.stderr
    (kept,) = Outbox(wallet_home).transactions()
    assert f"wallet resend {kept.txid.hex()}" in result.stderr
    for _ in range(2):
        again = await run("resend", kept.txid.hex(), "--wait", "none", "--json")
        assert again.exit_code == 0, again.stderr
    assert [transaction.raw for transaction in node.submitted] == [kept.raw]
    assert held(node, "bob") == OPENING_BALANCE + 500


async def test_resend_without_a_name_follows_everything(run: Run, node: FakeNode) -> None:
    """All that is kept is sent again; an empty outbox is no error."""
    assert "nothing is waiting" in (await run("resend")).stdout
    await run("send", "--from", "alice", "--to", "bob", "1", "CNY", "--wait", "none")
    result = await run("resend", "--wait", "final", "--json")
    receipts = json.loads(result.stdout)["transactions"]
    assert [receipt["status"] for receipt in receipts] == ["final"]


@pytest.mark.parametrize("seconds", ["0", "-1", "nan", "soon"])
async def test_a_timeout_is_a_span_of_time(run: Run, node: FakeNode, seconds: str) -> None:
    """Anything else is wrong usage, and nothing is sent."""
    result = await run("send", "--from", "alice", "--to", "bob", "1", "CNY", "--timeout", seconds)
    assert (result.exit_code, node.submitted) == (2, [])


async def test_a_timeout_is_an_error_with_its_code(run: Run, node: FakeNode) -> None:
    """A wait that ends too early exits 1 with code timeout, and says that resending is safe."""
    node.is_stuck = True
    words = ("send", "--from", "alice", "--to", "bob", "1", "CNY", "--timeout", "0.05")
    result = await run(*words)
    assert result.exit_code == 1
    assert "error[timeout]: " in result.stderr
    assert "resend" in result.stderr


async def test_a_rejected_transaction_is_an_error_with_the_ledgers_code(
    run: Run, node: FakeNode, wallet_home: Path
) -> None:
    """A transaction that the chain dropped after its acceptance fails by the chain's reason."""
    await run("send", "--from", "alice", "--to", "bob", "1", "CNY", "--wait", "none")
    txid = node.submitted[0].txid.hex()
    node.statuses[txid] = "rejected"
    result = await run("resend", txid)
    assert result.exit_code == 1
    assert "error[insufficient_funds]: " in result.stderr
    assert Outbox(wallet_home).transactions() == []


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("--to", "bob", "12.505", "CNY"), "amount_decimals"),
        (("--to", "bob", "0", "CNY"), "amount_range"),
        (("--to", "bob", "1e3", "CNY"), "amount_format"),
        (("--to", "bob", "1", "EUR"), "unknown_asset"),
        (("--to", "nobody", "1", "CNY"), "unknown_key"),
        (("--to", "regulator", "1", "CNY"), "no_account"),
        (("--to", "sun1qqqq", "1", "CNY"), "address_separator"),
        (("--to", "bob", "1", "CNY", "--reference", "x" * 141), "bad_text"),
    ],
)
async def test_wrong_payments_are_refused_here(
    run: Run, node: FakeNode, words: tuple[str, ...], code: str
) -> None:
    """What the ledger would refuse is refused before it is signed, with a code."""
    result = await run("send", "--from", "alice", *words)
    assert (result.exit_code, node.submitted) == (1, [])
    assert f"error[{code}]: " in result.stderr
    assert result.stderr.count("\n") == 1


async def test_wrong_usage_exits_two(run: Run) -> None:
    """A missing option or an unknown word is wrong usage, not a failure."""
    assert (await run("send", "--to", "bob", "1", "CNY")).exit_code == 2
    assert (await run("send", "--from", "alice", "--to", "bob", "1")).exit_code == 2
    assert (await run("fly")).exit_code == 2


async def test_another_chains_node_gets_nothing(run: Run, node: FakeNode) -> None:
    """A node that shows another genesis hash gets neither a token nor a signature."""
    node.genesis_hash = "00" * 32
    result = await run("send", "--from", "alice", "--to", "bob", "1", "CNY")
    assert "error[wrong_chain]: " in result.stderr
    assert node.requests == [("GET", "/v1/status")]
    assert node.tokens == [None]


async def test_a_node_under_another_members_name_gets_nothing(run: Run, node: FakeNode) -> None:
    """A token is made out to the member that the profile names, or not at all."""
    node.member = "bank2"
    result = await run("balance", "alice")
    assert "error[wrong_node]: " in result.stderr
    assert node.tokens == [None]


async def test_batch_pays_every_row_in_one_transaction(
    run: Run, node: FakeNode, tmp_path: Path
) -> None:
    """A file becomes one transfer whose legs are its rows, in order."""
    file = tmp_path / "payroll.csv"
    file.write_text("to,amount,asset,reference\nbob,1.00,CNY,one\ncarol,2.00,USD,two\n")
    result = await run("batch", str(file), "--from", "alice", "--json")
    document = json.loads(result.stdout)
    assert (document["payments"], document["status"]) == (2, "included")
    effect = node.submitted[0].body.effect
    assert isinstance(effect, Transfer)
    assert [(leg.amount, leg.reference) for leg in effect.legs] == [(100, "one"), (200, "two")]


async def test_long_batches_become_several_transactions(
    run: Run, node: FakeNode, tmp_path: Path
) -> None:
    """Over 10,000 rows are split; each part is a transaction of its own."""
    file = tmp_path / "payroll.csv"
    file.write_text("to,amount,asset\n" + "bob,0.01,CNY\n" * 10_001)
    result = await run("batch", str(file), "--from", "alice", "--wait", "none", "--json")
    assert result.exit_code == 0, result.stderr
    assert len(json.loads(result.stdout)["transactions"]) == 2
    assert [transaction.leg_count for transaction in node.submitted] == [10_000, 1]


async def test_a_batch_with_one_wrong_row_sends_nothing(
    run: Run, node: FakeNode, tmp_path: Path
) -> None:
    """All rows are right, or nothing is sent; each wrong line is named."""
    file = tmp_path / "payroll.csv"
    file.write_text("to,amount,asset\nbob,1.00,CNY\nbob,1.001,CNY\neve,1.00,CNY\n")
    result = await run("batch", str(file), "--from", "alice")
    assert (result.exit_code, node.submitted) == (1, [])
    assert "error[bad_batch]: line 3: " in result.stderr
    assert "line 4: " in result.stderr


async def test_a_batch_beyond_the_balance_sends_nothing(
    run: Run, node: FakeNode, tmp_path: Path
) -> None:
    """The sum of the rows is checked first, so that no part of a long file goes alone."""
    file = tmp_path / "payroll.csv"
    file.write_text("to,amount,asset\nbob,600000,CNY\nbob,600000,CNY\n")
    result = await run("batch", str(file), "--from", "alice")
    assert "error[insufficient_funds]: " in result.stderr
    assert node.submitted == []


async def test_issue_and_redeem_are_signed_by_the_issuers_officer(run: Run, node: FakeNode) -> None:
    """Supply comes and goes by the issuer's officer, a redemption by the holder too."""
    issued = await run("issue", "--to", "bob", "10.00", "CNY", "--json")
    assert issued.exit_code == 0, issued.stderr
    assert held(node, "bob") == OPENING_BALANCE + 1000
    redeemed = await run("redeem", "--from", "bob", "4.00", "CNY", "--as", "bank1-officer")
    assert redeemed.exit_code == 0, redeemed.stderr
    assert held(node, "bob") == OPENING_BALANCE + 600
    effect = node.submitted[1].body.effect
    assert isinstance(effect, Redeem)
    assert len(node.submitted[1].signatures) == 2


async def test_issue_asks_for_an_officer_where_there_are_several(run: Run) -> None:
    """bank2 has two officers here, and the dollar is its: one must be named, and be its own."""
    result = await run("issue", "--to", "bob", "1", "USD")
    assert "error[officer_required]: " in result.stderr
    foreign = await run("issue", "--to", "bob", "1", "USD", "--as", "bank1-officer")
    assert "error[not_an_officer]: " in foreign.stderr


async def test_open_account_makes_a_key_and_stores_the_id(
    run: Run, node: FakeNode, wallet_home: Path
) -> None:
    """The new account is on the chain under the new key, and has a name here."""
    words = ("open-account", "dave", "--member", "bank1", "--as", "bank1-officer", "--json")
    result = await run(*words, "--kind", "treasury")
    assert result.exit_code == 0, result.stderr
    document = json.loads(result.stdout)
    entry = Keystore(wallet_home, passphrase=lambda: PASSPHRASE).entry("dave")
    (transaction,) = node.submitted
    effect = transaction.body.effect
    assert isinstance(effect, OpenAccount)
    assert (effect.account_kind, effect.keys.keys) == (AccountKind.TREASURY, (entry.public_key,))
    assert entry.account == opened_account_id(transaction.txid)
    assert entry.account is not None
    assert document["account"] == encode_account_id(entry.account)
    assert account_of(node.state, entry.account) is not None
    paid = await run("send", "--from", "alice", "--to", "dave", "3", "CNY")
    assert paid.exit_code == 0, paid.stderr


async def test_open_account_twice_is_refused(run: Run, node: FakeNode) -> None:
    """A name whose account is open stays as it is; so does another's key."""
    words = ("open-account", "alice", "--member", "bank1", "--as", "bank1-officer")
    assert "error[key_exists]: " in (await run(*words)).stderr
    officer = ("open-account", "bank1-officer", "--member", "bank1")
    assert "error[key_exists]: " in (await run(*officer)).stderr
    assert node.submitted == []


async def test_open_account_goes_on_after_an_outage(
    run: Run, node: FakeNode, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A lost answer loses neither key nor account: the opening is kept, and sent again."""
    monkeypatch.setattr("wallet.session.ATTEMPTS_MAX", 1)
    words = ("open-account", "dave", "--member", "bank1", "--as", "bank1-officer")
    node.refuse("POST", 503, "busy")
    assert "resend" in (await run(*words)).stderr
    assert "error[already_sent]: " in (await run(*words)).stderr
    assert (await run("resend")).exit_code == 0
    paid = await run("send", "--from", "alice", "--to", "dave", "3", "CNY")
    assert paid.exit_code == 0, paid.stderr


async def test_open_account_uses_a_key_made_before(run: Run, node: FakeNode) -> None:
    """A key without an account becomes the new account's."""
    assert (await run("new", "erin", "--member", "bank1")).exit_code == 0
    words = ("open-account", "erin", "--member", "bank1", "--as", "bank1-officer")
    assert (await run(*words)).exit_code == 0
    assert "error[key_exists]: " in (await run(*words)).stderr
    assert len(node.submitted) == 1


async def test_balance_for_people_and_for_programs(run: Run) -> None:
    """People see decimals, programs the node's smallest units."""
    text = await run("balance", "alice")
    assert "CNY    1000000.00  0.00  1000000.00" in text.stdout
    document = json.loads((await run("balance", "alice", "--json")).stdout)
    assert document["balances"][0]["posted"] == str(OPENING_BALANCE)


async def test_history_signs_what_leaves(run: Run, node: FakeNode) -> None:
    """Each movement is a line: negative for the payer, positive for the payee."""
    await run("send", "--from", "alice", "--to", "bob", "1.25", "CNY", "--reference", "a\nb")
    paid = (await run("history", "alice")).stdout
    received = (await run("history", "bob")).stdout
    assert "-1.25" in paid
    assert "-1.25" not in received
    assert r"a\u{a}b" in paid
    items = json.loads((await run("history", "bob", "--json", "--limit", "1")).stdout)["items"]
    assert items[0]["txid"] == node.submitted[0].txid.hex()


async def test_history_as_csv_disarms_formulas_threat_72(run: Run, node: FakeNode) -> None:
    """A payer's reference cannot run as a formula in the payee's spreadsheet."""
    formula = '=HYPERLINK("http://evil")'
    await run("send", "--from", "alice", "--to", "bob", "1", "CNY", "--reference", formula)
    rows = (await run("history", "bob", "--csv")).stdout.splitlines()
    assert rows[0].startswith("height,time,kind,asset,amount,counterparty,reference,txid")
    assert '"\'=HYPERLINK(""http://evil"")"' in rows[1]


async def test_token_names_key_chain_and_node(run: Run, network: Network) -> None:
    """The token's claims are the contract's, and its signature is the officer's."""
    result = await run("token", "--as", "regulator", "--json")
    document = json.loads(result.stdout)
    maker = network.officers[REGULATOR][0]
    claims = jwt.decode(
        document["token"],
        maker.private_key.public_key(),
        algorithms=["EdDSA"],
        audience="test/bank1",
    )
    assert (claims["iss"], claims["sub"]) == ("regulator", "regulator")
    assert 0 < claims["exp"] - claims["iat"] <= 900
    assert jwt.get_unverified_header(document["token"])["kid"] == maker.public_key.hex()
    assert document["expires"].endswith("Z")


async def test_token_asks_whose_where_there_are_several(run: Run) -> None:
    """With many keys none is chosen in silence."""
    assert "error[key_required]: " in (await run("token")).stderr


async def test_a_node_that_is_no_url_is_refused(run: Run) -> None:
    """A mistyped node is named as such."""
    result = await run("balance", "alice", "--node", "ftp://bank1.example")
    assert "error[bad_url]: " in result.stderr


async def test_a_node_that_is_down_is_named(
    run: Run, node: FakeNode, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No answer is a code of its own, with the URL that gave none."""
    monkeypatch.setattr("wallet.session.ATTEMPTS_MAX", 1)
    url = node.url
    await node.server.close()
    result = await run("balance", "alice")
    assert f"error[node_unreachable]: no answer from {url}" in result.stderr
