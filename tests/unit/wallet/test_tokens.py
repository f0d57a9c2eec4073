"""Access tokens."""

from __future__ import annotations

import jwt
import pytest

from ledger.addresses import encode_account_id
from ledger.identity import MemberId
from tests.factories import make_account_id, make_signer
from wallet.errors import InvalidRequest
from wallet.keystore import KeyEntry, KeyRole, SigningKey
from wallet.tokens import RENEWAL_MARGIN_S, TOKEN_LIFE_S, TokenSource, make_token

ALICE = make_signer("alice")
BANK1, BANK2 = MemberId("bank1"), MemberId("bank2")
NOW_S = 1_767_225_600


def key_of(role: KeyRole, *, opened: bool = True) -> SigningKey:
    """Return alice's key as an account's or an officer's."""
    account = make_account_id("alice") if role is KeyRole.ACCOUNT and opened else None
    entry = KeyEntry(
        name="alice", role=role, member=BANK1, account=account, public_key=ALICE.public_key
    )
    return SigningKey(entry=entry, private_key=ALICE.private_key)


@pytest.mark.parametrize("role", list(KeyRole))
def test_claims_name_the_holder_the_chain_and_the_node_threat_62(role: KeyRole) -> None:
    """A token is EdDSA, ends within 15 minutes, and fits one node of one chain."""
    token = make_token(key_of(role), chain_id="test", node_member=BANK2, now_s=NOW_S)
    public = ALICE.private_key.public_key()
    claims = jwt.decode(
        token.text,
        public,
        algorithms=["EdDSA"],
        audience="test/bank2",
        options={"verify_exp": False, "verify_iat": False},
    )
    header = jwt.get_unverified_header(token.text)
    is_officer = role is KeyRole.OFFICER
    holder = "bank1" if is_officer else encode_account_id(make_account_id("alice"))
    assert claims["iss"] == claims["sub"] == holder
    assert claims["exp"] == token.expires_s == NOW_S + TOKEN_LIFE_S
    assert (header["alg"], header["kid"]) == ("EdDSA", ALICE.public_key.hex())
    assert token.text not in repr(token)
    assert token.expires == "2026-01-01T00:10:00.000Z"


def test_no_two_tokens_are_alike() -> None:
    """Each has an id of its own."""
    key = key_of(KeyRole.OFFICER)
    made = {make_token(key, chain_id="test", node_member=BANK1, now_s=NOW_S).text for _ in range(2)}
    assert len(made) == 2


def test_long_lives_and_unopened_accounts_are_refused() -> None:
    """Nobody can ask for more than a node grants, nor speak for no account."""
    with pytest.raises(InvalidRequest, match="token_life"):
        make_token(
            key_of(KeyRole.OFFICER), chain_id="t", node_member=BANK1, now_s=NOW_S, life_s=901
        )
    unopened = key_of(KeyRole.ACCOUNT, opened=False)
    with pytest.raises(InvalidRequest, match="no_account"):
        make_token(unopened, chain_id="t", node_member=BANK1, now_s=NOW_S)


def test_a_source_renews_before_the_end() -> None:
    """A token is used while a minute of life is left, then made anew."""
    now_s = float(NOW_S)
    source = TokenSource(
        key_of(KeyRole.OFFICER), chain_id="t", node_member=BANK1, clock_s=lambda: now_s
    )
    first = source.current()
    now_s += TOKEN_LIFE_S - RENEWAL_MARGIN_S
    assert source.current() is first
    now_s += 1
    assert source.current().expires_s == int(now_s) + TOKEN_LIFE_S
