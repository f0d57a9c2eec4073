"""The network profile of a home."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ledger.hashing import BlockHash
from ledger.identity import MemberId
from wallet.errors import ProfileError
from wallet.profile import (
    Profile,
    ProfileNode,
    home_directory,
    load_profile,
    profile_path,
    save_profile,
)

BANK1, BANK2 = MemberId("bank1"), MemberId("bank2")
PROFILE = Profile(
    chain_id="test",
    genesis_hash=BlockHash(bytes(range(32))),
    nodes=(
        ProfileNode(name="a", member=BANK1, api="http://127.0.0.1:1"),
        ProfileNode(name="b", member=BANK1, api="https://bank1.example:8443"),
    ),
)


def test_a_profile_reads_back_as_itself(home: Path) -> None:
    """What is saved is what is loaded, and saving again replaces it."""
    save_profile(home, PROFILE)
    save_profile(home, PROFILE)
    assert load_profile(home) == PROFILE


def test_nodes_are_found_by_member_and_by_url() -> None:
    """The first node of a member is its default; a URL may end with a slash."""
    assert PROFILE.node_of(BANK1).name == "a"
    found = PROFILE.node_at("https://bank1.example:8443/")
    assert found is not None
    assert found.name == "b"
    assert PROFILE.node_at("https://other.example") is None
    with pytest.raises(ProfileError, match="unknown_node"):
        PROFILE.node_of(BANK2)


def test_a_missing_profile_says_what_to_do(home: Path) -> None:
    """The error names the file."""
    with pytest.raises(ProfileError) as caught:
        load_profile(home)
    assert caught.value.code == "no_profile"
    assert str(profile_path(home)) in caught.value.detail


@pytest.mark.parametrize(
    "change",
    [
        {"genesis_hash": "00"},
        {"chain_id": ""},
        {"nodes": [{"name": "a", "member": "bank1", "api": "ftp://x"}]},
        {"nodes": [{"name": "a", "member": "bank1", "api": "http://user@host"}]},
        {"nodes": [{"name": "a", "member": "bank1", "api": "http://host/path"}]},
        {"nodes": [{"name": "a", "member": "Bank 1", "api": "http://host"}]},
        {"surplus": 1},
    ],
)
def test_a_wrong_profile_names_its_field(home: Path, change: dict[str, object]) -> None:
    """Nothing is guessed: an unknown field or a malformed value is an error."""
    save_profile(home, PROFILE)
    document = json.loads(profile_path(home).read_text()) | change
    profile_path(home).write_text(json.dumps(document))
    with pytest.raises(ProfileError, match="bad_profile"):
        load_profile(home)


def test_the_home_is_the_option_or_the_variable_or_the_default() -> None:
    """The nearer choice wins."""
    assert home_directory({"SUNLIT_HOME": "/a"}, "/b") == Path("/b")
    assert home_directory({"SUNLIT_HOME": "/a"}) == Path("/a")
    assert home_directory({}) == Path.home() / ".sunlit"
