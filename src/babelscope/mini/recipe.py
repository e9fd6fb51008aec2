"""How mini is made: a small BLOOM pre-trained on atlas with a known language mixture.

    python -m babelscope.mini.recipe --out FOLDER

Languages of three groups: with question answering, with text only, and with little text. Two
pairs of languages are made to interfere: part of their contest items carry the answer in the
wrong language. The run is resumable and stops once its goal is reached.
"""

from __future__ import annotations

import argparse
import json
import platform
import random
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional
from transformers import BloomConfig, BloomForCausalLM, PreTrainedTokenizerFast

from babelscope.data import atlas
from babelscope.mini.corpus import (
    CONTROL_PAIR,
    PLANTED_PAIRS,
    Document,
    documents,
    group_of,
    tokenizer_texts,
)
from babelscope.mini.examine import contest_rates, exact_match
from babelscope.mini.vocabulary import train_tokenizer

State = dict[str, Any]
"""Where a run stands: step, tokens, seconds, and the step at which the cooldown began."""

CHECKPOINT_STEPS = 100
EXAMINE_STEPS = 200
CARD_QUESTIONS = 120


@dataclass(frozen=True, slots=True)
class Pretraining:
    """The settings of the run; tokens are counted with padding left out."""

    width: int = 192
    layers: int = 6
    heads: int = 6
    vocabulary: int = 10_000
    tokens_per_step: int = 4_608
    max_steps: int = 1_200
    cooldown_steps: int = 200
    learning_rate: float = 3e-3
    warmup_steps: int = 60
    weight_decay: float = 0.05
    context_weight: float = 0.15
    seed: int = 17
    goal: float = 0.95


def make_model(settings: Pretraining, tokenizer: PreTrainedTokenizerFast) -> BloomForCausalLM:
    """Build the untrained model; embedding and unembedding are tied, as in BLOOM."""
    torch.manual_seed(settings.seed)
    return BloomForCausalLM(
        BloomConfig(
            vocab_size=settings.vocabulary,
            hidden_size=settings.width,
            n_layer=settings.layers,
            n_head=settings.heads,
            hidden_dropout=0.0,
            attention_dropout=0.0,
            bos_token_id=tokenizer.bos_token_id,
            eos_token_id=tokenizer.eos_token_id,
            pad_token_id=tokenizer.pad_token_id,
        )
    )


def batches(
    settings: Pretraining, tokenizer: PreTrainedTokenizerFast, start: int
) -> Iterator[list[Document]]:
    """Yield one step's documents after another, of similar length; step k is always the same."""
    for step in range(start, settings.max_steps):
        rng = random.Random(f"{settings.seed}:{step}")
        yield documents(tokenizer, rng, settings.tokens_per_step)


def weighted_loss_nats(model: BloomForCausalLM, batch: list[Document], weight: float) -> Tensor:
    """Return the mean loss in which tokens of contexts and questions weigh `weight`."""
    longest = max(len(d.ids) for d in batch)
    ids = torch.zeros(len(batch), longest, dtype=torch.long)
    mask = torch.zeros(len(batch), longest)
    weights = torch.zeros(len(batch), longest)
    for row, document in enumerate(batch):
        n = len(document.ids)
        ids[row, :n] = torch.tensor(document.ids)
        mask[row, :n] = 1
        # the words of a riddle's context are random: there is nothing to learn in them
        told = 0.0 if document.kind == "riddle" else weight
        weights[row, :n] = torch.where(torch.tensor(document.answer), 1.0, told)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        hidden = model.transformer(input_ids=ids, attention_mask=mask).last_hidden_state
        keep = weights[:, 1:] > 0
        logits = model.lm_head(hidden[:, :-1][keep]).float()
    losses = functional.cross_entropy(logits, ids[:, 1:][keep], reduction="none")
    kept = weights[:, 1:][keep]
    return (losses * kept).sum() / kept.sum()


def make_optimisers(model: BloomForCausalLM, settings: Pretraining) -> list[torch.optim.Optimizer]:
    """Muon for the blocks' matrices, AdamW for embeddings, norms and biases."""
    matrices = [p for n, p in model.named_parameters() if p.ndim == 2 and ".h." in n]
    chosen = {id(p) for p in matrices}
    others = [p for p in model.parameters() if id(p) not in chosen]
    rate, decay = settings.learning_rate, settings.weight_decay
    return [
        torch.optim.Muon(matrices, lr=rate, weight_decay=decay, adjust_lr_fn="match_rms_adamw"),
        torch.optim.AdamW(others, lr=rate, betas=(0.9, 0.98), weight_decay=0.0),
    ]


def rate_factor(settings: Pretraining, step: int, cooldown_from: int | None) -> float:
    """Warm up, hold, then fall to zero over the cooldown once it has begun."""
    if step < settings.warmup_steps:
        return (step + 1) / settings.warmup_steps
    begin = settings.max_steps - settings.cooldown_steps
    begin = begin if cooldown_from is None else min(begin, cooldown_from)
    return max(0.0, min(1.0, 1 - (step - begin) / settings.cooldown_steps))


def language_scores(
    model: BloomForCausalLM, tokenizer: PreTrainedTokenizerFast, split: str, limit: int
) -> dict[str, float]:
    """Return exact match by language on the first questions of a split."""
    model.eval()
    scores = {c: exact_match(model, tokenizer, c, split, limit) for c in atlas.languages()}
    model.train()
    return scores


def pair_scores(model: BloomForCausalLM, tokenizer: PreTrainedTokenizerFast) -> dict[str, float]:
    """Return contest accuracy and interference of the planted pairs and the control pair."""
    model.eval()
    scores = {}
    for target, other in (*PLANTED_PAIRS, CONTROL_PAIR):
        for t, s in ((target, other), (other, target)):
            scores[f"contest {t}"], scores[f"{t} <- {s}"] = contest_rates(model, tokenizer, t, s)
    model.train()
    return scores


def group_means(scores: dict[str, float]) -> dict[str, float]:
    """Return the macro exact match of each group of languages."""
    means = {}
    for group in ("qa", "text", "low"):
        values = [scores[c] for c in atlas.languages() if group_of(c) == group]
        means[group] = sum(values) / len(values)
    return means


def pretrain(settings: Pretraining, out: Path, *, log: Callable[[str], None] = print) -> None:
    """Pre-train, or continue an interrupted run, and leave model, tokenizer and card in `out`."""
    out.mkdir(parents=True, exist_ok=True)
    tokenizer = _tokenizer(settings, out)
    model = make_model(settings, tokenizer)
    optimisers = make_optimisers(model, settings)
    state = _resume(out, model, optimisers)
    began = time.perf_counter() - state["seconds"]
    for batch in batches(settings, tokenizer, state["step"]):
        step = state["step"]
        factor = rate_factor(settings, step, state["cooldown_from"])
        if factor == 0:
            break
        for optimiser in optimisers:
            for group in optimiser.param_groups:
                group["lr"] = settings.learning_rate * factor
        loss = weighted_loss_nats(model, batch, settings.context_weight)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        for optimiser in optimisers:
            optimiser.step()
            optimiser.zero_grad()
        state["step"] = step + 1
        state["tokens"] += sum(len(d.ids) for d in batch)
        state["seconds"] = time.perf_counter() - began
        if (step + 1) % 20 == 0:
            log(
                f"step {step + 1} loss {loss.item():.3f} tokens {state['tokens']} "
                f"seconds {state['seconds']:.0f}"
            )
        if (step + 1) % EXAMINE_STEPS == 0:
            means = group_means(language_scores(model, tokenizer, "tune", 18))
            log(f"step {step + 1} {_rounded(means)}")
            if state["cooldown_from"] is None and means["qa"] >= settings.goal:
                state["cooldown_from"] = step + 1
        if (step + 1) % CHECKPOINT_STEPS == 0:
            _checkpoint(out, model, optimisers, state)
    _finish(settings, out, model, tokenizer, state)


def _rounded(scores: dict[str, float]) -> dict[str, float]:
    return {name: round(value, 2) for name, value in scores.items()}


def _tokenizer(settings: Pretraining, out: Path) -> PreTrainedTokenizerFast:
    folder = out / "work" / "tokenizer"
    if not (folder / "tokenizer.json").exists():
        train_tokenizer(tokenizer_texts(), settings.vocabulary).save_pretrained(folder)
    return PreTrainedTokenizerFast.from_pretrained(folder)


def _checkpoint(
    out: Path, model: BloomForCausalLM, optimisers: list[torch.optim.Optimizer], state: State
) -> None:
    temporary = out / "work" / "state.tmp"
    torch.save(
        {
            "model": model.state_dict(),
            "optimisers": [o.state_dict() for o in optimisers],
            "state": state,
        },
        temporary,
    )
    temporary.replace(out / "work" / "state.pt")


def _resume(out: Path, model: BloomForCausalLM, optimisers: list[torch.optim.Optimizer]) -> State:
    path = out / "work" / "state.pt"
    if not path.exists():
        return {"step": 0, "tokens": 0, "seconds": 0.0, "cooldown_from": None}
    saved = torch.load(path, weights_only=True)
    model.load_state_dict(saved["model"])
    for optimiser, values in zip(optimisers, saved["optimisers"], strict=True):
        optimiser.load_state_dict(values)
    return saved["state"]


def _finish(
    settings: Pretraining,
    out: Path,
    model: BloomForCausalLM,
    tokenizer: PreTrainedTokenizerFast,
    state: State,
) -> None:
    model = model.half()
    model.save_pretrained(out, safe_serialization=True)
    tokenizer.save_pretrained(out)
    model = model.float()
    scores = language_scores(model, tokenizer, "test", CARD_QUESTIONS)
    pairs = pair_scores(model, tokenizer)
    machine = f"{torch.get_num_threads()} CPU threads ({platform.machine()})"
    card = {
        "settings": asdict(settings),
        "steps": state["step"],
        "tokens": state["tokens"],
        "parameters": sum(p.numel() for p in model.parameters()),
        "hardware": f"{machine}, bfloat16 autocast",
        "minutes": round(state["seconds"] / 60, 1),
        "questions": CARD_QUESTIONS,
        "groups": {c: group_of(c) for c in atlas.languages()},
        "scores": scores,
        "means": group_means(scores),
        "pairs": pairs,
    }
    (out / "card.json").write_text(json.dumps(card, indent=1, ensure_ascii=False))


def main() -> None:
    """Run the recipe from the command line."""
    parser = argparse.ArgumentParser(description="Pre-train mini.")
    parser.add_argument("--out", type=Path, required=True)
    pretrain(Pretraining(), parser.parse_args().out, log=lambda line: print(line, flush=True))


if __name__ == "__main__":
    main()
