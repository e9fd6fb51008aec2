"""The errors that babelscope raises, as one visible tree.

    BabelscopeError
    ├── SettingError      a value in a study file, an option or an argument
    ├── LanguageError     a language code
    ├── DataError         a data set, a record, a text
    ├── ModelError        a model or a tokenizer
    ├── AdapterError      a tuned adapter, or the base that it was made for
    └── StoreError        a file or folder that results are written to or read from

Each message is one line: the object, what was expected, what was found, and the remedy.
The command line prints it and exits with status 2; nothing that was finished is lost.
"""


class BabelscopeError(Exception):
    """A fault that the user can mend, told in one line."""

    def __init__(self, what: str, *, expected: str = "", found: str = "", remedy: str = "") -> None:
        """Join the parts to one line; empty parts are left out."""
        self.what = what
        self.expected = expected
        self.found = found
        self.remedy = remedy
        parts = [what]
        if expected:
            parts.append(f"expected {expected}")
        if found:
            parts.append(f"found {found}")
        line = ": ".join([parts[0], ", ".join(parts[1:])]) if len(parts) > 1 else what
        if remedy:
            line = f"{line}; {remedy}"
        super().__init__(" ".join(line.split()))

    def __reduce__(self) -> tuple[object, ...]:
        """Rebuild from the parts, so that an error survives a trip between processes."""
        return _rebuild, (type(self), self.what, self.expected, self.found, self.remedy)


def _rebuild(
    kind: type[BabelscopeError], what: str, expected: str, found: str, remedy: str
) -> BabelscopeError:
    return kind(what, expected=expected, found=found, remedy=remedy)


class SettingError(BabelscopeError):
    """A setting is out of range, unknown, or contradicts another."""


class LanguageError(BabelscopeError):
    """A language code is unknown or ambiguous."""


class DataError(BabelscopeError):
    """A data set cannot be read, or its records are not what the task needs."""


class ModelError(BabelscopeError):
    """A model or tokenizer cannot be loaded, or its parts cannot be proved."""


class AdapterError(BabelscopeError):
    """An adapter is missing, broken, or belongs to another base or renderer."""


class StoreError(BabelscopeError):
    """Results cannot be written or read."""
