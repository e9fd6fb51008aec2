"""What the documents name is there, and what they tell to run runs."""

from __future__ import annotations

import importlib.util
import json
import re
import shlex
import shutil
from pathlib import Path

import pytest
from fake_study import make_study

import babelscope
from babelscope import cli
from babelscope.data import atlas

ROOT = Path(__file__).resolve().parent.parent
DOCS = ROOT / "docs"
DOCUMENTS = sorted([*ROOT.glob("*.md"), *DOCS.rglob("*.md")])
STUDIES = sorted([*(ROOT / "src/babelscope/study/studies").glob("*.toml"), *DOCS.rglob("*.toml")])
COMMANDED = [*DOCUMENTS, *STUDIES]

PARSED = {
    r"bloomz": "needs a model of the Hub",
    r"FOLDER|xnli/|PUD/": "needs files that the project does not ship, or takes half an hour",
    r"^babelscope demo\b": "takes minutes; test_study_run.py runs a smaller study whole",
    r"which-language\.toml --out": "takes a minute; `make docs` runs it and shows what it prints",
    r"^make ": "makes an environment, and runs these tests themselves",
}
"""Commands that are parsed but not run, by a pattern, and why."""

EXAMPLES = {"MODEL": "mini", "ID": "capital", "A": "first-study", "B": "second-study"}
"""What stands for the words that a reader fills in."""


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda p: p.name)
def test_links_lead_somewhere(path: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)[^)]*\)", path.read_text(encoding="utf-8")):
        if "://" not in target:
            assert (path.parent / target).exists(), target


def commands(path: Path) -> list[str]:
    """Return the commands of a document in order: indented, behind a prompt, or in backticks."""
    text = path.read_text(encoding="utf-8")
    known = r"babelscope (?!answers\b)|python -m babelscope\S* |make \w"
    found = re.finditer(
        rf"^(?:    |#     |\$ )?((?:{known}).+)$|`((?:{known})[^`]+)`", text, re.MULTILINE
    )
    return [m[1] or m[2] for m in found]


OWN_EXAMPLES = {
    line.strip().removeprefix("Example: ")
    for name in ("align", "probe", "classify")
    for line in cli.app[name].help.splitlines()
    if line.strip().startswith("Example: ")
}


def words_of(command: str) -> list[str]:
    return shlex.split(command, comments=True)


def why_not_run(command: str) -> str:
    """Return why a command is parsed only; empty if it is to be run."""
    if command in OWN_EXAMPLES:
        return "the command's own example, word for word: test_cli.py runs it"
    return next((why for pattern, why in PARSED.items() if re.search(pattern, command)), "")


def test_the_documents_hold_the_commands_that_they_are_known_to_hold() -> None:
    found = {path.name: commands(path) for path in COMMANDED}
    assert len(found["README.md"]) >= 5
    assert len(found["lens.md"]) >= 5
    assert len(found["language-map.md"]) >= 3
    assert len(found["start.md"]) >= 5
    assert len(found["which-language.md"]) >= 5
    assert len(found["repeat-the-paper.md"]) >= 7


@pytest.mark.parametrize("path", COMMANDED, ids=lambda p: p.name)
def test_every_command_of_a_document_is_one(path: Path) -> None:
    for command in commands(path):
        words = words_of(command)
        if words[0] == "babelscope":
            cli.app.parse_args(words[1:], exit_on_error=False, print_error=False)
        elif words[0] == "make":
            makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
            assert re.search(rf"^{words[1]}:", makefile, re.MULTILINE), command
        else:
            assert words[:2] == ["python", "-m"]
            assert importlib.util.find_spec(words[2]), command


@pytest.mark.parametrize(
    "path",
    [p for p in COMMANDED if any(not why_not_run(c) for c in commands(p))],
    ids=lambda p: p.name,
)
def test_every_command_of_a_document_runs(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    _lay_out(tmp_path)
    monkeypatch.chdir(tmp_path)
    if path.parent.name == "tutorials":  # what lays out the files that its commands name
        for code in python_blocks(path):
            exec(compile(code, path.name, "exec"), {})
        capsys.readouterr()
    for command in commands(path):
        if not why_not_run(command):
            words = [EXAMPLES.get(word, word) for word in words_of(command)[1:]]
            status = cli.main(words)
            out, err = capsys.readouterr()
            assert (status, err) == (0, ""), command
            assert out, command


def _lay_out(folder: Path) -> None:
    """Write the files that the documents' commands name."""
    (folder / "studies").symlink_to(ROOT / "src/babelscope/study/studies")
    for name in ("texts", "more"):
        (folder / name).mkdir()
        for code in ("eng_Latn", "ory_Orya"):
            lines = "\n".join(atlas.sentences(code)[:40])
            (folder / name / f"{code}.txt").write_text(lines, encoding="utf-8")
    for study in DOCS.rglob("*.toml"):
        shutil.copy(study, folder)
    for name in ("demo-study", "first-study", "second-study", "annotate", "runs/bloomz"):
        make_study(folder / name, targets=("ory_Orya", "eng_Latn"))
    row = {"id": EXAMPLES["ID"], "prompt": "Q: What is the currency of India?\nA:"}
    (folder / "prompts.jsonl").write_text(json.dumps(row), encoding="utf-8")
    # two saved steps, a language of prompts, two depths, two languages; the authors' running
    # average of 150 prompts began at zero, so that masses sum to a little less than 1
    whole = 1 - (29 / 30) ** 150
    shares = {(0, 0): 0.6, (0, 1): 0.5, (10, 0): 0.3, (10, 1): 0.2}
    lines = ["step,prompt_language,layer,en,or"]
    for (step, depth), english in shares.items():
        lines.append(f"{step},or,{depth},{whole * english:.9f},{whole * (1 - english):.9f}")
    (folder / "lens.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")


def python_blocks(path: Path) -> list[str]:
    """Return the fenced Python of a document."""
    text = path.read_text(encoding="utf-8")
    return re.findall(r"^```python\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


def test_the_names_that_documents_take_from_the_package_are_public() -> None:
    found = {p.name: set(re.findall(r"\bbs\.(\w+)", p.read_text("utf-8"))) for p in DOCUMENTS}
    assert found["README.md"]
    assert found["which-language.md"]
    for name, names in found.items():
        assert names <= set(babelscope.__all__), name


@pytest.mark.parametrize("path", [p for p in DOCUMENTS if python_blocks(p)], ids=lambda p: p.name)
def test_the_python_of_a_document_runs(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _lay_out(tmp_path)
    monkeypatch.chdir(tmp_path)
    if path.name == "lens.md":  # what its sentence before the block makes
        [command] = [c for c in commands(path) if "map-languages" in c]
        assert cli.main(words_of(command)[1:]) == 0
    for code in python_blocks(path):
        exec(compile(code, path.name, "exec"), {"__name__": path.name})
