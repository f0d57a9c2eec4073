"""Short-lived access tokens, signed by a key that is on the chain (JWT, RFC 7519; EdDSA, RFC 8037).

The chain is the identity provider. A token names one chain and one member's node, so that a bank
which receives it cannot use it at another.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

import jwt

from ledger.addresses import encode_account_id
from ledger.identity import MemberId
from wallet.errors import InvalidRequest
from wallet.keystore import KeyEntry, KeyRole, SigningKey

TOKEN_LIFE_S: Final = 600
"""Life of a token, seconds."""
TOKEN_LIFE_S_MAX: Final = 900
"""Longest life that a node accepts, seconds."""
RENEWAL_MARGIN_S: Final = 60
"""A token with less life than this left is replaced before use, seconds."""

_TOKEN_ID_BYTES: Final = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """A signed token and when it ends."""

    text: str
    """Compact serialisation, for ``Authorization: Bearer``."""
    expires_s: int
    """End of its life, Unix seconds."""

    def __repr__(self) -> str:
        return f"Token(expires_s={self.expires_s})"  # the text is a secret

    @property
    def expires(self) -> str:
        """End of its life, RFC 3339 UTC with milliseconds."""
        moment = datetime.fromtimestamp(self.expires_s, UTC)
        return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def audience(chain_id: str, node_member: MemberId) -> str:
    """Return the ``aud`` of tokens for a member's node of a chain."""
    return f"{chain_id}/{node_member}"


def make_token(
    key: SigningKey,
    *,
    chain_id: str,
    node_member: MemberId,
    now_s: int,
    life_s: int = TOKEN_LIFE_S,
) -> Token:
    """Return a token by which a node knows the key's account, or its officer's member.

    Raises:
        InvalidRequest: ``no_account`` (the key's account is not open yet) or ``token_life``.
    """
    if not 0 < life_s <= TOKEN_LIFE_S_MAX:
        raise InvalidRequest(
            "token_life", f"a token lives 1 to {TOKEN_LIFE_S_MAX} s", life_s=life_s
        )
    subject = _subject(key.entry)
    claims = {
        "iss": subject,
        "sub": subject,
        "aud": audience(chain_id, node_member),
        "iat": now_s,
        "exp": now_s + life_s,
        "jti": secrets.token_hex(_TOKEN_ID_BYTES),
    }
    headers = {"kid": key.entry.public_key.hex()}
    text = jwt.encode(claims, key.private_key, algorithm="EdDSA", headers=headers)
    return Token(text=text, expires_s=now_s + life_s)


class TokenSource:
    """Tokens of one key for one node, made anew shortly before each ends."""

    def __init__(
        self,
        key: SigningKey,
        *,
        chain_id: str,
        node_member: MemberId,
        clock_s: Callable[[], float],
    ) -> None:
        self._key = key
        self._chain_id = chain_id
        self._node_member = node_member
        self._clock_s = clock_s
        self._token: Token | None = None

    def current(self) -> Token:
        """Return a token with at least `RENEWAL_MARGIN_S` seconds to live."""
        now_s = int(self._clock_s())
        if self._token is None or self._token.expires_s - now_s < RENEWAL_MARGIN_S:
            self._token = make_token(
                self._key, chain_id=self._chain_id, node_member=self._node_member, now_s=now_s
            )
        return self._token


def _subject(entry: KeyEntry) -> str:
    if entry.role is KeyRole.OFFICER:
        return entry.member
    if entry.account is None:
        detail = f"the account of key {entry.name} is not open yet"
        raise InvalidRequest("no_account", detail, name=entry.name)
    return encode_account_id(entry.account)
