"""Does the interfering language fall silent inside where its interference falls?

    python benchmarks/planted_pairs.py            # about 2 minutes on 2 cores

mini was pre-trained so that Bengali pulls Odia and Hindi pulls Urdu; Russian does not pull Arabic
(the control). Each pair's first language is tuned on, then both are asked again: how often the
other language's gold is answered, how much mass the lens gives that language at each depth, and
how much probability its gold's beginnings have. It shows the tool, not the world's languages.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from babelscope.adapt.recipes import Recipe, change, find_recipe, rendering_of
from babelscope.adapt.saving import Saving
from babelscope.adapt.tuning import tune
from babelscope.data import atlas
from babelscope.data.draws import draw_questions
from babelscope.data.prompts import TEMPLATES
from babelscope.data.qa import first, read_qa
from babelscope.infer.batches import plan_batches
from babelscope.infer.generate import generate_answers
from babelscope.infer.lens import Lens, LensPrompt, prepare_lens, read_lens
from babelscope.languages import language
from babelscope.measure.answers import score_answers
from babelscope.measure.inference import compare
from babelscope.measure.lens import lens_differences
from babelscope.models.adapters import attach_adapters, detach_adapters, use_adapter
from babelscope.models.loading import LoadedModel, load_model
from babelscope.records import QuestionSet
from babelscope.study.cells import Answering, encode_questions
from babelscope.study.lensing import gold_ids
from babelscope.study.maps import make_map
from babelscope.study.schedule import decoding_of
from babelscope.study.scores import interference

PAIRS = (("or", "bn", "planted"), ("ur", "hi", "planted"), ("ar", "ru", "control"))
SWITCHES = {
    "max_steps": 30,
    "batch_size": 8,
    "accumulation": 1,
    "learning_rate": 1e-3,
    "max_tokens": 320,
    "answer_tokens": 24,
}

Seen = tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]


def look(lens: Lens, questions: QuestionSet, rival: QuestionSet, how: Answering) -> Seen:
    """Return interference (items,), masses (items, depths, columns), contrast (items, depths)."""
    prompts = encode_questions(lens.loaded, questions, how)
    golds = gold_ids(lens.loaded, questions, how)
    answers = []
    for batch in plan_batches([len(p.ids) for p in prompts], how.batch_tokens):
        given = [prompts[i] for i in batch]
        answers += generate_answers(lens.loaded, given, how.decoding, language=questions.language)
    by_id = {answer.id: answer for answer in answers}
    scored = score_answers(
        [by_id[e.id] for e in questions.examples],
        questions,
        (questions.language, rival.language),
    )
    pulled = interference(scored, questions, rival)
    theirs = {e.id: e.answers for e in rival.examples}
    asked = [
        LensPrompt(
            p.id, p.ids, g, (), {questions.language: e.answers[0], rival.language: theirs[e.id][0]},
            questions.language,
        )
        for p, g, e in zip(prompts, golds, questions.examples, strict=True)
    ]  # fmt: skip
    reading = read_lens(lens, asked, positions=("last",))
    there = reading.contrasts[:, :, reading.gold_languages.index(rival.language), 0]
    return pulled, reading.mass["map"][:, 0].astype(float), there.astype(float)


def study_pair(
    loaded: LoadedModel, lens: Lens, pair: tuple[str, str], recipe: Recipe, seeds: int, items: int
) -> tuple[Seen, list[Seen], list[str]]:
    """Return what base and tuned variants showed on a pair's contest items, and their contexts."""
    target, other = (language(code).code for code in pair)
    how = Answering(rendering_of(recipe, TEMPLATES, "answering"), decoding_of(recipe))
    asked, rival = (
        draw_questions(read_qa(f"atlas:contest:{b}", a, split="test"), items, 0)
        for a, b in ((target, other), (other, target))
    )
    base = look(lens, asked, rival, how)
    tuned = []
    source = first(read_qa("atlas", target, split="train"), 103)
    for seed in range(seeds):
        with tempfile.TemporaryDirectory() as folder:
            out = Path(folder) / "adapter"
            tune(loaded, source, recipe, seed=seed, saving=Saving(out))
            attached = attach_adapters(loaded, {"tuned": out})
            with use_adapter(attached, "tuned"):
                through = Lens(
                    attached, lens.table, lens.columns, lens.settings, lens.middle, lens.index
                )
                tuned.append(look(through, asked, rival, how))
            detach_adapters(attached)
    return base, tuned, [e.context_id for e in asked.examples]


def main() -> None:
    """Print a row for each pair and depth."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--items", type=int, default=120)
    given = parser.parse_args()
    loaded = load_model("mini")
    texts = {code: atlas.sentences(code) for code in sorted(atlas.languages())}
    language_map = make_map(loaded.tokenizer, loaded.parts.vocabulary_rows, texts)
    lens = prepare_lens(loaded, {"map": language_map.probability})
    recipe = change(find_recipe("default"), SWITCHES)
    for target, other, kind in PAIRS:
        base, tuned, contexts = study_pair(
            loaded, lens, (target, other), recipe, given.seeds, given.items
        )
        pulled, mass, contrast = (np.stack([seen[i] for seen in tuned]) for i in range(3))
        change_of = compare(pulled, base[0][None].repeat(len(tuned), 0), contexts)
        told = change_of.difference
        print(
            f"\n{target} <- {other} ({kind}), tuned on {target}, {len(tuned)} seeds: interference "
            f"{np.nanmean(base[0]):.3f} -> {np.nanmean(pulled):.3f}, difference {told.value:+.3f} "
            f"({told.low:+.3f} to {told.high:+.3f}), p {change_of.p_value:.3f} (these adapters "
            f"{change_of.p_adapters:.3f}), n {told.n}"
        )
        columns = language_map.columns
        masses = lens_differences(
            base[1][None, :, None], mass[:, :, None], contexts, ("last",), columns
        )
        golds = lens_differences(
            base[2][None, :, None, :, None], contrast[:, :, None, :, None], contexts, ("last",),
            ("gold",),
        )  # fmt: skip
        place = columns.index(language(other).code)
        for rows, name, values in (
            ([r for r in masses if r.language == columns[place]], "mass", base[1][..., place]),
            (golds, "P(gold)", base[2]),
        ):
            for row in rows:
                start = np.nanmean(values[:, row.depth])
                start, change_by, low, high = 100 * np.array([start, row.value, row.low, row.high])
                print(
                    f"  {name} of {other}, depth {row.depth}: {start:6.2f} % {change_by:+6.2f} "
                    f"points ({low:+.2f} to {high:+.2f}), p {row.p_value:.4f} (these adapters "
                    f"{row.p_adapters:.4f})"
                )


if __name__ == "__main__":
    main()
