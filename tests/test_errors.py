"""An error is one line: the object, what was expected, what was found, the remedy."""

from __future__ import annotations

import pickle

import pytest

from babelscope import errors


def test_the_parts_make_one_line() -> None:
    error = errors.DataError("file x", expected="JSON", found="line\nbreak", remedy="mend it")
    assert str(error) == "file x: expected JSON, found line break; mend it"
    assert str(errors.DataError("file x")) == "file x"
    assert str(errors.DataError("file x", remedy="mend it")) == "file x; mend it"


@pytest.mark.parametrize(
    "kind",
    [
        errors.SettingError,
        errors.LanguageError,
        errors.DataError,
        errors.ModelError,
        errors.AdapterError,
        errors.StoreError,
    ],
)
def test_every_kind_survives_a_trip_between_processes(kind: type[errors.BabelscopeError]) -> None:
    error = kind("what", expected="this", found="that", remedy="do")
    back = pickle.loads(pickle.dumps(error))
    assert type(back) is kind
    assert str(back) == str(error)
    assert issubclass(kind, errors.BabelscopeError)
