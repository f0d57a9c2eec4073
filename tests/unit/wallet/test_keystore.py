"""The encrypted keystore: what it keeps, and what it refuses."""

from __future__ import annotations

import json
import stat
from pathlib import Path
from typing import Any

import pytest

from ledger.identity import AccountId, MemberId
from ledger.keys import verify
from tests.factories import make_account_id, make_signer
from tests.unit.wallet.conftest import PASSPHRASE, seed_of
from wallet import encryption
from wallet.errors import KeystoreError
from wallet.keystore import KeyRole, Keystore, generate_seed, public_key_of

BANK1 = MemberId("bank1")
ALICE = make_signer("alice")
ACCOUNT = make_account_id("alice")


def open_store(home: Path, passphrase: str = PASSPHRASE) -> Keystore:
    """Return the keystore of a home as a new process sees it."""
    return Keystore(home, passphrase=lambda: passphrase)


@pytest.fixture
def store(home: Path) -> Keystore:
    """Return a keystore with one account key, alice."""
    keystore = open_store(home)
    keystore.add_account("alice", seed=seed_of(ALICE), member=BANK1, account=ACCOUNT)
    return keystore


def edit(path: Path, **changes: Any) -> None:
    """Change fields of a JSON file in place."""
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def test_a_key_signs_after_a_restart(store: Keystore, home: Path) -> None:
    """What is read back by another process signs for the same public key."""
    key = open_store(home).signing_key("alice")
    assert key.entry.public_key == ALICE.public_key
    assert (key.entry.role, key.entry.account) == (KeyRole.ACCOUNT, ACCOUNT)
    assert verify(ALICE.public_key, key.sign(b"message"), b"message")


def test_public_fields_need_no_passphrase(store: Keystore, home: Path) -> None:
    """Listing asks nothing; the officer's entry has no account."""

    def nobody() -> str:
        raise AssertionError("nobody is asked")

    seed = generate_seed()
    store.add_officer("maker", seed=seed, member=BANK1, node="http://127.0.0.1:1")
    entries = Keystore(home, passphrase=nobody).entries()
    assert [entry.name for entry in entries] == ["alice", "maker"]
    assert (entries[1].account, entries[1].public_key) == (None, public_key_of(seed))


def test_the_passphrase_is_asked_for_once(home: Path) -> None:
    """Many keys cost one derivation, so that a payment does not cost seconds."""
    asked: list[str] = []

    def ask() -> str:
        asked.append(PASSPHRASE)
        return PASSPHRASE

    keystore = Keystore(home, passphrase=ask)
    for name in ("a", "b", "c"):
        keystore.add_account(name, seed=generate_seed(), member=BANK1)
        keystore.signing_key(name)
    assert len(asked) == 1


def test_a_wrong_passphrase_is_a_typed_error(store: Keystore, home: Path) -> None:
    """The store opens with its own passphrase only, for reading and for adding."""
    with pytest.raises(KeystoreError, match="wrong_passphrase"):
        open_store(home, "wrong").signing_key("alice")
    with pytest.raises(KeystoreError, match="wrong_passphrase"):
        open_store(home, "wrong").add_officer("x", seed=generate_seed(), member=BANK1)


def test_an_empty_passphrase_is_refused(home: Path) -> None:
    """A keystore is never made without protection."""
    with pytest.raises(KeystoreError, match="bad_passphrase"):
        open_store(home, "").add_officer("x", seed=generate_seed(), member=BANK1)


def test_keyboards_do_not_matter(home: Path) -> None:
    """A letter with its accent is the same passphrase, composed or decomposed (RFC 8265)."""
    open_store(home, "caf\u00e9").add_officer("x", seed=generate_seed(), member=BANK1)
    assert open_store(home, "cafe\u0301").signing_key("x").entry.name == "x"


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o644])
@pytest.mark.parametrize("file", ["keystore/alice.json", "keystore.json"])
def test_an_exposed_key_file_is_refused_threat_58(
    store: Keystore, home: Path, file: str, mode: int
) -> None:
    """A key file that others may read or write is not used until that is mended."""
    (home / file).chmod(mode)
    with pytest.raises(KeystoreError) as caught:
        open_store(home).signing_key("alice")
    assert (caught.value.code, caught.value.fields["mode"]) == ("file_exposed", mode)


def test_files_are_for_the_owner_alone_threat_58(store: Keystore, home: Path) -> None:
    """Keys are written 0600 in directories of 0700."""
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in home.rglob("*")}
    assert modes == {"keystore": 0o700, "keystore.json": 0o600, "alice.json": 0o600}
    assert stat.S_IMODE(home.stat().st_mode) == 0o700


def test_the_derivation_is_costly_threat_59(store: Keystore, home: Path) -> None:
    """The passphrase is stretched by Argon2id with 64 MiB and three passes at least."""
    document = json.loads((home / "keystore.json").read_text())
    assert document["kdf"] == "argon2id"
    assert document["memory_kib"] >= 64 * 1024
    assert document["passes"] >= 3


@pytest.mark.parametrize(
    "change",
    [{"memory_kib": 8}, {"passes": 1}, {"memory_kib": 2**40}, {"lanes": 2**20}, {"kdf": "md5"}],
)
def test_a_forged_derivation_is_refused_threat_59(
    store: Keystore, home: Path, change: dict[str, Any]
) -> None:
    """Neither a cheap derivation nor one that eats the machine is taken from a file."""
    edit(home / "keystore.json", **change)
    with pytest.raises(KeystoreError, match="keystore_damaged"):
        open_store(home).signing_key("alice")


@pytest.mark.parametrize(
    "change",
    [
        {"member": "bank2"},
        {"role": "officer"},
        {"account": None},
        {"node": "http://evil.example"},
        {"public_key": make_signer("eve").public_key.hex()},
        {"secret": "00" * 60},
        {"name": "bob"},
        {"account": "sun1qqq"},
        {"surplus": 1},
    ],
)
def test_a_changed_entry_is_refused(store: Keystore, home: Path, change: dict[str, Any]) -> None:
    """The secret is bound to its public fields: none can be changed under it."""
    edit(home / "keystore/alice.json", **change)
    with pytest.raises(KeystoreError, match="keystore_damaged"):
        open_store(home).signing_key("alice")


def test_an_entry_moved_to_another_name_is_refused(store: Keystore, home: Path) -> None:
    """Renaming a file does not rename a key."""
    (home / "keystore/alice.json").rename(home / "keystore/bob.json")
    with pytest.raises(KeystoreError, match="keystore_damaged"):
        open_store(home).signing_key("bob")


def test_a_missing_store_file_is_named(store: Keystore, home: Path) -> None:
    """Without its data key no entry opens, and no new store is made over it."""
    (home / "keystore.json").unlink()
    with pytest.raises(KeystoreError, match="keystore_damaged"):
        open_store(home).signing_key("alice")
    assert not (home / "keystore.json").exists()


@pytest.mark.parametrize(
    "name", ["", "../x", "a/b", "A", ".hidden", "x" * 65, "sun1abc", "é", "a.b"]
)
def test_names_cannot_leave_the_keystore_threat_70(store: Keystore, name: str) -> None:
    """A name is a plain word, so that it names a file of the keystore and nothing else."""
    with pytest.raises(KeystoreError, match="bad_key_name"):
        store.add_officer(name, seed=generate_seed(), member=BANK1)


def test_a_key_is_never_overwritten(store: Keystore) -> None:
    """A second key under a name is refused; the first stays."""
    with pytest.raises(KeystoreError, match="key_exists"):
        store.add_officer("alice", seed=generate_seed(), member=BANK1)
    assert store.signing_key("alice").entry.public_key == ALICE.public_key


def test_unknown_keys_and_bad_seeds_are_typed_errors(store: Keystore) -> None:
    """A missing name and a seed of another size have codes."""
    with pytest.raises(KeystoreError, match="unknown_key"):
        store.signing_key("bob")
    with pytest.raises(KeystoreError, match="bad_seed"):
        store.add_officer("x", seed=b"short", member=BANK1)


def test_an_account_is_named_later(store: Keystore, home: Path) -> None:
    """A key made before its account learns the id; an officer's key has none to learn."""
    store.add_account("dave", seed=generate_seed(), member=BANK1)
    account = AccountId(bytes(20))
    store.set_account("dave", account)
    assert open_store(home).signing_key("dave").entry.account == account
    store.add_officer("maker", seed=generate_seed(), member=BANK1)
    with pytest.raises(KeystoreError, match="not_an_account"):
        store.set_account("maker", account)


def test_a_new_passphrase_keeps_every_key(store: Keystore, home: Path) -> None:
    """Changing the passphrase rewrites one file; the old one opens nothing any more."""
    before = (home / "keystore/alice.json").read_bytes()
    store.change_passphrase("another")
    assert (home / "keystore/alice.json").read_bytes() == before
    assert open_store(home, "another").signing_key("alice").entry.account == ACCOUNT
    with pytest.raises(KeystoreError, match="wrong_passphrase"):
        open_store(home).signing_key("alice")


def test_secrets_show_in_no_representation_threat_60(store: Keystore, home: Path) -> None:
    """Neither an object's text nor a file holds a secret in clear."""
    seed = seed_of(ALICE)
    shown = repr(store.signing_key("alice"))
    files = b"".join(path.read_bytes() for path in home.rglob("*.json"))
    assert seed.hex() not in shown
    assert seed.hex().encode() not in files
    assert seed not in files


def test_two_encryptions_of_one_secret_differ() -> None:
    """Every nonce is new."""
    key = bytes(32)
    first, second = (encryption.encrypt(key, b"secret", bound_to=b"") for _ in range(2))
    assert first != second
    assert encryption.decrypt(key, first, bound_to=b"") == b"secret"
