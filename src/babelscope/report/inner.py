"""The sentences made from the lens alone: silenced languages, and what a depth leans to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import polars as pl
from markupsafe import Markup

from babelscope.measure.exact import fisher_p
from babelscope.measure.inference import LEVEL
from babelscope.report.claims import direction
from babelscope.report.lens_claims import lens_p_words, tested
from babelscope.report.maps import leading, two_depths
from babelscope.report.names import (
    CORRELATE,
    LENS_ROWS,
    count_text,
    interval,
    isolated,
    language_name,
    listed,
    p_text,
    points,
    same_language,
    signed,
    variant_name,
)
from babelscope.report.tables import (
    CellKey,
    Tables,
    Variant,
    base_of,
    differences,
    final_steps,
    main_map,
)
from babelscope.report.words import NAMED, Answer, cell_name, strong

CONTEST = "contest:"
SILENT = "Did interfering languages fall silent where scores rose?"


@dataclass(frozen=True)
class Trial:
    """A pairing, a language that interferes there, and its decided changes."""

    key: CellKey
    language: str
    fell: dict[str, Any] | None
    rose: dict[str, Any] | None


def silence(tables: Tables) -> Answer:
    """Say whether masses of interfering languages fell where scores rose more than elsewhere."""
    frame = _masses(tables)
    if not (frame["kind"] == "difference").any():
        words = "The study did not look inside at the last prompt token: it cannot say."
        return Answer(SILENT, (Markup(words),), "inside")
    scored = differences(tables, tables.plan["main_measure"])
    rising = [key for key, row in scored.items() if direction(row) > 0]
    if not rising:
        words = "No rise of a score is decided: there is nothing to set beside the lens."
        return Answer(SILENT, (Markup(words),), "inside")
    trials = [trial for key in rising for trial in _trials(tables, frame, key)]
    others = [t for key in scored if key not in rising for t in _trials(tables, frame, key)]
    if not trials:
        words = "The lens was not read where scores rose: the study cannot say."
        return Answer(SILENT, (Markup(words),), "inside")
    told = (
        _count(trials, others),
        *_named(tables, trials),
        _how(frame),
        Markup("{}").format(CORRELATE),
    )
    return Answer(SILENT, told, "inside")


def _masses(tables: Tables) -> pl.DataFrame:
    return final_steps(tested(tables.lens)).filter(
        (pl.col("measure") == "mass")
        & (pl.col("map") == main_map(tables))
        & (pl.col("position") == "last")
        & ((pl.col("subset") == "all") | pl.col("subset").str.starts_with(CONTEST))
        & pl.col("value").is_finite()
    )


def _trials(tables: Tables, frame: pl.DataFrame, key: CellKey) -> list[Trial]:
    recipe, source, target = key
    own = frame.filter(
        (pl.col("recipe") == recipe)
        & (pl.col("source") == source)
        & (pl.col("target") == target)
        & (pl.col("kind") == "difference")
    )
    contests = sorted(s for s in set(own["subset"]) if s.startswith(CONTEST))
    places = [(subset, subset.removeprefix(CONTEST)) for subset in contests]
    if not places:
        places = [("all", code) for code in _loudest(tables, frame, key)]
    found = []
    for subset, code in places:
        rows = own.filter((pl.col("subset") == subset) & (pl.col("language") == code))
        if not rows.is_empty():
            clear = rows.filter(pl.col("clear"))
            found.append(Trial(key, code, leading(clear, -1), leading(clear, 1)))
    return found


def _loudest(tables: Tables, frame: pl.DataFrame, key: CellKey) -> list[str]:
    """Return the language, but the target's, that holds most mass in the base at any depth."""
    recipe, source, target = key
    base = base_of(tables, Variant(recipe, source))
    rows = frame.filter(
        (pl.col("recipe") == base.recipe)
        & (pl.col("source") == "")
        & (pl.col("target") == target)
        & (pl.col("subset") == "all")
        & (pl.col("kind") == "value")
        & ~pl.col("language").is_in(list(LENS_ROWS))
    )
    others = [c for c in rows["language"].unique().sort() if not same_language(c, target)]
    most = leading(rows.filter(pl.col("language").is_in(others)), 1)
    return [most["language"]] if most else []


def _count(trials: list[Trial], others: list[Trial]) -> Markup:
    """Count falls where scores rose, and beside them where they did not, with an exact test."""
    text = Markup(
        "Where a rise is decided ({}), the interfering language’s mass fell in <strong>{}</strong> "
        "and rose in {}"
    )
    fell, rose = _falls(trials), sum(t.rose is not None and t.fell is None for t in trials)
    said = text.format(count_text(len(trials), "case"), fell, rose)
    if not others:
        return said + Markup(
            "; no other case was read to set beside them, so that this tells nothing."
        )
    base = _falls(others)
    p = fisher_p((fell, base), (len(trials), len(others)))
    told = "which differs" if p < LEVEL else "of which no difference is shown"
    tail = Markup(
        "; where no rise is decided, in <strong>{}</strong> of {}, {} (Fisher’s exact {}, pairings "
        "taken as independent)."
    )
    return said + tail.format(base, len(others), told, p_text(p))


def _falls(trials: list[Trial]) -> int:
    return sum(t.fell is not None and t.rose is None for t in trials)


def _named(tables: Tables, trials: list[Trial]) -> list[Markup]:
    clear = [t for t in trials if t.fell or t.rose]
    sentences = []
    for trial in clear[:NAMED]:
        parts = [
            Markup(
                '{} by <span class="num">{} ({})</span> points at depth {} ({}, corrected over '
                "depths and languages)"
            ).format(
                verb,
                signed(row["value"]),
                interval(row["low"], row["high"], sign=True),
                row["depth"],
                lens_p_words(row),
            )
            for verb, row in (("fell", trial.fell), ("rose", trial.rose))
            if row
        ]
        text = Markup("{}: {} {}.")
        name = strong(language_name(trial.language))
        sentences.append(text.format(cell_name(tables, trial.key), name, listed(parts)))
    if len(clear) > NAMED:
        sentences.append(Markup("{} more are in the panel.").format(len(clear) - NAMED))
    return sentences


def _how(frame: pl.DataFrame) -> Markup:
    text = Markup(
        "Mass is read at the last prompt token; changes below a tenth of a point do not count. {}"
    )
    if frame["subset"].str.starts_with(CONTEST).any():
        return text.format(
            "The interfering language is that of the contest; without a contest, the language "
            "other than the target’s with the most mass in the base."
        )
    return text.format(
        "No contest was read: the language other than the target’s with the most mass in the base "
        "stands for the interfering one."
    )


def is_lens_only(tables: Tables) -> bool:
    """Whether the study looked inside and asked for no answers."""
    return (
        tables.results.is_empty() and tables.comparisons.is_empty() and not tables.lens.is_empty()
    )


def headline(tables: Tables) -> tuple[Markup, ...]:
    """Return what stands above everything in a lens-only study; nothing in any other."""
    if not is_lens_only(tables):
        return ()
    text = Markup(
        "This study looked inside the model at {} and asked for no answers: it tells to which "
        "language each depth leans, not what the model can do."
    )
    return (text.format(count_text(len(tables.plan["targets"]), "target language")),)


def leaning(tables: Tables) -> Answer:
    """Say to which language the middle and the last depth of each target lean."""
    frame = _masses(tables).filter(
        (pl.col("kind") == "value")
        & (pl.col("subset") == "all")
        & ~pl.col("language").is_in(list(LENS_ROWS))
    )
    sentences = []
    owners = sorted(set(frame.select("recipe", "source").rows()), key=lambda o: (o[1] != "", o))
    for recipe, source in owners:
        variant = Variant(recipe, source)
        note = f" ({variant_name(tables, variant)})" if len(owners) > 1 else ""
        mine = frame.filter((pl.col("recipe") == recipe) & (pl.col("source") == source))
        for target in tables.plan["targets"]:
            own = mine.filter(pl.col("target") == target)
            parts = [_lean(own, depth) for depth in two_depths(own)]
            if parts:
                text = Markup("For {}{}: {}.")
                said = Markup("; ").join(parts)
                sentences.append(text.format(strong(language_name(target)), note, said))
    if not sentences:
        sentences = [Markup("The lens was not read at the last prompt token.")]
    sentences.append(Markup("{}").format(CORRELATE))
    return Answer("To which language does each depth lean?", tuple(sentences), "inside")


def _lean(own: pl.DataFrame, depth: int) -> Markup:
    here = own.filter(pl.col("depth") == depth).sort("value", "language", descending=[True, False])
    where = "the last depth" if depth == own["depth"].max() else "the middle depth"
    if here.is_empty():
        return Markup("{} ({}) was not read").format(where, depth)
    row = here.row(0, named=True)
    text = Markup('{} ({}) leans to {}, <span class="num">{} % ({})</span>{}')
    rival = here.row(1, named=True) if here.height > 1 else None
    tail = Markup("")
    if rival is not None and rival["high"] >= row["low"]:
        name = isolated(language_name(rival["language"]))
        tail = Markup(", its interval overlapping that of {}").format(name)
    name, span = isolated(language_name(row["language"])), interval(row["low"], row["high"])
    return text.format(where, depth, name, points(row["value"]), span, tail)
