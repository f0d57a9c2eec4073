"""Who asks: JSON Web Tokens signed by keys that are on the chain (RFC 7519, RFC 8037).

The chain is the identity provider. A token is signed by a key of the account that it names, or by
an officer of the member that it names, and both are looked up in the state at the head for every
request: a transaction that takes the key away ends the token (threat 64). The audience names one
chain and one member's node, so that no bank can use a token at another (threat 62).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Final

import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ledger.addresses import decode_account_id
from ledger.errors import DecodeError
from ledger.identity import AccountId, Member, MemberId, Role, member_id
from ledger.keys import PUBLIC_KEY_BYTES, SCHEME_ED25519
from ledger.state import member_key
from node.api.json_text import read_json
from node.api.limits import CLOCK_SKEW_SECONDS_MAX, TOKEN_CHARACTERS_MAX, TOKEN_LIFE_SECONDS_MAX
from node.api.problems import Problem, unauthorized
from node.storage.view import At, ChainView

ALGORITHM: Final = "EdDSA"
_SCHEME: Final = "bearer"
_COMPACT: Final = re.compile(r"[A-Za-z0-9_-]*(\.[A-Za-z0-9_-]*){2}")
"""Three parts of base64url without padding (RFC 7515, section 7.1). Python's decoder passes over every
other character, and a token would have many spellings."""
_SIGNATURES: Final = jwt.PyJWS(algorithms=[ALGORITHM])

Text = Annotated[str, Field(min_length=1, max_length=200)]


class PrincipalKind(StrEnum):
    """What a token's holder may see: an account its own, a member its accounts, a regulator all."""

    ACCOUNT = "account"
    MEMBER = "member"
    REGULATOR = "regulator"


@dataclass(frozen=True, slots=True, kw_only=True)
class Principal:
    """Who a token's holder is."""

    kind: PrincipalKind
    subject: str
    """The token's subject: an account id as text, or a member id."""
    member: MemberId
    """The member itself, or the account's member."""
    account: AccountId | None
    """The account, where the token is an account's."""
    public_key: bytes
    """The key that signed the token, 33 bytes."""
    expires_s: int
    """End of the token's life, Unix seconds."""

    @property
    def is_regulator(self) -> bool:
        """Whether it speaks for a regulator."""
        return self.kind is PrincipalKind.REGULATOR


class _Claims(BaseModel):
    """The claims that every token carries; others are ignored (RFC 7519 section 4)."""

    model_config = ConfigDict(strict=True, extra="ignore")

    iss: Text
    sub: Text
    aud: Text
    iat: Annotated[int, Field(ge=0)]
    exp: Annotated[int, Field(ge=0)]
    jti: Text
    nbf: Annotated[int, Field(ge=0)] = 0


class TokenAuthority:
    """Judges tokens for one member's node of one chain."""

    def __init__(self, *, chain_id: str, member: MemberId, clock_s: Callable[[], float]) -> None:
        self._audience = f"{chain_id}/{member}"
        self._clock_s = clock_s

    def authenticate(self, authorization: str, view: ChainView) -> Principal:
        """Return whom an ``Authorization`` header speaks for.

        Raises:
            Problem: 401 with a code that begins with ``token_``.
        """
        scheme, _, token = authorization.partition(" ")
        token = token.strip()
        if scheme.lower() != _SCHEME or not token:
            raise unauthorized("token_malformed", "The header is 'Authorization: Bearer <token>'.")
        public_key = _signing_key(token)
        claims = _verified_claims(token, public_key)
        self._check_claims(claims)
        return _principal(claims, public_key, view)

    def require_valid(self, principal: Principal, view: ChainView) -> None:
        """Check that a principal's token has not ended and its key has not been taken away.

        Raises:
            Problem: 401 ``token_expired`` or ``token_key_unknown``.
        """
        if self._clock_s() >= principal.expires_s:
            raise unauthorized("token_expired", "The token's life is over.")
        kind, _ = _standing(principal.subject, principal.public_key, view)
        if kind is not principal.kind:
            raise unauthorized("token_key_unknown", "The token's rights have changed.")

    def _check_claims(self, claims: _Claims) -> None:
        now_s = self._clock_s()
        if claims.iss != claims.sub:
            raise unauthorized("token_claims", "A token is issued by its own subject.")
        if claims.aud != self._audience:
            raise unauthorized("token_audience", f"This node's audience is {self._audience}.")
        if claims.exp <= now_s:
            raise unauthorized("token_expired", "The token's life is over.")
        if max(claims.iat, claims.nbf) > now_s + CLOCK_SKEW_SECONDS_MAX:
            raise unauthorized("token_not_yet_valid", "The token was issued in the future.")
        if claims.exp - claims.iat > TOKEN_LIFE_SECONDS_MAX:
            detail = f"A token lives {TOKEN_LIFE_SECONDS_MAX} seconds at most."
            raise unauthorized("token_life", detail)


def _signing_key(token: str) -> bytes:
    """Return the public key that a token's header names, 33 bytes."""
    if len(token) > TOKEN_CHARACTERS_MAX:
        detail = f"A token has {TOKEN_CHARACTERS_MAX} characters at most."
        raise unauthorized("token_malformed", detail)
    malformed = unauthorized("token_malformed", "The token is no JSON Web Token.")
    if _COMPACT.fullmatch(token) is None:
        raise malformed
    try:
        header = jwt.get_unverified_header(token)
    except jwt.PyJWTError:
        raise malformed from None
    if header.get("alg") != ALGORITHM:
        raise unauthorized("token_algorithm", f"Tokens are signed with {ALGORITHM}.")
    kid = header.get("kid")
    try:
        key = bytes.fromhex(kid) if isinstance(kid, str) else b""
    except ValueError:
        key = b""
    if len(key) != PUBLIC_KEY_BYTES or key[0] != SCHEME_ED25519 or key.hex() != kid:
        detail = f"kid is the {PUBLIC_KEY_BYTES} bytes of the signing key in lower-case hex."
        raise unauthorized("token_key_malformed", detail)
    return key


def _verified_claims(token: str, public_key: bytes) -> _Claims:
    """Return the claims of a token whose signature holds."""
    try:
        key = Ed25519PublicKey.from_public_bytes(public_key[1:])
        payload = _SIGNATURES.decode(token, key, algorithms=[ALGORITHM])
    except (jwt.PyJWTError, ValueError):
        raise unauthorized("token_signature", "The token's signature does not hold.") from None
    try:
        return _Claims.model_validate(read_json(payload))
    except (ValidationError, Problem):
        detail = "A token carries iss, sub, aud, jti as text and iat, exp as whole seconds."
        raise unauthorized("token_claims", detail) from None


def _principal(claims: _Claims, public_key: bytes, view: ChainView) -> Principal:
    kind, member = _standing(claims.sub, public_key, view)
    is_account = kind is PrincipalKind.ACCOUNT
    return Principal(
        kind=kind,
        subject=claims.sub,
        member=member,
        account=AccountId(decode_account_id(claims.sub)) if is_account else None,
        public_key=public_key,
        expires_s=claims.exp,
    )


def _standing(subject: str, public_key: bytes, view: ChainView) -> tuple[PrincipalKind, MemberId]:
    """Return what a key may claim to be at the head, and whose member it belongs to.

    Raises:
        Problem: 401; the same for an unknown subject as for a foreign key, so that a token tells
            nothing about who exists.
    """
    refusal = unauthorized("token_key_unknown", "The key does not belong to the subject.")
    try:
        name = member_id(subject)
    except DecodeError:
        return PrincipalKind.ACCOUNT, _account_member(subject, public_key, view, refusal)
    member: Member | None = view.record(member_key(name))
    if member is None or public_key not in member.officers.keys:
        raise refusal
    is_regulator = member.has_role(Role.REGULATOR)
    return PrincipalKind.REGULATOR if is_regulator else PrincipalKind.MEMBER, name


def _account_member(subject: str, public_key: bytes, view: ChainView, refusal: Problem) -> MemberId:
    try:
        account = view.account(AccountId(decode_account_id(subject)), At.HEAD)
    except DecodeError:
        raise refusal from None
    if account is None or public_key not in account.keys.keys:
        raise refusal
    return account.member
