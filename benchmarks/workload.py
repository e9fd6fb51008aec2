"""What the benchmarks work on: a model of BLOOM-560M's shape, real questions, and best-of-N times.

Real files are read from the folder in BABELSCOPE_SHARED (or ../shared), as the tests do.
"""

from __future__ import annotations

import json
import os
import sys
import tarfile
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

import torch
import transformers
from transformers import AutoModelForCausalLM, AutoTokenizer, BloomConfig

from babelscope.data.prompts import TEMPLATES
from babelscope.models.encoding import EncodedPrompt, Rendering, encode_prompt
from babelscope.models.fused import fuse_activations
from babelscope.models.loading import LoadedModel
from babelscope.models.parts import locate_parts
from babelscope.records import Example

SHARED = Path(os.environ.get("BABELSCOPE_SHARED", Path(__file__).parents[2] / "shared"))
THREADS = 2
BLOOM_560M = {"hidden_size": 1024, "n_layer": 24, "n_head": 16, "vocab_size": 250880}


def unpacked(archive: str) -> Path:
    folder = Path(tempfile.gettempdir()) / "babelscope-bench" / Path(archive).name.split(".")[0]
    if not folder.is_dir():
        folder.mkdir(parents=True)
        with tarfile.open(SHARED / archive) as tar:
            tar.extractall(folder, filter="data")
    return folder


@lru_cache(maxsize=1)
def bloom_560m(
    *,
    layers: int = 24,
    dtype: torch.dtype = torch.float32,
    fused: bool = True,
    device: str = "cpu",
) -> LoadedModel:
    """A model of BLOOM-560M's shape with random weights, and a tokenizer of 250,002 entries.

    `fused` is as `load_model` would leave it; without, it is transformers' own.
    """
    torch.manual_seed(0)
    # twice the usual spread, so that the best two tokens are seldom close
    config = BloomConfig(**{**BLOOM_560M, "n_layer": layers}, initializer_range=0.04)
    model = AutoModelForCausalLM.from_config(config, dtype=dtype).eval().to(device)
    model.requires_grad_(False)
    model.generation_config.eos_token_id = None
    folder = next(unpacked("tokenizers/xlmr.tar.xz").rglob("tokenizer_config.json")).parent
    parts = locate_parts(model)
    if fused:
        fuse_activations(parts.blocks)
    return LoadedModel(
        model=model,
        tokenizer=AutoTokenizer.from_pretrained(folder),
        parts=parts,
        name="bloom-560m-shape",
        fingerprint="random",
        dtype=dtype,
        device=torch.device(device),
    )


def as_transformers_has_it(loaded: LoadedModel) -> LoadedModel:
    """The same weights in transformers' own modules, to be compared with."""
    with torch.device("meta"):
        model = AutoModelForCausalLM.from_config(loaded.model.config)
    model.load_state_dict(loaded.model.state_dict(), assign=True)
    model.tie_weights()
    model.generation_config = loaded.model.generation_config
    return replace(loaded, model=model.eval().requires_grad_(False))


def xquad(language: str, contexts: int, questions: int) -> list[Example]:
    """The first contexts of XQuAD that have as many questions, and that many of each."""
    told = json.loads((SHARED / f"data/xquad/xquad.{language}.json").read_text("utf-8"))["data"]
    paragraphs = [p for article in told for p in article["paragraphs"]]
    chosen = [p for p in paragraphs if len(p["qas"]) >= questions][:contexts]
    return [
        Example(q["id"], language, p["context"], q["question"], (q["answers"][0]["text"],), f"c{n}")
        for n, p in enumerate(chosen)
        for q in p["qas"][:questions]
    ]


def prompts_of(loaded: LoadedModel, examples: Sequence[Example]) -> list[EncodedPrompt]:
    rendering = Rendering(TEMPLATES["plain"])
    return [encode_prompt(loaded.tokenizer, rendering, example) for example in examples]


def best_times(
    runs: Mapping[str, Callable[[], object]], repeats: int
) -> dict[str, tuple[float, object]]:
    """Seconds of the fastest of some runs of each, taken in turns, with the last result."""
    torch.set_num_threads(THREADS)
    best: dict[str, tuple[float, object]] = {}
    for _ in range(repeats):
        for name, run in runs.items():
            start = time.perf_counter()
            result = run()
            seconds = time.perf_counter() - start
            print(f"  {name}: {seconds:.2f} s", file=sys.stderr, flush=True)
            best[name] = (min(seconds, best.get(name, (seconds, None))[0]), result)
    return best


def gemm_rate(rows: int, inner: int, columns: int, repeats: int = 5) -> float:
    """Measured rate of a linear layer in FLOP a second."""
    torch.set_num_threads(THREADS)
    x, w = torch.randn(rows, inner), torch.randn(columns, inner)
    run = {"gemm": lambda: torch.nn.functional.linear(x, w)}
    return 2 * rows * inner * columns / best_times(run, repeats)["gemm"][0]


def read_rate(repeats: int = 3) -> float:
    """Measured rate of reading memory in bytes a second."""
    torch.set_num_threads(THREADS)
    x = torch.ones(1 << 28)
    return x.numel() * 4 / best_times({"read": x.sum}, repeats)["read"][0]


def top_two_gap(loaded: LoadedModel, ids: Sequence[int]) -> float:
    """The gap of the two largest logits after some tokens."""
    with torch.inference_mode():
        asked = torch.tensor([list(ids)], device=loaded.device)
        logits = loaded.model(input_ids=asked, logits_to_keep=1).logits[0, -1]
    best = logits.topk(2).values
    return float(best[0] - best[1])


def machine() -> str:
    """On what, and with what versions, a benchmark runs."""
    told = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    name = next((x.split(":", 1)[1].strip() for x in told if x.startswith("model name")), "?")
    device = torch.cuda.get_device_name() if torch.cuda.is_available() else "no GPU"
    versions = f"torch {torch.__version__}, transformers {transformers.__version__}"
    return f"{name}, {torch.get_num_threads()} threads, {device}; {versions}"


def table(names: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print a Markdown table."""
    for row in (names, ["---"] * len(names), *rows):
        print("| " + " | ".join(row) + " |")
