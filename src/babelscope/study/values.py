"""Typed access to the tables of a study file; whatever is not asked for is an error."""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Mapping, Sequence
from typing import TypeVar

from babelscope.errors import SettingError

Kind = TypeVar("Kind")


class Table:
    """One table of a study file; remembers which keys were read, so that `done` can name others.

    Every method raises SettingError where a value is missing, of another type or out of range.
    """

    def __init__(self, name: str, values: object) -> None:
        """Wrap a parsed table; `name` is its dotted place in the file."""
        if not isinstance(values, Mapping):
            raise SettingError(name, expected="a table", found=repr(values))
        self._name = name
        self._values = values
        self._read: set[str] = set()

    def names(self) -> tuple[str, ...]:
        """Return the keys in the order of the file."""
        return tuple(self._values)

    def take(self, key: str) -> object:
        """Return a value as it stands (lists as tuples), or None."""
        self._read.add(key)
        value = self._values.get(key)
        return tuple(value) if isinstance(value, list) else value

    def table(self, key: str) -> Table:
        """Return an inner table; empty where there is none."""
        value = self.take(key)
        return Table(f"{self._name}.{key}", {} if value is None else value)

    def text(self, key: str, default: str | None = None) -> str:
        """Return a string."""
        return self._typed(key, str, "a string", default)

    def switch(self, key: str, default: bool) -> bool:
        """Return true or false."""
        return self._typed(key, bool, "true or false", default)

    def integer(self, key: str, default: int | None = None, *, low: int) -> int:
        """Return a whole number of at least `low`."""
        words = f"a whole number of at least {low}"
        value = self._typed(key, int, words, default)
        if isinstance(value, bool) or value < low:
            raise self._error(key, words, value)
        return value

    def choice(self, key: str, known: Sequence[str], default: str) -> str:
        """Return one of the known words."""
        value = self.text(key, default)
        if value not in known:
            raise self._error(key, " or ".join(known), value)
        return value

    def texts(self, key: str, default: Sequence[str] | None = None) -> tuple[str, ...]:
        """Return a list of strings."""
        value = self._typed(key, tuple, "a list of strings", None if default is None else default)
        if not all(isinstance(v, str) for v in value):
            raise self._error(key, "a list of strings", value)
        return tuple(value)

    def integers(self, key: str, default: tuple[int, ...], *, low: int) -> tuple[int, ...]:
        """Return a list of whole numbers, at least one."""
        value = self._typed(key, tuple, "a list of whole numbers", default)
        fine = all(isinstance(v, int) and not isinstance(v, bool) and v >= low for v in value)
        if not fine or not value:
            raise self._error(key, f"a list of whole numbers of at least {low}", value)
        return tuple(value)

    def pairs(self, key: str) -> tuple[tuple[str, str], ...]:
        """Return a list of pairs of strings; empty where there is none."""
        value = self._typed(key, tuple, "a list of pairs", ())
        found = []
        for pair in value:
            if not isinstance(pair, list) or len(pair) != 2 or not isinstance(pair[0], str):
                raise self._error(key, 'a list of pairs such as [["or", "bn"]]', value)
            found.append((pair[0], str(pair[1])))
        return tuple(found)

    def strings(self) -> dict[str, str]:
        """Return the whole table, every value a string."""
        return {key: self.text(key) for key in self.names()}

    def lists(self) -> dict[str, tuple[str, ...]]:
        """Return the whole table, every value a list of strings."""
        return {key: self.texts(key) for key in self.names()}

    def done(self) -> None:
        """Raise SettingError for a key that nobody asked for, naming the nearest known one."""
        for key in self._values:
            if key not in self._read:
                near = difflib.get_close_matches(key, sorted(self._read), n=1, cutoff=0.4)
                known = f"known: {', '.join(sorted(self._read))}"
                raise SettingError(
                    f"{self._name}, unknown key {key!r}",
                    remedy=f"did you mean {near[0]}?" if near else known,
                )

    def _typed(self, key: str, kind: type[Kind], words: str, default: object) -> Kind:
        value = self.take(key)
        value = default if value is None else value
        if not isinstance(value, kind):
            raise self._error(key, words, value)
        return value

    def _error(self, key: str, expected: str, value: object) -> SettingError:
        found = "nothing" if value is None else repr(value)
        return SettingError(f"{self._name}, {key}", expected=expected, found=found)


def filled(text: str, folders: Mapping[str, str]) -> str:
    """Put the folders of `[paths]` in; `{language}` stays for the reader of the data."""
    for name, folder in folders.items():
        text = text.replace(f"{{{name}}}", folder)
    return text


def setting_of(setting: str) -> tuple[str, object]:
    """Return the key and the value of `key=value`; a bare word is a string.

    Raises:
        SettingError: there is no `=`, or a part of the key is empty.
    """
    key, equals, text = setting.partition("=")
    if not equals or not all(part.strip() for part in key.split(".")):
        raise SettingError(f"--set {setting}", expected="key=value", found=setting)
    try:
        return key.strip(), tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return key.strip(), text
