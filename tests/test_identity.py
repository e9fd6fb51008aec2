"""Equal values have equal digests, different ones different digests, whatever their order."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from babelscope.errors import DataError
from babelscope.identity import digest, digest_files
from babelscope.records import Example

VALUES = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(),
        st.floats(allow_nan=False, allow_infinity=False),
        st.text(st.characters(codec="utf-8")),
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.dictionaries(st.text(st.characters(codec="utf-8")), inner, max_size=4),
    ),
    max_leaves=12,
)


@given(VALUES)
def test_a_digest_depends_on_the_value_alone(value: object) -> None:
    assert digest(value) == digest(value)
    assert len(digest(value)) == 32
    assert digest([value]) != digest(value)


@given(st.dictionaries(st.text(st.characters(codec="utf-8")), st.integers(), min_size=2))
def test_the_order_of_keys_does_not_matter(table: dict[str, int]) -> None:
    assert digest(table) == digest(dict(reversed(table.items())))


@pytest.mark.parametrize("field", ["id", "language", "context", "question", "context_id", "kind"])
def test_every_field_of_a_record_counts(field: str) -> None:
    example = Example("1", "eng_Latn", "a b", "b?", ("b",), "c", "k")
    assert digest(example) != digest(replace(example, **{field: "other"}))


def test_what_has_no_canonical_form_is_refused() -> None:
    @dataclass
    class Holder:
        inside: object

    with pytest.raises(TypeError, match="set"):
        digest(Holder({1, 2}))
    with pytest.raises(ValueError, match="JSON"):
        digest(float("nan"))


def test_files_count_by_name_and_content(tmp_path: Path) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    one.write_bytes(b"ab")
    two.write_bytes(b"c")
    before = digest_files([one, two])
    assert before == digest_files([two, one])
    one.write_bytes(b"a")
    two.write_bytes(b"bc")
    assert digest_files([one, two]) != before
    with pytest.raises(DataError, match="three"):
        digest_files([tmp_path / "three"])
