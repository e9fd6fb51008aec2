"""What a reader must know before trusting the answer: a toy model, one seed, gaps, cuts."""

from __future__ import annotations

from typing import Any

import polars as pl
from markupsafe import Markup

from babelscope.report.names import (
    count_text,
    is_number,
    isolated,
    language_name,
    listed,
    measure_name,
    points,
    share_text,
)
from babelscope.report.tables import CellKey, Tables, pooled, values, variants
from babelscope.report.words import cell_name

NEAR_ZERO = 0.05
"""Below this (5 points of 100) a score is called near zero."""
NAMED = 6
"""How many cells without data are named."""


def notes(tables: Tables) -> tuple[Markup, ...]:
    """Return what a reader must know before trusting the sentences: toy model, one seed, gaps."""
    plan = tables.plan
    if "published" in plan:
        return _published(plan["published"])
    found = []
    if plan["model"].get("is_mini"):
        found.append(
            Markup(
                "<strong>This shows the tool, not the world’s languages.</strong> The model is the "
                "small embedded one, trained on an artificial world with a chosen mixture: what "
                "holds here says nothing about these languages in other models."
            )
        )
    if len(plan["seeds"]) == 1 and plan["sources"]:
        found.append(
            Markup(
                "<strong>Single seed.</strong> Every tuned model was trained once (seed {}). The "
                "intervals hold the doubt from the questions, not that from training again."
            ).format(plan["seeds"][0])
        )
    for section in (_near_zero, _guessing, _gaps, _cuts):
        found.extend(section(tables))
    return tuple(found)


def _published(told: dict[str, Any]) -> tuple[Markup, ...]:
    """Return what is wrong with arrays that others published, what was mended, and what was not."""
    period, updates = told["period"], told["updates"]
    recent = (1 - (1 - 1 / period) ** period) / told["divisor"]
    average = Markup(
        "<strong>Published values, mended.</strong> They are an exponential moving average started "
        "at zero (each prompt weighs 1/{}). Here they are divided by 1 − (1 − 1/{})<sup>{}</sup> = "
        "{:.6f}; the exponent was found from the arrays themselves. What division cannot mend: the "
        "last {} of the {} prompts still weigh {}, and rejected prompts may be among them."
    ).format(period, period, updates, told["divisor"], period, updates, share_text(recent))
    doubt = Markup(
        "<strong>No intervals, no number of questions.</strong> The arrays come from one run and "
        "hold means alone: no change drawn here can be called clear or unclear."
    )
    method = Markup(
        "<strong>The token-to-language map is a guess.</strong> It is the arg-max of the language "
        "identifier langid on single tokens: a short ASCII string counts as English, and a broken "
        "piece of a character as Chinese."
    )
    return (average, doubt, method, *_strangers(told["unknown"]))


def _strangers(unknown: dict[str, float]) -> tuple[Markup, ...]:
    if not unknown:
        return ()
    text = Markup(
        "<strong>{}</strong> of the file {} unknown to this package and stand under their own "
        "code: {}. Their greatest mass at any depth is {}."
    )
    codes = listed([isolated(code) for code in sorted(unknown)])
    verb = "is" if len(unknown) == 1 else "are"
    most = share_text(max(unknown.values()), 1)
    return (text.format(count_text(len(unknown), "language code"), verb, codes, most),)


def _near_zero(tables: Tables) -> list[Markup]:
    measure = tables.plan["main_measure"]
    known = [e.value for e in values(tables, measure).values() if is_number(e.value)]
    if not known or max(known) >= NEAR_ZERO:
        return []
    text = Markup(
        "<strong>Every score is near zero</strong> (the highest {} is {} of 100): there is "
        "little here to transfer or to lose."
    )
    return [text.format(measure_name(measure), points(max(known)))]


def _guessing(tables: Tables) -> list[Markup]:
    guess, exact = values(tables, "prior_mlqa_em"), values(tables, "mlqa_em")
    poor = [
        isolated(language_name(target))
        for target in tables.plan["targets"]
        for key, prior in guess.items()
        if key[2] == target and key in exact and exact[key].value <= prior.value
    ]
    if not poor:
        return []
    text = Markup(
        "<strong>No better than guessing:</strong> always giving the commonest answer would "
        "match at least as often as the base model does in {}."
    )
    return [text.format(listed(poor))]


def _gaps(tables: Tables) -> list[Markup]:
    scores = values(tables, tables.plan["main_measure"])
    wanted = [(v.recipe, v.source, t) for v in variants(tables) for t in tables.plan["targets"]]
    known = {key for key, e in scores.items() if is_number(e.value)}
    gaps = [_base_or_cell(tables, key) for key in wanted if key not in known]
    if not gaps or not known:
        return []
    more = [] if len(gaps) <= NAMED else [Markup("{} more").format(len(gaps) - NAMED)]
    text = Markup("<strong>Cells without data:</strong> {} of {}, drawn hatched: {}.")
    return [text.format(len(gaps), len(wanted), listed(gaps[:NAMED] + more))]


def _base_or_cell(tables: Tables, key: CellKey) -> Markup:
    if not key[1]:
        return Markup("{} (base model)").format(isolated(language_name(key[2])))
    return cell_name(tables, key)


def _cuts(tables: Tables) -> list[Markup]:
    found = []
    for measure, fate in (
        ("truncated", "had their context cut to fit the model"),
        ("gold_lost", "lost their answer with the part that was cut"),
    ):
        cut = pooled(tables).filter((pl.col("measure") == measure) & pl.col("value").is_finite())
        count, total = int(cut["value"].sum()), int(cut["n"].sum())
        if count > 0:
            share = share_text(count / total if total else None, 1)
            text = Markup("<strong>{}</strong> of {} ({}) {}.")
            found.append(text.format(f"{count:,}", count_text(total, "prompt"), share, fate))
    return found
