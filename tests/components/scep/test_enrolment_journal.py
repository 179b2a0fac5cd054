"""The journal of an enrolment on disk: whatever is in it comes back, and damage is told."""

from __future__ import annotations

import json
import tempfile
from datetime import UTC
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from components.scep.enrolment import Journal, JournalFile, Problem, Purpose, Request, SetAside, State, Trust

TEXT = st.text()
TEXTS = st.lists(TEXT, max_size=3).map(tuple)
NUMBERS = st.integers(0, 1000)
MOMENTS = st.datetimes(timezones=st.just(UTC))
TRUSTS = st.builds(Trust, TEXT, TEXT, TEXTS, TEXTS, TEXT, TEXT, st.booleans(), st.booleans(), rolled_over=st.booleans())
PROBLEMS = st.builds(
    Problem, st.sampled_from(State), TEXT, TEXT, TEXT, MOMENTS, st.none() | st.floats(0, 1e9) | st.integers(0, 10**9)
)
REQUESTS = st.builds(
    Request,
    TEXT,
    TEXT,
    st.none() | TEXT,
    TEXT,
    purpose=st.sampled_from(Purpose),
    form=NUMBERS,
    pending_since=st.none() | MOMENTS,
    polls=NUMBERS,
    polled=st.booleans(),
    begun_anew=st.booleans(),
    digest=TEXT,
    refused=st.none() | PROBLEMS,
    unanswered=st.none() | PROBLEMS,
    weaker=st.booleans(),
)
SET_ASIDE = st.builds(SetAside, st.none() | REQUESTS, st.none() | TRUSTS, st.none() | st.sampled_from(Purpose))
JOURNALS = st.builds(
    Journal,
    trust=st.none() | TRUSTS,
    staged=st.none() | TRUSTS,
    declined=st.none() | TRUSTS,
    declined_digest=TEXT,
    look_again=st.booleans(),
    successor_failures=NUMBERS,
    refused_when_due=st.booleans(),
    former=st.none() | TRUSTS,
    request=st.none() | REQUESTS,
    attempts=NUMBERS,
    next_attempt_at=st.none() | MOMENTS,
    problem=st.none() | PROBLEMS,
    digest=TEXT,
    warnings=TEXTS,
    ca_checked_at=st.none() | MOMENTS,
    ca_check=TEXT,
    asked=st.none() | st.sampled_from(Purpose),
    challenge_used=TEXT,
    challenge_used_at=st.none() | MOMENTS,
    asked_at=st.none() | MOMENTS,
    set_aside=st.none() | SET_ASIDE,
    gave_way_at=st.none() | MOMENTS,
)


@given(JOURNALS)
@settings(max_examples=50, deadline=None)
def test_a_journal_survives_its_file(journal: Journal) -> None:
    with tempfile.TemporaryDirectory() as directory:
        file = JournalFile(Path(directory), "a/../keystore")
        file.save(journal)
        assert file.load() == (journal, None)
        (saved,) = Path(directory).iterdir()
        assert saved.stat().st_mode & 0o777 == 0o600


@given(JOURNALS)
@settings(max_examples=20, deadline=None)
def test_what_a_later_release_says_more_is_left_out_of_account(journal: Journal) -> None:
    with tempfile.TemporaryDirectory() as directory:
        file = JournalFile(Path(directory), "keystore")
        file.save(journal)
        (saved,) = Path(directory).iterdir()
        saved.write_text(json.dumps(json.loads(saved.read_text("utf-8"), object_hook=lambda one: {**one, "new": 1})))
        assert file.load() == (journal, None)


def test_each_keystore_has_a_journal_of_its_own(tmp_path: Path) -> None:
    JournalFile(tmp_path, "one").save(Journal(attempts=1))
    assert JournalFile(tmp_path, "other").load() == (Journal(), None)


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"version": 99}', b'{"version": 1}', b"\xff\xfe", b"null"])
def test_a_damaged_journal_is_set_aside_and_told(tmp_path: Path, content: bytes) -> None:
    file = JournalFile(tmp_path, "K")
    (tmp_path / "K.json").write_bytes(content)
    journal, damage = file.load()
    assert journal == Journal()
    assert damage is not None
    assert (tmp_path / "K.damaged").read_bytes() == content
    file.save(Journal(attempts=1))
    assert file.load() == (Journal(attempts=1), None)
