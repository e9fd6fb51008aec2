"""The report: one self-contained HTML page, made from a study's tables alone."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from markupsafe import Markup

from babelscope.portable import portable_command, portable_path
from babelscope.report import (
    against,
    beside,
    caveats,
    certainty,
    common,
    contrast_words,
    explain,
    figures,
    group_words,
    inner,
    ledger,
    maps,
    matrix,
    orders,
    panels,
    parts,
    produced,
    quality_slopes,
    ratios,
    recipes,
    scorers,
    source_groups,
    unfinished,
    words,
)
from babelscope.report.cellpages import cell_pages
from babelscope.report.cells import Table
from babelscope.report.contrasts import Contrasts, contrasts
from babelscope.report.explorer import explorer
from babelscope.report.html import asset, embed, packed, policy, template, write_page
from babelscope.report.lensview import lens_view
from babelscope.report.names import (
    CORRELATE,
    count_text,
    language_name,
    measure_name,
    named,
    source_language,
    source_name,
)
from babelscope.report.tables import Tables, read_study


def write_report(folder: Path) -> Path:
    """Write `folder`/report/index.html from the study's tables and return its path.

    The same tables give the same bytes. The page appears whole or not at all.

    Raises:
        StoreError: the folder holds no study, a table is broken, or the page cannot be written.
    """
    path = folder / "report" / "index.html"
    write_page(path, render(read_study(folder)))
    return path


def render(tables: Tables) -> str:
    """Return the page as text."""
    files = ["vendor/plotly-cartesian.min.js", "templates/report.js", "templates/lens.js"]
    others = parts.parts_of(tables)
    empty = bool(unfinished.headline(tables))
    asked = not (parts.is_untested(tables) or empty)
    files += ["templates/matrix.js", "templates/cell.js"] if asked else []
    files += ["templates/alignment.js"] if others.alignment else []
    examples = explorer(tables) if asked else None
    files += ["templates/grid.js", "templates/explorer.js"] if examples else []
    scripts = [asset(name) for name in files]
    drawn, found = _drawn(tables), contrasts(tables)
    taken_apart = common.shares_of_gains(tables)
    shown = [panel for group in drawn.values() for panel in group]
    lens = lens_view(tables)
    return template("page.html.j2").render(
        policy=policy(scripts),
        scripts=[Markup(script) for script in scripts],
        style=Markup(asset("templates/style.css")),
        head=_head(tables),
        answers=() if empty else _answers(tables, found, taken_apart),
        notes=(*unfinished.note(tables), *(() if empty else caveats.notes(tables))),
        headline=unfinished.headline(tables)
        or parts.headline(tables)
        or inner.headline(tables)
        or (*words.headline(tables), *against.note(tables)),
        empty=empty,
        asked=asked,
        parts=others,
        scored=asked and not (inner.is_lens_only(tables) or parts.is_untested(tables)),
        views=matrix.views(tables, taken_apart),
        targets=[(t, language_name(t)) for t in tables.plan["targets"]],
        orders=orders.orders(tables),
        produced=produced.produced_view(tables),
        control_verdict=scorers.control_verdict(tables),
        matrix_json=embed(_matrix_data(tables) if asked else {}),
        drawn=drawn,
        lens=lens,
        correlate=CORRELATE,
        map_verdict=maps.verdict(tables),
        explorer=examples,
        tables=tables_of(tables, found, taken_apart),
        provenance=_provenance(tables),
        cause_names=figures.CAUSES,
        stop_names=figures.STOPS,
        figures_json=embed({p.id: p.figure for p in (*shown, *others.figures)}),
        alignment_json=embed(others.alignment.data if others.alignment else {}),
        lens_packed=packed(lens.data if lens else {}),
        examples_packed=packed(examples.data if examples else {}),
    )


def _drawn(tables: Tables) -> dict[str, tuple[figures.Panel, ...]]:
    return {
        "gains": figures.gains(tables),
        "causes": figures.stacked(tables, "cause", figures.CAUSES, "Causes of answers"),
        "stops": figures.stacked(tables, "stop", figures.STOPS, "Reasons of stopping"),
        "lengths": beside.length_ratios(tables),
        "controls": scorers.control_panels(tables),
        "interference": beside.interference(tables),
    }


def _matrix_data(tables: Tables) -> dict[str, Any]:
    """Return what the matrix's script needs: orders, pages of cells, languages produced."""
    found = [
        {"key": o.key, "note": named(o.note), "rows": o.rows, "columns": o.columns}
        for o in orders.orders(tables)
    ]
    return {
        "orders": found,
        "pages": cell_pages(tables),
        "produced": produced.produced_view(tables),
    }


def _answers(
    tables: Tables, contrasted: Contrasts, taken_apart: Sequence[common.Share]
) -> list[words.Answer]:
    told = list(parts.answers(tables))
    if parts.is_untested(tables):
        return told
    if inner.is_lens_only(tables):
        return [inner.leaning(tables), *told]
    found = (
        words.best_sources(tables),
        words.helped_and_harmed(tables),
        against.otherwise(tables),
        common.common_and_own(tables, taken_apart),
        words.self_tuning(tables),
        contrast_words.better_data(tables, contrasted),
        group_words.groups_compared(tables, contrasted),
        quality_slopes.quality_told(tables, quality_slopes.quality_slopes(tables)),
        source_groups.sources_grouped(tables, source_groups.source_contrasts(tables)),
        recipes.recipes_compared(tables),
        ratios.multiplied(tables),
        explain.overgeneration(tables),
        explain.inside(tables),
        inner.silence(tables),
        explain.undecided(tables),
    )
    return [*(answer for answer in found if answer is not None), *told]


def tables_of(
    tables: Tables,
    found: Contrasts | None = None,
    taken_apart: Sequence[common.Share] | None = None,
) -> dict[str, Table]:
    """Return every table of the report by its short name; some may have no rows.

    `found` are the study's contrasts, `taken_apart` its gains taken apart; both are made here if
    they are not given.
    """
    found = found or contrasts(tables)
    if taken_apart is None:
        taken_apart = common.shares_of_gains(tables)
    return {
        "certainty": certainty.certainty(tables),
        "shares_of_gains": common.share_table(tables, taken_apart),
        "measures": panels.all_measures(tables),
        "shares": panels.shares(tables),
        "produced": produced.produced_table(tables),
        "controls": scorers.control_table(tables),
        "overgenerated": panels.overgenerated(tables),
        "quality": panels.quality(tables),
        "left_out": panels.left_out(tables),
        "better_data": contrast_words.data_table(tables, found),
        "interference": panels.interference_table(tables),
        "recipes": recipes.recipes_table(tables),
        "quality_slopes": quality_slopes.quality_slope_table(
            tables, quality_slopes.quality_slopes(tables)
        ),
        "source_groups": source_groups.source_group_table(
            tables, source_groups.source_contrasts(tables)
        ),
        "groups": panels.groups(tables),
        "group_gains": group_words.group_table(tables, found),
        "priors": panels.priors(tables),
        "cost": ledger.cost(tables),
        "counts": ledger.counts(tables),
        "totals": ledger.count_totals(tables),
        "maps": maps.comparison(tables),
        "telling_maps": maps.telling(tables),
        "map_quality": maps.quality(tables),
    }


def _head(tables: Tables) -> dict[str, str]:
    plan = tables.plan
    model = plan["model"]
    facts = [portable_path(str(model.get("name", "")))]
    if model.get("parameters"):
        facts.append(f"{model['parameters'] / 1e6:,.1f} M parameters")
    if model.get("depth"):
        facts.append(count_text(model["depth"], "layer"))
    if model.get("dtype"):
        facts.append(str(model["dtype"]))
    size = [count_text(len(plan["targets"]), "target")]
    only = inner.is_lens_only(tables) or parts.is_untested(tables)
    if not only:
        size.insert(0, count_text(len(plan["sources"]), "source"))
        size.append(count_text(len(plan["seeds"]), "seed"))
    return {
        "title": str(plan.get("title") or plan["name"]),
        "model": ", ".join(facts),
        "size": ", ".join(size),
        "measure": measure_name(plan["main_measure"]),
        "unfinished": "" if tables.completion.complete else unfinished.BADGE,
        "seeds": "single seed" if len(plan["seeds"]) == 1 and not only else "",
    }


def _provenance(tables: Tables) -> dict[str, Any]:
    plan = tables.plan
    task = "" if parts.is_untested(tables) else plan.get("task", "")
    facts = [("Study", plan["name"]), ("Task", task), ("Model", plan["model"])]
    if not parts.is_untested(tables):  # recipes belong to questions
        facts += [
            ("Recipes", ", ".join(plan["recipes"])),
            ("Seeds", ", ".join(map(str, plan["seeds"]))),
            ("Settings", plan.get("settings")),
        ]
    facts += [("Fingerprints", plan.get("fingerprints"))]
    facts += [("Versions", plan.get("versions")), ("Started from", plan.get("started_from"))]
    facts += [("Cells", plan.get("cells")), ("Language maps", plan.get("language_maps"))]
    sources = [
        (
            source_name(tables, s["name"]),
            s["name"],
            source_language(tables, s["name"]),
            str(s.get("records", "")),
            str(s.get("digest", "")),
        )
        for s in plan["sources"]
    ]
    head = ("Source", "Name", "Language", "Records", "Digest")
    return {
        "facts": [(name, _pairs(value)) for name, value in facts if value not in (None, "", {})],
        "command": portable_command(str(plan.get("command") or "")),
        "sources": Table("Sources", head, tuple(sources), names=1),
    }


def _pairs(value: Any) -> list[tuple[str, str]]:
    """Return (name, text) pairs of a mapping, sorted; one pair without a name for the rest."""
    if not isinstance(value, dict):
        return [("", value if isinstance(value, str) else json.dumps(value, ensure_ascii=False))]
    return [
        (
            str(k),
            portable_path(v)
            if isinstance(v, str)
            else json.dumps(v, ensure_ascii=False, sort_keys=True),
        )
        for k, v in sorted(value.items())
    ]
