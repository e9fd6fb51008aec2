"""Where parallel texts come from: atlas, line-parallel files, pairs, treebanks, two columns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from babelscope.data.naming import languages_in
from babelscope.data.patterns import is_file, is_folder
from babelscope.data.sources import AtlasSplit, listed, locate
from babelscope.data.texts import PAIRS, file_lines, read_lines
from babelscope.errors import DataError
from babelscope.languages import Language, language_or_none
from babelscope.languages import language as find_language
from babelscope.reading import expanded, lines_of, read_text

TREEBANK, COLUMNS = ".conllu", ".tsv"
SPLITS = ("train", "dev", "devtest", "test")


@dataclass(frozen=True, slots=True)
class Side:
    """One language's texts by id; `contexts` only where items belong to larger ones."""

    texts: Mapping[str, str]
    contexts: Mapping[str, str] = field(default_factory=dict)
    dropped: Mapping[str, int] = field(default_factory=dict)


def read_sides(data: str, codes: Sequence[str], unit: str) -> dict[str, dict[str, Side]]:
    """Return sides by the name of the set and the code of the language.

    Raises:
        DataError: as `bitext.read_bitext`.
    """
    name = _name(Path(data))
    if data.partition(":")[0] == "atlas":
        return {data: {code: _atlas(data, code, unit) for code in codes}}
    path = expanded(data)
    if "{language}" in data:
        return {name: _filled(data, codes)}
    if is_file(path):
        return {name: _two_columns({codes[1]: path}, codes, data)}
    if not is_folder(path):
        raise DataError(
            data, expected="atlas, a folder, a file or a path with {language}", found="no such file"
        )
    if treebanks := sorted(path.rglob(f"*{TREEBANK}")):
        return {name: {code: _treebank(_of(treebanks, code, path)) for code in codes}}
    if pairs := sorted(path.glob(f"{PAIRS}*")):
        return _pairs(pairs, codes, path)
    lines = {code: read_lines(path, code) for code in codes}
    return {name: _aligned(lines, data, _articles(path))}


def _name(path: Path) -> str:
    """Return what a set is called: "devtest" alone would not say whose."""
    return f"{path.parent.name}/{path.name}" if path.name in SPLITS else path.name


def _atlas(data: str, code: str, unit: str) -> Side:
    from babelscope.data import atlas, atlas_tasks  # only here: they load Babel

    place = locate(data, code)
    split = place.split if isinstance(place, AtlasSplit) and ":" in data else None
    if unit == "word":
        return Side(atlas_tasks.names(code, split))
    pool = atlas.territories() if split is None else atlas.split_territories(split)
    return Side({t.code: s for t, s in zip(pool, atlas.sentences(code, split), strict=True)})


def _filled(data: str, codes: Sequence[str]) -> dict[str, Side]:
    """Read one file a language; tables of two columns have none for the first language."""
    if Path(data).suffix == COLUMNS:
        return _two_columns({code: _file(data, code) for code in codes[1:]}, codes, data)
    files = {code: _file(data, code) for code in codes}
    if Path(data).suffix == TREEBANK:
        return {code: _treebank(path) for code, path in files.items()}
    return _aligned({code: file_lines(path) for code, path in files.items()}, data, [])


def _file(data: str, code: str) -> Path:
    place = locate(data, code)
    if not isinstance(place, Path):
        raise DataError(data, expected="files", found=str(place))
    return place


def _aligned(
    lines: Mapping[str, Sequence[str]], data: str, articles: Sequence[str]
) -> dict[str, Side]:
    counts = {code: len(found) for code, found in lines.items()}
    if len(set(counts.values())) > 1:
        raise DataError(
            f"{data}, lines that are translations",
            expected="as many lines in each language",
            found=", ".join(f"{n} in {code}" for code, n in counts.items()),
        )
    ids = [f"{number:05d}" for number in range(next(iter(counts.values())))]
    contexts = dict(zip(ids, articles, strict=True)) if len(articles) == len(ids) else {}
    return {
        code: Side(dict(zip(ids, found, strict=True)), contexts) for code, found in lines.items()
    }


def _articles(folder: Path) -> list[str]:
    """Return the article of each line, where FLORES's table of them stands beside the folder."""
    path = folder.parent / f"metadata_{folder.name}.tsv"
    if not path.is_file():
        return []
    head, *rows = lines_of(read_text(path))  # a first or last cell may be empty
    while rows and not rows[-1].strip():
        rows.pop()
    names = head.split("\t")
    if "URL" not in names:
        return []
    place = names.index("URL")
    for number, row in enumerate(rows, 2):
        if len(row.split("\t")) <= place:
            found = str(len(row.split("\t")))
            raise DataError(f"{path} line {number}", expected=f"{len(names)} columns", found=found)
    return [row.split("\t")[place] for row in rows]


def _pairs(files: Sequence[Path], codes: Sequence[str], folder: Path) -> dict[str, dict[str, Side]]:
    """Read `tatoeba.A-B.A` and `.B` for the first language with each other one."""
    by_pair: dict[frozenset[Language | None], dict[str, Path]] = {}
    for path in files:
        side, pair = language_or_none(path.suffix[1:]), _pair(path.name.split(".")[1])
        if side is None or side not in pair:
            continue
        other = by_pair.setdefault(pair, {}).setdefault(side.code, path)
        if other != path:
            raise DataError(
                f"folder {folder}",
                expected=f"one file of {side.code} in a pair",
                found=f"{other.name}, {path.name}",
            )
    found = {}
    for code in codes[1:]:
        sides = by_pair.get(frozenset({find_language(codes[0]), find_language(code)}), {})
        if len(sides) != 2:
            raise DataError(
                f"folder {folder}",
                expected=f"both files of {codes[0]} and {code}",
                found=listed([path.name for path in sides.values()] or [p.name for p in files]),
            )
        lines = {c: file_lines(sides[c]) for c in (codes[0], code)}
        found[f"{folder.name} {codes[0]}-{code}"] = _aligned(lines, str(folder), [])
    return found


def _pair(name: str) -> frozenset[Language | None]:
    """Return the two languages of `A-B`, either of which may hold a `-` itself (`zh-TW-eng`)."""
    parts = name.split("-")
    halves = [("-".join(parts[:n]), "-".join(parts[n:])) for n in range(1, len(parts))]
    readings = {frozenset(map(language_or_none, half)) for half in halves}
    whole = [languages for languages in readings if None not in languages]
    return whole[0] if len(whole) == 1 else frozenset()


def _of(treebanks: Sequence[Path], code: str, folder: Path) -> Path:
    wanted = {find_language(code)}
    found = [path for path in treebanks if _languages(path.stem) == wanted]
    if len(found) != 1:
        raise DataError(
            f"folder {folder}",
            expected=f"one treebank of {code}, named as en_pud-ud-test.conllu",
            found=listed([p.name for p in found or treebanks]),
        )
    return found[0]


def _languages(treebank: str) -> set[Language | None]:
    """Return what a treebank's name names: what stands before its first `_`, or as any file's."""
    named = {name.language for name in languages_in(treebank)}
    return named or {language_or_none(treebank.partition("_")[0])}


def _treebank(path: Path) -> Side:
    """Read the comments `sent_id`, `text` and `newdoc id` of a CoNLL-U file."""
    texts: dict[str, str] = {}
    contexts: dict[str, str] = {}
    identity = document = ""
    repeated = 0
    for line in file_lines(path):
        key, equals, value = line.removeprefix("#").partition("=")
        if not line.startswith("#") or not equals:
            continue
        match key.strip():
            case "newdoc id":
                document = value.strip()
            case "sent_id":
                identity = value.strip()
            case "text" if identity in texts:
                repeated += 1
            case "text":
                texts[identity] = value.strip()
                contexts[identity] = document or identity
    if not texts:
        raise DataError(
            str(path), expected="CoNLL-U with the comments sent_id and text", found="none"
        )
    return Side(texts, contexts, {f"repeated sent_id in {path.name}": repeated} if repeated else {})


def _two_columns(files: Mapping[str, Path], codes: Sequence[str], data: str) -> dict[str, Side]:
    """Read tables that translate the first language; of a repeated entry the first row counts."""
    if list(files) != list(codes[1:]):
        raise DataError(
            data,
            expected="two languages for a table of two columns",
            found=", ".join(codes),
            remedy="give a path with {language} to read several tables",
        )
    sides: dict[str, Side] = {}
    for code, path in files.items():
        texts: dict[str, str] = {}
        repeated = 0
        for number, line in enumerate(file_lines(path), 1):
            if not line:
                continue
            cells = [cell.strip() for cell in line.split("\t")]
            if len(cells) != 2:
                raise DataError(
                    f"{path} line {number}", expected="two columns", found=str(len(cells))
                )
            repeated += cells[0] in texts
            texts.setdefault(*cells)
        sides[code] = Side(
            texts,
            dropped={f"repeated entry of {codes[0]} for {code}": repeated} if repeated else {},
        )
    entries = {entry: entry for side in sides.values() for entry in side.texts}
    return {codes[0]: Side(entries), **sides}
