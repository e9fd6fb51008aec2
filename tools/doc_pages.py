"""Fill a page's places `<!-- make: WORDS -->` with what the build makes.

The words may be

    run                  run the code block above: commands (indented) or Python (fenced)
    output               the same, and show what it prints
    output A..B          of that, only the lines A to B: numbers, from the end below 0, or how a
                         line begins
    file PATH            the text of a file beside the page
    table STUDY NAME     a table of the report of a study that a page has run
    families KIND        the table of a kind of architectures, from benchmarks/families.tsv
    figure STUDY NAME    a figure of that report; the rest of the place is its text for readers
                         who do not see it
    commands, api        the command line's reference, the public names' reference
    notebook NAME        a notebook of docs/notebooks, executed
"""

from __future__ import annotations

import contextlib
import io
import re
import shlex
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from doc_families import families_markdown
from doc_notebook import notebook_markdown
from doc_reference import api_markdown, commands_markdown

from babelscope import cli
from babelscope.report.files import write_files

PLACE = re.compile(r"^<!-- make: (\w+) ?(.*?) ?-->$", re.MULTILINE)
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$|((?:^    [^\n]*\n)+)", re.MULTILINE | re.DOTALL)
STUDIES = "src/babelscope/study/studies"


@dataclass(frozen=True)
class Workshop:
    """Where a build works: the checkout, its docs, the pages being made, and a folder to run in."""

    root: Path
    docs: Path
    pages: Path
    work: Path
    drawn: set[str] = field(default_factory=set)

    def open(self) -> None:
        """Lay out what the pages' commands name; studies of earlier builds stay and go on."""
        self.work.mkdir(parents=True, exist_ok=True)
        link = self.work / "studies"
        if not link.exists():
            link.symlink_to(self.root / STUDIES)
        for study in self.docs.rglob("*.toml"):
            shutil.copy(study, self.work)

    def report(self, study: str) -> Path:
        """Return the report folder of a study, its figures and tables drawn once a build."""
        folder = self.work / study
        if study not in self.drawn:
            with _quiet():
                write_files(folder, None, "svg", "markdown")
            self.drawn.add(study)
        return folder / "report"


def fill_page(page: Path, workshop: Workshop) -> str:
    """Return a page's text with every place filled.

    Raises:
        RuntimeError: a place is unknown, or what it makes fails; the message names the page.
    """
    text = page.read_text(encoding="utf-8")
    names: dict[str, object] = {}
    made: list[str] = []
    start = 0
    for place in PLACE.finditer(text):
        made.append(text[start : place.start()])
        start = place.end()
        kind, words = place[1], place[2].split()
        try:
            if kind in ("run", "output"):
                told = _run(_block_above(text[: place.start()]), names, workshop)
                made.append(_shown(told, words) if kind == "output" else "")
            else:
                made.append(MAKERS[kind](words, page, workshop))
        except Exception as error:
            where = page.relative_to(workshop.pages)
            raise RuntimeError(f"{where}: {place[0]}: {error}") from error
    return "".join([*made, text[start:]])


def _block_above(text: str) -> tuple[str, str]:
    """Return language and code of the last code block; an indented one has no language."""
    *_, last = BLOCK.finditer(text)
    return (last[1], last[2]) if last[1] else ("", last[3])


def _run(block: tuple[str, str], names: dict[str, object], workshop: Workshop) -> str:
    language, code = block
    with _quiet() as told, contextlib.chdir(workshop.work):
        if language == "python":
            exec(compile(code, "a page's Python", "exec"), names)
        else:
            for line in _joined(code):
                words = shlex.split(line, comments=True)
                if words[0] != "babelscope" or cli.main(words[1:]) != 0:
                    raise RuntimeError(f"this does not run: {line}")
    return told.getvalue()


def _joined(code: str) -> Iterator[str]:
    """Yield the commands of an indented block; a line's end `\\` joins it with the next."""
    for line in code.replace("\\\n", " ").splitlines():
        if line.strip():
            yield line.strip()


@contextlib.contextmanager
def _quiet() -> Iterator[io.StringIO]:
    """Keep standard output, and drop the progress that goes to standard error."""
    told = io.StringIO()
    with contextlib.redirect_stdout(told), contextlib.redirect_stderr(io.StringIO()):
        yield told


def _shown(told: str, words: list[str]) -> str:
    lines = told.rstrip().splitlines()
    if not lines:
        raise RuntimeError("nothing was printed")
    if words:
        first, last = (_place(end, lines) for end in words[0].split(".."))
        lines = lines[first : last + 1]
    return _fenced("\n".join(lines), "text")


def _place(end: str, lines: list[str]) -> int:
    if re.fullmatch(r"-?\d+", end):
        return int(end) - 1 if int(end) > 0 else len(lines) + int(end)
    return next(n for n, line in enumerate(lines) if line.startswith(end))


def _fenced(text: str, language: str) -> str:
    return f"```{language}\n{text.rstrip()}\n```"


def _file(words: list[str], page: Path, workshop: Workshop) -> str:
    path = workshop.docs / page.parent.relative_to(workshop.pages) / words[0]
    return _fenced(path.read_text(encoding="utf-8"), path.suffix.removeprefix("."))


def _table(words: list[str], page: Path, workshop: Workshop) -> str:
    study, name = words
    return (workshop.report(study) / "tables" / f"{name}.md").read_text(encoding="utf-8").rstrip()


def _figure(words: list[str], page: Path, workshop: Workshop) -> str:
    study, name, *told = words
    if not told:
        raise RuntimeError("a figure needs a text for readers who do not see it")
    picture = f"{study}-{name}.svg"
    shutil.copy(workshop.report(study) / "figures" / f"{name}.svg", page.parent / picture)
    return f"![{' '.join(told)}]({picture}){{ .figure }}"


def _notebook(words: list[str], page: Path, workshop: Workshop) -> str:
    notebook = workshop.docs / "notebooks" / f"{words[0]}.ipynb"
    return notebook_markdown(notebook, workshop.work.parent / "notebooks", page.parent)


MAKERS: dict[str, Callable[[list[str], Path, Workshop], str]] = {
    "file": _file,
    "table": _table,
    "figure": _figure,
    "notebook": _notebook,
    "families": lambda words, _, workshop: families_markdown(
        workshop.root / "benchmarks" / "families.tsv", words[0]
    ),
    "commands": lambda *_: commands_markdown(),
    "api": lambda *_: api_markdown(),
}
