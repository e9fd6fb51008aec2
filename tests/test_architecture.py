"""The layers are a test: imports go one way, torch stays where it belongs."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import babelscope

ROOT = Path(babelscope.__file__).parent

LAYERS = (
    "controls",
    "errors",
    "records",
    "identity",
    "reading",
    "store",
    "portable",
    "languages",
    "data",
    "models",
    "adapt",
    "infer",
    "measure",
    "study",
    "mini",
    "report",
    "progress",
    "cli",
)
"""A module may import only from its own layer and from those to its left."""

TORCH_LAYERS = {"models", "adapt", "infer", "mini"}
TORCH_PACKAGES = {"torch", "transformers", "peft", "accelerate"}

MODULES = sorted(p for p in ROOT.rglob("*.py") if p != ROOT / "__init__.py")


def layer_of(path: Path) -> str:
    return path.relative_to(ROOT).parts[0].removesuffix(".py")


def imports(path: Path) -> list[tuple[int, str]]:
    """List (line, dotted name) of all imports of a module, those inside functions included."""
    found = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found += [(node.lineno, alias.name) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno}: relative import"
            found += [(node.lineno, f"{node.module}.{alias.name}") for alias in node.names]
    return found


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(ROOT)))
def test_imports_point_left(path: Path) -> None:
    own = LAYERS.index(layer_of(path))
    wrong = []
    for line, name in imports(path):
        parts = name.split(".")
        if parts[0] != "babelscope" or len(parts) < 2:
            continue
        if LAYERS.index(parts[1]) > own:
            wrong.append(f"{path.relative_to(ROOT)}:{line} imports {name}")
    assert wrong == []


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(ROOT)))
def test_torch_is_imported_only_where_models_are(path: Path) -> None:
    if layer_of(path) in TORCH_LAYERS:
        return
    wrong = [n for _, n in imports(path) if n.split(".")[0] in TORCH_PACKAGES]
    assert wrong == []


def test_every_module_belongs_to_a_layer() -> None:
    assert {layer_of(p) for p in MODULES} == set(LAYERS)


@pytest.mark.parametrize(
    "statement",
    [
        "import babelscope",
        "import babelscope.cli",
        "import babelscope.study.plan",
        "import babelscope.study.scoring",
        "import babelscope.report.page",
    ],
)
def test_torch_stays_unloaded(statement: str) -> None:
    code = f"import sys; {statement}; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_the_public_names_are_those_of_all() -> None:
    public = {name for name in dir(babelscope) if not name.startswith("_")}
    assert set(babelscope.__all__) <= public
    for name in babelscope.__all__:
        assert getattr(babelscope, name).__doc__
