"""One question a context against whole contexts: what it costs in time, what it saves in doubt.

    python benchmarks/sampling.py [time] [doubt]

`time`: the same number of questions from as many contexts as there are, two a context, and whole
contexts, on mini, in seconds of one processor, the fastest of three in turns; what prompts share is
read once. `doubt`: how alike the changes of questions on one
context are when mini is tuned on Odia (the intra-class correlation r of the analysis of variance),
and what n questions of m a context are then worth: n / (1 + (m - 1) r).
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from time import process_time

import numpy as np
import torch
from numpy.typing import NDArray
from planted_pairs import SWITCHES
from workload import SHARED, machine, prompts_of, table

from babelscope.adapt.recipes import change, find_recipe, rendering_of
from babelscope.adapt.saving import Saving
from babelscope.adapt.tuning import tune
from babelscope.data.draws import PerContext, draw_questions
from babelscope.data.prompts import TEMPLATES
from babelscope.data.qa import first, read_qa
from babelscope.infer.generate import Decoding, generate_answers
from babelscope.infer.prefixes import prefix_tree
from babelscope.measure.answers import score_answers
from babelscope.models.adapters import attach_adapters, use_adapter
from babelscope.models.loading import LoadedModel, load_model
from babelscope.records import QuestionSet
from babelscope.study.cells import Answering, encode_questions
from babelscope.study.schedule import decoding_of

TARGETS = ("en", "el", "sw", "or", "ta")
MEASURES = ("mlqa_em", "mlqa_f1", "char_f1")
REPEATS = 3
XQUAD = SHARED / "data/xquad/xquad.en.json"


def contexts_of(questions: QuestionSet) -> list[str]:
    return [example.context_id for example in questions.examples]


def show_times(name: str, questions: QuestionSet, n: int, ways: Sequence[PerContext]) -> None:
    """Print the seconds of n questions drawn each way; the last way is what others are set to."""
    loaded = load_model("mini")
    drawn = {str(way): draw_questions(questions, n, 0, way) for way in ways}
    prompts = {way: prompts_of(loaded, found.examples) for way, found in drawn.items()}
    times = dict.fromkeys(drawn, np.inf)
    torch.set_num_threads(1)
    for _ in range(REPEATS):
        for way, asked in prompts.items():
            began = process_time()
            generate_answers(loaded, asked, Decoding(24), language=questions.language)
            times[way] = min(times[way], process_time() - began)
            print(f"  {way}: {times[way]:.2f} s at best", file=sys.stderr, flush=True)
    whole = times[str(ways[-1])]
    rows = []
    for way, found in drawn.items():
        tree = prefix_tree([p.ids for p in prompts[way]])
        once = sum(s.end - s.start for s in (*tree.shared, *tree.own))
        rows.append(
            [
                f"{name}, {way} a context",
                f"{len(found.examples)} from {len(set(contexts_of(found)))}",
                f"{sum(len(p.ids) for p in prompts[way])}, {once}",
                f"{times[way]:.2f} s",
                f"{times[way] / whole:.2f}",
            ]
        )
    head = ("work", "questions from contexts", "tokens, each once", "CPU time")
    table((*head, "times whole contexts"), rows)


def correlation(values: NDArray[np.float64], contexts: Sequence[str]) -> float:
    """Return the intra-class correlation of the one-way analysis of variance, sizes unequal."""
    names = sorted(set(contexts))
    groups = [values[[c == name for c in contexts]] for name in names]
    sizes = np.array([len(group) for group in groups])
    n, k = sizes.sum(), len(groups)
    within = sum(((group - group.mean()) ** 2).sum() for group in groups) / (n - k)
    between = sum(len(g) * (g.mean() - values.mean()) ** 2 for g in groups) / (k - 1)
    size = (n - (sizes**2).sum() / n) / (k - 1)
    return float((between - within) / (between + (size - 1) * within))


def scores_of(
    loaded: LoadedModel, questions: QuestionSet, how: Answering
) -> dict[str, NDArray[np.float64]]:
    prompts = encode_questions(loaded, questions, how)
    answers = generate_answers(loaded, prompts, how.decoding, language=questions.language)
    scored = score_answers(answers, questions)
    return {m: np.array([float(getattr(s.scores, m)) for s in scored]) for m in MEASURES}


def show_doubt() -> None:
    """Print r of scores and of changes, and the worth of whole contexts."""
    loaded, recipe = load_model("mini"), change(find_recipe("default"), SWITCHES)
    how = Answering(rendering_of(recipe, TEMPLATES, "answering"), decoding_of(recipe))
    tests = {code: read_qa("atlas", code) for code in TARGETS}
    before = {code: scores_of(loaded, found, how) for code, found in tests.items()}
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "adapter"
        tune(
            loaded,
            first(read_qa("atlas", "or", split="train"), 103),
            recipe,
            seed=0,
            saving=Saving(out),
        )
        attached = attach_adapters(loaded, {"tuned": out})
        with use_adapter(attached, "tuned"):
            after = {code: scores_of(attached, found, how) for code, found in tests.items()}
    rows = []
    for measure in MEASURES:
        for code, found in tests.items():
            old, new = before[code][measure], after[code][measure]
            r = correlation(new - old, contexts_of(found))
            rows.append(
                [
                    measure,
                    code,
                    f"{old.mean():.3f} -> {new.mean():.3f}",
                    f"{correlation(new, contexts_of(found)):+.3f}",
                    f"{r:+.3f}",
                    *(f"{240 / (1 + (m - 1) * r):.0f}" for m in (2, 3, 5)),
                ]
            )
    head = ("measure", "target", "score", "r of scores", "r of changes")
    table((*head, "240 of two a context", "of three", "of five"), rows)


def main() -> None:
    """Print the tables that are asked for, both without an argument."""
    wanted = sys.argv[1:] or ["time", "doubt"]
    print(machine())
    if "time" in wanted:
        show_times("atlas", read_qa("atlas:pretrain", "en"), 240, ("fewest", 2, "all"))
        if XQUAD.is_file():
            show_times("XQuAD", read_qa(str(XQUAD), "en"), 60, ("fewest", 2, "all"))
    if "doubt" in wanted:
        show_doubt()


if __name__ == "__main__":
    main()
