"""The language maps that a study's lens looks through, by name."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path

from babelscope.identity import digest
from babelscope.measure.language_map import LanguageMap, load_map, save_map
from babelscope.models.loading import LoadedModel, tokenizer_fingerprint
from babelscope.study.maps import measured_map, published_map, study_map, study_texts
from babelscope.study.materials import Materials
from babelscope.study.plan import COUNTED, FILE, LANGID, StudyPlan

LANGID_VERSION = "1"
"""Raised whenever the same tokenizer and languages may give another map than before."""

Maps = Mapping[str, LanguageMap]


def study_maps(
    plan: StudyPlan, materials: Materials, loaded: LoadedModel, folder: Path
) -> dict[str, LanguageMap]:
    """Return the maps that a plan names, each made once and kept in `folder`.

    The published map has the languages of the study's counted one, so that their columns can be
    set side by side.
    """
    maps: dict[str, LanguageMap] = {}
    for name in plan.lens.map_names:
        if name != LANGID:
            given = plan.lens.map_file if name == FILE else ""
            told = (plan.languages, materials.sources, plan.lens.text, folder, given)
            maps[name] = study_map(loaded, *told)
    if LANGID in plan.lens.map_names:
        beside = maps.get(COUNTED) or maps.get(FILE)
        languages = beside.languages if beside else plan.languages
        maps[LANGID] = _published(plan, materials, loaded, folder, languages)
    return {name: maps[name] for name in plan.lens.map_names}


def _published(
    plan: StudyPlan,
    materials: Materials,
    loaded: LoadedModel,
    folder: Path,
    languages: tuple[str, ...],
) -> LanguageMap:
    """Return the map by a language identifier, with its quality on the texts of the counted one.

    It is made from none of them: all are held out.
    """
    fingerprint, rows = tokenizer_fingerprint(loaded.tokenizer), loaded.parts.vocabulary_rows
    texts = study_texts(languages, materials.sources, plan.lens.text)
    identifier = version("py3langid")
    key = digest([LANGID_VERSION, identifier, languages, fingerprint, rows, texts])
    file = folder / f"{LANGID}-{key}.safetensors"
    if not file.exists():
        made = published_map(loaded.tokenizer, rows, languages)
        counted = {code: texts.get(code, []) for code in languages}
        if any(counted.values()):
            made = measured_map(made, loaded.tokenizer, counted)
        save_map(made, file)
    return load_map(file, tokenizer_fingerprint=fingerprint)
