"""The workloads that benchmarks share: a random BLOOM of 560M's shape and real prompts."""

from __future__ import annotations

import json
import tarfile
import tempfile
from pathlib import Path

import torch
import transformers
from transformers import AutoModelForCausalLM, AutoTokenizer, BloomConfig, PreTrainedTokenizerBase

from babelscope.models.loading import LoadedModel
from babelscope.models.parts import locate_parts

LANGUAGES = ("ar", "de", "en", "es", "hi", "ru", "tr", "zh")
ROWS = 250_880


def real_tokenizer(shared: Path, name: str) -> PreTrainedTokenizerBase:
    """Unpack and load one of the real tokenizers: qwen2, xlmr or mbert."""
    with tempfile.TemporaryDirectory() as folder:
        with tarfile.open(shared / "tokenizers" / f"{name}.tar.xz") as tar:
            tar.extractall(folder, filter="data")
        found = next(Path(folder).rglob("tokenizer_config.json")).parent
        return AutoTokenizer.from_pretrained(found)


def bloom_560m(
    tokenizer: PreTrainedTokenizerBase, *, layers: int = 24, dtype: torch.dtype = torch.float32
) -> LoadedModel:
    """Make a BLOOM of 560M's shape (24 layers, width 1,024) with random weights."""
    config = BloomConfig(
        vocab_size=ROWS,
        hidden_size=1024,
        n_layer=layers,
        n_head=16,
        bos_token_id=0,
        eos_token_id=2,
        pad_token_id=1,
    )
    torch.manual_seed(0)
    model = AutoModelForCausalLM.from_config(config, dtype=dtype).eval()
    return LoadedModel(
        model=model,
        tokenizer=tokenizer,
        parts=locate_parts(model),
        name="random bloom-560m",
        fingerprint="random",
        dtype=dtype,
        device=torch.device("cpu"),
    )


def xquad(shared: Path, language: str) -> list[dict[str, str]]:
    """Read XQuAD's questions: id, context, question, answer, in the file's order."""
    path = next((shared / "data" / "xquad").glob(f"*.{language}.json"))
    articles = json.loads(path.read_text(encoding="utf-8"))["data"]
    return [
        {
            "id": question["id"],
            "context": paragraph["context"],
            "question": question["question"],
            "answer": question["answers"][0]["text"],
        }
        for article in articles
        for paragraph in article["paragraphs"]
        for question in paragraph["qas"]
    ]


def prompt_text(row: dict[str, str]) -> str:
    """Return a question as the first paper's inference prompt."""
    return f"{row['context']}\n\nQ: {row['question']}\nA:"


def machine() -> str:
    """Say on what and with what versions a benchmark ran."""
    model = next(
        line.split(":", 1)[1].strip()
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        if line.startswith("model name")
    )
    device = torch.cuda.get_device_name() if torch.cuda.is_available() else "no GPU"
    return (
        f"{model}, {torch.get_num_threads()} threads, {device}; "
        f"torch {torch.__version__}, transformers {transformers.__version__}"
    )
