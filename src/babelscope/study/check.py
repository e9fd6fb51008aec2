"""Whether a model works here: its parts, its size, its tokens per language, a study's prompts."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from babelscope.adapt.proof import prove_tuning
from babelscope.adapt.recipes import find_recipe, rendering_of
from babelscope.data import atlas
from babelscope.data.prompts import TEMPLATES
from babelscope.data.qa import read_qa
from babelscope.errors import BabelscopeError, ModelError
from babelscope.infer.drift import measure_drift
from babelscope.infer.generate import Decoding
from babelscope.infer.passes import token_bytes
from babelscope.infer.reading_proof import verify_reading
from babelscope.models.encoding import encode_prompt
from babelscope.models.lengths import DYNAMIC, rotation_limits
from babelscope.models.loading import LoadedModel, Tokenizer, load_model
from babelscope.models.parts import part_names, positions_of
from babelscope.models.trunks import Trunk, load_trunk
from babelscope.study.design import design_words, study_design
from babelscope.study.estimate import estimate_cost
from babelscope.study.fertility import ATLAS, fertility, parallel_texts
from babelscope.study.fitting import fit_rows, study_fits, warnings_of
from babelscope.study.materials import gather
from babelscope.study.plan import StudyPlan
from babelscope.study.schedule import tunings
from babelscope.study.set_counts import material_counts

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


@dataclass(frozen=True, slots=True)
class _Headless:
    """A trunk, and why its model cannot be asked."""

    trunk: Trunk
    refusal: ModelError

    @property
    def tokenizer(self) -> Tokenizer:
        return self.trunk.tokenizer


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

    An encoder, or a decoder without its head, is told of as far as it goes: `answers` says why it
    cannot be asked. `fertility` has a row a language, see `study.fertility`; `tuning` says whether
    the model can be tuned, or the line that `tune` would refuse it with. With a study, which
    is taken as if it named this model, `prompts` tells how its prompts fit, `cost` what its
    stages take at least (left out where the study would stop), and `warnings` what does not fit.

    Raises:
        ModelError: the model cannot be loaded, its parts cannot be proved, or it cannot be asked
            what the study or `drift` asks.
        DataError: the text is not parallel, or the study's data cannot be read.
    """
    texts = parallel_texts(wish.text)
    asks = wish.drift or bool(wish.study and wish.study.test.data)
    loaded = _loaded(name, dtype, device, revision, asks)
    if isinstance(loaded, LoadedModel):
        found, rows = _model(loaded, asks), loaded.parts.vocabulary_rows
        found["tuning"] = _tuning(loaded, wish.study)
    else:
        found, rows = _trunk(loaded.trunk, loaded.refusal), _rows(loaded.trunk)
    found["fertility_text"] = f"{wish.text}, {len(next(iter(texts.values())))} parallel lines"
    found["fertility"] = fertility(loaded.tokenizer, rows, texts)
    if wish.study:
        model = replace(wish.study.model, name=name, revision=revision)
        plan = replace(wish.study, model=model)
        found |= _study(loaded if isinstance(loaded, LoadedModel) else None, plan, progress)
        warnings = found["warnings"] if isinstance(found["warnings"], list) else []
        if tunings(plan) and str(found.get("tuning")).startswith(REFUSED):
            told = f"tuning is {found['tuning']}; the study would stop"
            found["warnings"] = [*warnings, told]
    if wish.drift and isinstance(loaded, LoadedModel):
        found["drift"] = _drift(loaded, device, revision)
    return found


def _loaded(
    name: str, dtype: str, device: str, revision: str | None, asks: bool
) -> LoadedModel | _Headless:
    """Return the model, or its trunk with the reason why it has no head that can be used."""
    try:
        return load_model(name, dtype=dtype, device=device, revision=revision)
    except ModelError as refusal:
        if asks:
            raise
        try:
            trunk = load_trunk(name, dtype=dtype, device=device, revision=revision)
            return _Headless(trunk, refusal)
        except ModelError:
            raise refusal from None


def _model(loaded: LoadedModel, asks: bool) -> Found:
    try:
        verify_reading(loaded)
        answers: Found = {
            "answers": "proved: padding and kept keys give the states of whole passes",
            "keys_and_values_kib_a_token": token_bytes(loaded) / (1 << 10),
        }
    except ModelError as refusal:
        if asks:
            raise
        answers = {"answers": f"not possible: {refusal}"}
    return {
        **_facts(loaded.model, loaded),
        **answers,
        "positions": positions_of(loaded.model) or "no limit",
        "depth": loaded.parts.depth,
        "width": loaded.parts.width,
        "vocabulary_rows": loaded.parts.vocabulary_rows,
        "tokenizer_entries": len(loaded.tokenizer),
        "kind": "decoder: a position sees none to its right",
        "batches": _batches(loaded.model, hides_padding=True),
        **part_names(loaded.model, loaded.parts),
        "parts": "proved: last block, norm and unembedding give the model's own logits",
    }


def _trunk(trunk: Trunk, refusal: ModelError) -> Found:
    causal = "decoder without a head that can be used: a position sees none to its right"
    paths = {id(module): path for path, module in trunk.model.named_modules()}
    kind = type(trunk.blocks[0]).__name__
    return {
        **_facts(trunk.model, trunk),
        "answers": f"not possible: {refusal}",
        "use": "alignment, probes and classification",
        "positions": trunk.max_tokens or "no limit",
        "depth": trunk.depth,
        "width": trunk.width,
        "vocabulary_rows": _rows(trunk),
        "tokenizer_entries": len(trunk.tokenizer),
        "kind": causal if trunk.causal else "encoder: a position sees those to its right",
        "batches": _batches(trunk.model, hides_padding=trunk.hides_padding),
        "embedding": f"{paths.get(id(trunk.embed), '?')} ({type(trunk.embed).__name__})",
        "blocks": f"{paths.get(id(trunk.blocks), '?')} ({trunk.depth} {kind})",
        "parts": "proved: the last block, or a norm after it, gives the model's own last state",
    }


def _facts(model: Any, loaded: LoadedModel | Trunk) -> Found:
    parameters = list(model.parameters())
    return {
        "model": loaded.name,
        "fingerprint": loaded.fingerprint,
        "family": str(model.config.model_type),
        "dtype": str(loaded.dtype).removeprefix("torch."),
        "device": str(loaded.device),
        "parameters": sum(p.numel() for p in parameters),
        "weights_mib": sum(p.numel() * p.element_size() for p in parameters) / (1 << 20),
    }


def _rows(trunk: Trunk) -> int:
    return int(next(trunk.embed.parameters()).shape[0])


def _batches(model: Any, *, hides_padding: bool) -> str:
    """Say which texts are read together, so that none changes what is said of another."""
    if not hides_padding:
        return "texts of one length: the model sees padding"
    limits = rotation_limits(model.config)
    if not limits:
        return "texts of any length: padding is not seen"
    told = [
        f"those beyond {limit} tokens apart, each length by itself ({kind} rotations)"
        if kind == DYNAMIC
        else f"those beyond {limit} tokens apart ({kind} rotations)"
        for kind, limit in limits
    ]
    return f"texts of any length, but {', '.join(told)}"


def _tuning(loaded: LoadedModel, plan: StudyPlan | None) -> str:
    """Return whether the model can be tuned: by a study's recipes, or by the default one."""
    try:
        for recipe in plan.recipes if plan else (find_recipe("default"),):
            prove_tuning(loaded, recipe)
    except BabelscopeError as error:
        return f"{REFUSED}: {error}"
    return "proved: a tiny step trains a fresh adapter on the loss of the model's own logits"


def _study(
    loaded: LoadedModel | None, plan: StudyPlan, progress: Callable[[int, int], None]
) -> Found:
    materials = gather(plan)
    fits = study_fits(loaded, plan, materials, progress) if loaded else []
    designed = design_words(plan, study_design(plan, materials))
    found: Found = {"study": plan.name, **designed, "prompts": fit_rows(fits)}
    found["left_out_or_noted"] = material_counts(materials)
    if not any(fit.too_long for fit in fits):  # else it would stop: there is no cost to tell
        cost = estimate_cost(plan, materials)
        names = ("cost", "minutes_here_at_least", "gflops_measured_here")
        found |= {name: cost[name] for name in names}
    return {**found, "warnings": warnings_of(loaded, fits) if loaded else []}


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
