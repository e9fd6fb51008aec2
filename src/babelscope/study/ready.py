"""The study files that come with the package."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

from babelscope.errors import SettingError


def ready_study(name: str) -> Path:
    """Return the path of a study file of the package.

    Raises:
        SettingError: there is none of that name.
    """
    folder = Path(str(files("babelscope"))) / "study" / "studies"
    path = folder / f"{name}.toml"
    if not path.is_file():
        known = ", ".join(sorted(p.stem for p in folder.glob("*.toml")))
        raise SettingError(f"study {name!r}", expected=known, found="no such file")
    return path
