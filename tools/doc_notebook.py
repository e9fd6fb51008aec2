"""Execute a notebook and write it as Markdown with its outputs."""

from __future__ import annotations

import base64
import json
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nbformat
from nbclient import NotebookClient
from traitlets.config import Config

from babelscope.identity import digest

SOURCES = Path(__file__).resolve().parent.parent / "src"
TIMEOUT_S = 240


def executed(notebook: Path) -> Any:
    """Return a notebook with its outputs, as nbformat's node; an error in a cell is one here."""
    node = nbformat.read(notebook, as_version=4)
    with tempfile.TemporaryDirectory() as folder:  # a socket's path must be short
        kernel = {"transport": "ipc", "connection_file": f"{folder}/kernel.json"}
        local = Config({"KernelManager": kernel})
        NotebookClient(node, timeout=TIMEOUT_S, kernel_name="python3", config=local).execute()
    return node


def notebook_markdown(notebook: Path, kept: Path, pictures: Path) -> str:
    """Return an executed notebook as Markdown; its pictures go to a folder.

    A notebook is executed once for the same cells and the same package, and kept.
    """
    code = {str(p): p.read_text(encoding="utf-8") for p in sorted(SOURCES.rglob("*.py"))}
    key = digest([notebook.read_text(encoding="utf-8"), code])
    path = kept / f"{notebook.stem}-{key}.ipynb"
    if not path.exists():
        kept.mkdir(parents=True, exist_ok=True)
        path.write_text(nbformat.writes(executed(notebook)), encoding="utf-8")
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    parts = [
        p for n, cell in enumerate(cells) for p in _cell(cell, f"{notebook.stem}-{n}", pictures)
    ]
    return "\n\n".join(parts)


def _cell(cell: dict[str, Any], name: str, pictures: Path) -> Iterator[str]:
    source = "".join(cell["source"])
    if cell["cell_type"] == "markdown":
        # the page has the title
        yield "\n".join(line for line in source.splitlines() if not line.startswith("# "))
        return
    yield f"```python\n{source}\n```"
    told = [o for o in cell["outputs"] if o.get("name") != "stderr"]
    for number, output in enumerate(told):
        yield _output(output, f"{name}-{number}", pictures)


def _output(output: dict[str, Any], name: str, pictures: Path) -> str:
    data = output.get("data", {})
    if "image/svg+xml" in data:
        (pictures / f"{name}.svg").write_text("".join(data["image/svg+xml"]), encoding="utf-8")
        return f"![What the cell above draws]({name}.svg){{ .figure }}"
    if "image/png" in data:
        (pictures / f"{name}.png").write_bytes(base64.b64decode(data["image/png"]))
        return f"![What the cell above draws]({name}.png){{ .figure }}"
    text = "".join(data.get("text/plain", output.get("text", "")))
    return f"```text\n{text.rstrip()}\n```"
