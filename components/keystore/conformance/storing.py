"""Reading, storing, deleting, and several changes as one commit."""
# ruff: noqa: S101, D102 - these are tests: they assert, and each one's rule says what.

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from components.keystore.conformance.making import KeystoreUnderTest, check_signature
from components.keystore.conformance.rules import rule
from components.keystore.conformance.samples import foreign_pair, issued_to, trusted, unmovable_pair
from components.keystore.entries import PrivateKeyEntry
from components.keystore.errors import AliasError, KeystoreError, UnsupportedOperationError

if TYPE_CHECKING:
    from components.keystore.contract import KeystoreService


class Storing(KeystoreUnderTest):
    """What any keystore does with entries."""

    @rule("get() of an alias that there is not is None, and aliases() does not tell of it")
    def test_an_unknown_alias_is_none(self, keystore: KeystoreService) -> None:
        assert keystore.get("no such alias") is None
        assert "no such alias" not in keystore.aliases()

    @rule("aliases() is a sorted tuple, and entries() and get() agree with it")
    def test_aliases_are_sorted_and_agree_with_the_entries(self, keystore: KeystoreService) -> None:
        if not keystore.capabilities.read_only:
            for alias in ("b", "a", "scep-cacerts_0", "Ä umlaut"):
                keystore.set(alias, trusted())
        aliases = keystore.aliases()
        assert isinstance(aliases, tuple)
        assert list(aliases) == sorted(aliases)
        assert tuple(keystore.entries()) == aliases
        for alias, entry in keystore.entries().items():
            assert keystore.get(alias) == entry

    @rule("what a call returned is a snapshot: a later commit does not change it")
    def test_what_was_returned_is_a_snapshot(self, writable: KeystoreService) -> None:
        writable.set("a", trusted())
        entries, aliases = writable.entries(), writable.aliases()
        writable.delete("a")
        assert (tuple(entries), aliases) == (("a",), ("a",))
        assert entries["a"] == trusted()

    @rule("a trusted certificate comes back as it was stored")
    def test_a_trusted_certificate_comes_back(self, writable: KeystoreService) -> None:
        writable.set("ca", trusted())
        assert writable.get("ca") == trusted()

    @rule("aliases are case-sensitive")
    def test_an_alias_is_case_sensitive(self, writable: KeystoreService) -> None:
        writable.set("ca", trusted())
        assert writable.get("CA") is None

    @rule("an entry takes the place of what was under its alias, whatever kind that was of")
    def test_setting_replaces(self, writable: KeystoreService, pair: PrivateKeyEntry) -> None:
        assert writable.get("pair") == pair
        writable.set("pair", trusted())
        assert writable.get("pair") == trusted()
        assert writable.aliases() == ("pair",)

    @rule("deleting an alias removes it, and deleting one that there is not is no error")
    def test_deleting_removes_and_deleting_nothing_is_no_error(self, writable: KeystoreService) -> None:
        writable.set("ca", trusted())
        writable.delete("ca")
        writable.delete("ca")
        writable.delete("never there")
        assert writable.aliases() == ()

    @pytest.mark.parametrize("alias", ["", "x" * 256, "tab\t", "escape\x1b[31m", "nul\x00"])
    @rule("an alias has 1 to 255 printable characters; others are refused with AliasError, and nothing is stored")
    def test_what_is_no_alias_is_refused(self, writable: KeystoreService, alias: str) -> None:
        with pytest.raises(AliasError):
            writable.set(alias, trusted())
        assert writable.aliases() == ()

    @rule(
        "a private key of elsewhere comes back with its chain, or is refused with UnsupportedOperationError if "
        "capabilities.stores_foreign_keys is False"
    )
    def test_a_foreign_key_comes_back_with_its_chain(self, writable: KeystoreService) -> None:
        entry = foreign_pair()
        if not writable.capabilities.stores_foreign_keys:
            with pytest.raises(UnsupportedOperationError):
                writable.set("foreign", entry)
            assert writable.get("foreign") is None
            return
        writable.set("foreign", entry)
        stored = writable.get("foreign")
        assert isinstance(stored, PrivateKeyEntry)
        assert stored.chain == entry.chain
        assert stored.key.public_key == entry.key.public_key

    @rule("a key that came from the keystore can be stored there again, also with another chain and alias")
    def test_an_own_key_can_be_stored_again_with_another_chain(
        self, writable: KeystoreService, pair: PrivateKeyEntry
    ) -> None:
        chain = (issued_to(pair.key.public_key), trusted().certificate)
        with writable.edit() as edit:
            edit.set("enrolled", PrivateKeyEntry(pair.key, chain))
            edit.delete("pair")
        stored = writable.get("enrolled")
        assert isinstance(stored, PrivateKeyEntry)
        assert stored.chain == chain
        assert writable.aliases() == ("enrolled",)
        check_signature(stored)

    @rule("an edit is one commit, made when its block ends: nothing of it is seen before, all of it after")
    def test_an_edit_is_committed_at_its_end(self, writable: KeystoreService) -> None:
        writable.set("old", trusted())
        with writable.edit() as edit:
            edit.delete("old")
            edit.set("new", trusted())
            edit.set("dropped", trusted())
            edit.delete("dropped")
            assert writable.aliases() == ("old",)
        assert writable.aliases() == ("new",)

    @rule("an edit whose block raises changes nothing")
    def test_an_edit_that_fails_changes_nothing(self, writable: KeystoreService) -> None:
        writable.set("old", trusted())
        edit = writable.edit()
        edit.delete("old")
        edit.set("new", trusted())
        with pytest.raises(LookupError), edit:
            raise LookupError
        assert writable.aliases() == ("old",)

    @rule("a commit makes all of its changes or none: where one is refused, the others are not made either")
    def test_a_commit_that_is_refused_changes_nothing(self, writable: KeystoreService) -> None:
        writable.set("old", trusted())
        try:
            with writable.edit() as edit:
                edit.set("a", trusted())
                edit.set("b", unmovable_pair())
                edit.delete("old")
        except UnsupportedOperationError:
            assert writable.aliases() == ("old",)
        else:
            assert writable.aliases() == ("a", "b")

    @rule("an edit is used once")
    def test_an_edit_is_used_once(self, writable: KeystoreService) -> None:
        with writable.edit() as edit:
            edit.set("a", trusted())
        with pytest.raises(KeystoreError):
            edit.set("b", trusted())
        assert writable.aliases() == ("a",)

    @rule("a read-only keystore refuses every change with UnsupportedOperationError")
    def test_a_read_only_keystore_refuses_changes(self, keystore: KeystoreService) -> None:
        if not keystore.capabilities.read_only:
            return
        before = keystore.aliases()
        with pytest.raises(UnsupportedOperationError):
            keystore.set("a", trusted())
        with pytest.raises(UnsupportedOperationError):
            keystore.delete("a")
        with pytest.raises(UnsupportedOperationError):
            keystore.commit({"a": trusted()})
        assert keystore.aliases() == before
