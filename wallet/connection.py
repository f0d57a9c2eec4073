"""From a key and a profile to a node that is known to be the right one.

The profile says which chain is ours. Before anything is signed for a node, it must show that
chain's genesis hash, and a node of the profile its member, because tokens are made out to it.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from ledger.identity import MemberId, member_id
from wallet.client import NodeClient
from wallet.errors import ApiError, InvalidRequest, ProfileError
from wallet.keystore import KeyEntry, SigningKey
from wallet.profile import Profile
from wallet.session import Json
from wallet.tokens import TokenSource


@dataclass(frozen=True, slots=True, kw_only=True)
class Connection:
    """A node of our chain and a client of it."""

    client: NodeClient
    """The client, with tokens of the key that was given."""
    member: MemberId
    """Member that runs the node."""
    status: Json
    """What the node said of itself when it was met."""

    @property
    def head_height(self) -> int:
        """Height of the node's head when it was met."""
        return int(self.status["head"]["height"])


def node_url(profile: Profile, entry: KeyEntry | None, override: str | None) -> str:
    """Return the node to speak to: the given one, the key's own, its member's, or the first.

    Raises:
        ProfileError: ``unknown_node``.
    """
    if override is not None:
        return override
    if entry is not None:
        return entry.node or profile.node_of(entry.member).api
    if not profile.nodes:
        raise ProfileError("unknown_node", "the profile names no node; give one with --node URL")
    return profile.nodes[0].api


@asynccontextmanager
async def connect(
    profile: Profile, key: SigningKey | None = None, *, url: str | None = None
) -> AsyncIterator[Connection]:
    """Meet a node, check that it is of our chain, and speak to it as the key's holder.

    Args:
        profile: the network.
        key: who speaks; None for what is open to everyone.
        url: node to use instead of the key's own.

    Raises:
        InvalidRequest: ``wrong_chain``, ``wrong_node`` or ``plain_http``.
        NodeUnreachable: no answer.
    """
    chosen = node_url(profile, None if key is None else key.entry, url)
    known = profile.node_at(chosen)
    certificate = None if known is None else known.certificate
    async with NodeClient(chosen, certificate=certificate) as client:
        status = await client.status()
        member = _checked_member(profile, client.url, status)
        connection = Connection(client=client, member=member, status=status)
        if key is not None and not _is_unopened(key.entry):
            client.authenticate(token_source(profile, key, member))
        yield connection


def token_source(profile: Profile, key: SigningKey, member: MemberId) -> TokenSource:
    """Return tokens of a key for a member's node, by this machine's clock."""
    return TokenSource(key, chain_id=profile.chain_id, node_member=member, clock_s=time.time)


def _checked_member(profile: Profile, url: str, status: Json) -> MemberId:
    try:
        genesis_hash, member = status["genesis_hash"], member_id(status["member"])
        int(status["head"]["height"])
    except (KeyError, TypeError, ValueError):
        raise ApiError("bad_answer", f"{url} is no Sunlit node", status=200) from None
    if genesis_hash != profile.genesis_hash.hex():
        detail = f"{url} is on another chain than this home's {profile.chain_id}"
        raise InvalidRequest("wrong_chain", detail, url=url, genesis_hash=genesis_hash)
    known = profile.node_at(url)
    if known is not None and known.member != member:
        detail = f"{url} is {member}'s node, where the profile says {known.member}'s"
        raise InvalidRequest("wrong_node", detail, url=url, member=member)
    return member


def _is_unopened(entry: KeyEntry) -> bool:
    return entry.role == "account" and entry.account is None
