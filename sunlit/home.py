"""Homes, as networks are made in them: one home holds the keys of one network at a time.

A development network's keys are worth nothing, but they are never deleted: when another network
moves in, they are set aside under ``<home>/former/<chain id>``, and come back with their network.
"""

from __future__ import annotations

import re
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from sunlit.errors import HomeTaken
from wallet.files import make_private_directory, write_private
from wallet.keystore import Keystore
from wallet.profile import Profile, load_profile, profile_path, save_profile

_DEVELOPMENT_CHAIN = re.compile(r"dev-[0-9a-f]{8}", re.ASCII)

CHAIN_ID_BYTES: Final = 4
PASSPHRASE_BYTES: Final = 16
"""Randomness in a passphrase that nobody chose, bytes."""

_NETWORK_FILES: Final = ("keystore.json", "keystore", "outbox", "network.json")
"""What in a home belongs to one network; the profile last, because it says to which."""


def generate_chain_id() -> str:
    """Return the id of a new development network; no two share one, so no token fits both."""
    return f"dev-{secrets.token_hex(CHAIN_ID_BYTES)}"


def claim_home(home: Path, chain_id: str) -> str | None:
    """Make room in a home for a development network's keys, or bring its own back.

    Returns the chain id of the network whose keys were set aside, None if there were none.

    Raises:
        HomeTaken: ``home_taken``; it holds keys that are not a development network's.
    """
    resident = resident_chain(home)
    if resident == chain_id:
        return None
    if resident is not None:
        if not _DEVELOPMENT_CHAIN.fullmatch(resident):
            detail = f"{home} holds keys of {resident}; choose another with --home"
            raise HomeTaken("home_taken", detail, home=home, chain_id=resident)
        _move(home, _former(home, resident))
    _move(_former(home, chain_id), home)
    return resident


@contextmanager
def claimed_home(home: Path, chain_id: str) -> Iterator[str | None]:
    """Claim a home for a new network that is made meanwhile; if that fails, the home is as it was.

    Gives the chain id of the network whose keys were set aside, None if there were none.

    Raises:
        HomeTaken: ``home_taken``; it holds keys that are not a development network's.
    """
    former = claim_home(home, chain_id)
    try:
        yield former
    except BaseException:
        for name in _NETWORK_FILES:
            remove(home / name)
        if former is not None:
            _move(_former(home, former), home)
            with suppress(OSError):  # others' keys are there
                _former(home, former).rmdir()
                _former(home, former).parent.rmdir()
        raise


def remove(path: Path) -> None:
    """Remove a file, or a directory with all that is in it, if it is there."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def resident_chain(home: Path) -> str | None:
    """Return the id of the chain whose keys a home holds, None if it holds none.

    Raises:
        HomeTaken: ``home_taken``; it holds keys, but does not say of which chain.
    """
    if profile_path(home).exists():
        return load_profile(home).chain_id
    if Keystore(home, passphrase=str).exists:
        detail = f"{home} holds keys of a network it does not name; choose another with --home"
        raise HomeTaken("home_taken", detail, home=home)
    return None


def save_own_profile(home: Path, profile: Profile) -> None:
    """Write the profile of a network into a home that has none, or that of the same network.

    Raises:
        HomeTaken: ``home_taken``; the home is of another network.
    """
    check_own_profile(home, profile)
    save_profile(home, profile)


def check_own_profile(home: Path, profile: Profile) -> None:
    """Check that a home has no profile, or that of the same network.

    Raises:
        HomeTaken: ``home_taken``; the home is of another network.
    """
    if profile_path(home).exists():
        resident = load_profile(home)
        if resident.genesis_hash != profile.genesis_hash:
            detail = f"{home} is of the network {resident.chain_id}; choose another with --home"
            raise HomeTaken("home_taken", detail, home=home, chain_id=resident.chain_id)


def choose_passphrase(home: Path) -> Path | None:
    """Write a random passphrase, 0600, into a home that has none; return the file if it is new."""
    file = home / "passphrase"
    try:
        write_private(file, f"{secrets.token_hex(PASSPHRASE_BYTES)}\n".encode(), replace=False)
    except FileExistsError:
        return None
    return file


def _former(home: Path, chain_id: str) -> Path:
    return home / "former" / chain_id


def _move(source: Path, destination: Path) -> None:
    for name in _NETWORK_FILES:
        if (source / name).exists():
            make_private_directory(destination)
            (source / name).rename(destination / name)
