"""Whether a model works here: its parts, its size, its tokens per language, a study's prompts."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

from babelscope.adapt.proof import prove_tuning
from babelscope.adapt.recipes import find_recipe, rendering_of
from babelscope.data import atlas
from babelscope.data.prompts import TEMPLATES
from babelscope.data.qa import read_qa
from babelscope.errors import BabelscopeError
from babelscope.infer.drift import measure_drift
from babelscope.infer.generate import Decoding
from babelscope.infer.passes import token_bytes
from babelscope.models.encoding import encode_prompt
from babelscope.models.loading import LoadedModel, load_model
from babelscope.models.parts import part_names, positions_of
from babelscope.study.estimate import estimate_cost
from babelscope.study.fertility import ATLAS, fertility, parallel_texts
from babelscope.study.fitting import fit_rows, study_fits, warnings_of
from babelscope.study.materials import gather
from babelscope.study.plan import StudyPlan
from babelscope.study.schedule import tunings

DRIFT_ITEMS = 32
REFUSED = "refused"

Found = dict[str, object]


@dataclass(frozen=True, slots=True)
class CheckWish:
    """What is checked beside the model: parallel text, a study, drift.

    `text` is `atlas` or a line-parallel folder; `drift` counts answers that another way of
    computing turns over, and costs some minutes on a large model.
    """

    text: str = ATLAS
    study: StudyPlan | None = None
    drift: bool = False


def check_model(
    name: str,
    wish: CheckWish = CheckWish(),
    *,
    dtype: str = "auto",
    device: str = "auto",
    revision: str | None = None,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Found:
    """Load a model, which proves its parts, and measure it; nothing of a study is answered.

    `fertility` has a row a language, see `study.fertility`; `tuning` says whether the model can be
    tuned, or the line that `tune` would refuse it with. With a study, which is taken as if it
    named this model, `prompts` tells how its prompts fit, `cost` what its stages take at least
    (left out where the study would stop), and `warnings` what does not fit.

    Raises:
        ModelError: the model cannot be loaded, or its parts cannot be proved.
        DataError: the text is not parallel, or the study's data cannot be read.
    """
    texts = parallel_texts(wish.text)
    loaded = load_model(name, dtype=dtype, device=device, revision=revision)
    found = _model(loaded)
    found["tuning"] = _tuning(loaded, wish.study)
    found["fertility_text"] = f"{wish.text}, {len(next(iter(texts.values())))} parallel lines"
    found["fertility"] = fertility(loaded.tokenizer, loaded.parts.vocabulary_rows, texts)
    if wish.study:
        model = replace(wish.study.model, name=name, revision=revision)
        plan = replace(wish.study, model=model)
        found |= _study(loaded, plan, progress)
        warnings = found["warnings"] if isinstance(found["warnings"], list) else []
        if tunings(plan) and str(found["tuning"]).startswith(REFUSED):
            told = f"tuning is {found['tuning']}; the study would stop"
            found["warnings"] = [*warnings, told]
    if wish.drift:
        found["drift"] = _drift(loaded, device, revision)
    return found


def _model(loaded: LoadedModel) -> Found:
    parameters = list(loaded.model.parameters())
    return {
        "model": loaded.name,
        "fingerprint": loaded.fingerprint,
        "family": str(loaded.model.config.model_type),
        "dtype": str(loaded.dtype).removeprefix("torch."),
        "device": str(loaded.device),
        "parameters": sum(p.numel() for p in parameters),
        "weights_mib": sum(p.numel() * p.element_size() for p in parameters) / (1 << 20),
        "keys_and_values_kib_a_token": token_bytes(loaded) / (1 << 10),
        "positions": positions_of(loaded.model) or "no limit",
        "depth": loaded.parts.depth,
        "width": loaded.parts.width,
        "vocabulary_rows": loaded.parts.vocabulary_rows,
        "tokenizer_entries": len(loaded.tokenizer),
        **part_names(loaded.model, loaded.parts),
        "parts": "proved: last block, norm and unembedding give the model's own logits",
    }


def _tuning(loaded: LoadedModel, plan: StudyPlan | None) -> str:
    """Return whether the model can be tuned: by a study's recipes, or by the default one."""
    try:
        for recipe in plan.recipes if plan else (find_recipe("default"),):
            prove_tuning(loaded, recipe)
    except BabelscopeError as error:
        return f"{REFUSED}: {error}"
    return "proved: a tiny step trains a fresh adapter on the loss of the model's own logits"


def _study(loaded: LoadedModel, plan: StudyPlan, progress: Callable[[int, int], None]) -> Found:
    materials = gather(plan)
    fits = study_fits(loaded, plan, materials, progress)
    found: Found = {"study": plan.name, "prompts": fit_rows(fits)}
    if not any(fit.too_long for fit in fits):  # else it would stop: there is no cost to tell
        cost = estimate_cost(plan, materials)
        names = ("cost", "minutes_here_at_least", "gflops_measured_here")
        found |= {name: cost[name] for name in names}
    return {**found, "warnings": warnings_of(loaded, fits)}


def _drift(loaded: LoadedModel, device: str, revision: str | None) -> list[dict[str, object]]:
    """Return a row a way of computing: answers to questions of atlas, a language each, that differ.

    `widest_gap` is in logits, and None where no answer differs.
    """
    dtype = "bfloat16" if str(loaded.dtype).endswith("float32") else "float32"
    other = load_model(loaded.name, dtype=dtype, device=device, revision=revision)
    recipe = find_recipe("default")
    rendering = rendering_of(recipe, TEMPLATES, "answering")
    prompts = [
        encode_prompt(loaded.tokenizer, rendering, read_qa("atlas", code).examples[0])
        for code in atlas.languages()[:DRIFT_ITEMS]
    ]
    rows = measure_drift(loaded, prompts, Decoding(recipe.answer_tokens), other)
    return [
        {
            "way": row.way,
            "items": row.items,
            "differing": row.differing,
            "widest_gap": None if math.isnan(row.widest_gap) else row.widest_gap,
        }
        for row in rows
    ]
