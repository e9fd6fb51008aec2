"""Answers a second against lm-evaluation-harness: same model, prompts and greedy answers.

    PYTHON_WITH_LM_EVAL benchmarks/harness.py

The harness is installed apart, beside the project's own pins. The prompts go through a task file
that is written here; both ways generate 16 tokens for each.
"""

from __future__ import annotations

import json
import tempfile
from importlib.metadata import version
from pathlib import Path

import torch
from lm_eval import simple_evaluate
from lm_eval.models.huggingface import HFLM
from lm_eval.tasks import TaskManager
from workload import THREADS, as_transformers_has_it, best_times, bloom_560m, table, xquad

from babelscope.data.prompts import TEMPLATES, prompt_parts
from babelscope.infer.generate import Decoding, generate_answers
from babelscope.models.encoding import Rendering, encode_prompt

BATCH = 8
TASK = """
task: babelscope_xquad
dataset_path: json
dataset_kwargs: {{data_files: {{test: "{file}"}}}}
output_type: generate_until
test_split: test
doc_to_text: "{{{{prompt}}}}"
doc_to_target: ""
generation_kwargs: {{until: ["\\u0000"], do_sample: false, max_gen_toks: 16}}
metric_list: [{{metric: bypass}}]
"""


def main(repeats: int = 1) -> None:
    torch.set_num_threads(THREADS)
    loaded = bloom_560m()
    examples = xquad("en", 12, 5)
    # without begin tokens: the harness has this tokenizer add both <s> and </s>, or neither
    rendering = Rendering(TEMPLATES["plain"], begin="never")
    prompts = [encode_prompt(loaded.tokenizer, rendering, e) for e in examples]
    parts = [prompt_parts(rendering.template, e) for e in examples]
    texts = [p.head + p.context + p.tail for p in parts]
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "prompts.jsonl"
        file.write_text("\n".join(json.dumps({"prompt": text}) for text in texts))
        (Path(folder) / "task.yaml").write_text(TASK.format(file=file))
        harness = HFLM(
            pretrained=as_transformers_has_it(loaded).model,
            tokenizer=loaded.tokenizer,
            batch_size=BATCH,
            add_bos_token=False,
            device="cpu",
        )
        manager = TaskManager(include_path=folder)

        def theirs() -> list[str]:
            out = simple_evaluate(
                harness, tasks=["babelscope_xquad"], task_manager=manager, log_samples=True
            )
            rows = sorted(out["samples"]["babelscope_xquad"], key=lambda row: row["doc_id"])
            return [row["resps"][0][0] for row in rows]

        def ours() -> list[str]:
            decoding = Decoding(16, stop_at_newline=False)
            return [a.prediction for a in generate_answers(loaded, prompts, decoding, language="")]

        told = [tuple(harness.tok_encode(text)) for text in texts]
        same = sum(ids == p.ids for ids, p in zip(told, prompts, strict=True))
        best = best_times({"ours": ours, "theirs": theirs}, repeats)
    (mine, found), (harnessed, expected) = best["ours"], best["theirs"]
    pairs = zip(found, expected, strict=True)  # type: ignore[call-overload]
    equal = sum(a.strip() == b.strip() for a, b in pairs)
    print(
        f"lm_eval {version('lm_eval')}, transformers {version('transformers')}, "
        f"torch {version('torch')}; {same} of {len(prompts)} prompts have the same ids; "
        f"equal answers {equal}"
    )
    row = (f"{harnessed:.1f}", f"{mine:.1f}", f"{harnessed / mine:.2f}")
    table((f"lm_eval, batches of {BATCH}, s", "ours, s", "times (>= 2)"), [row])


if __name__ == "__main__":
    main()
