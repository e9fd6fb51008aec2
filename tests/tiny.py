"""Tiny models and tokenizers that tests build from configuration: `from tiny import ...`."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import torch
import transformers
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from transformers import PreTrainedTokenizerFast

from babelscope.models.loading import LoadedModel
from babelscope.models.parts import locate_parts

FAMILIES = ("bloom", "qwen2", "qwen3", "llama", "gemma", "gemma2", "mistral", "gpt_neox")
LENS_FAMILIES = (*FAMILIES, "cohere", "granite", "olmo2", "olmo", "olmoe", "opt")
"""Further forms of a head: scaled logits, multiplied or divided; norms behind the sums only; a norm
without weights; experts; a projection to a narrower embedding, no norm (OPT-350m)."""
ENCODERS = ("xlm_roberta", "bert", "distilbert", "modernbert")
"""Two that end with a norm inside their blocks and two others: no pooler, a norm behind them."""
BLIND_ENCODERS = ("convbert", "mobilebert", "nystromformer", "fnet")
"""Encoders whose states change with the padding beside a text, masked or not."""
ROWS = 512
"""Rows of the tiny models' vocabularies: more than the tokenizer has, as BLOOM's are padded."""
VOCABULARY = 480

TEXT = (
    "The capital of India is New Delhi. Q: What is the capital? A: New Delhi\n"
    "La capitale de la France est Paris. Die Hauptstadt von Deutschland ist Berlin.\n"
    "भारत की राजधानी नई दिल्ली है। ଭାରତର ରାଜଧାନୀ ନୂଆଦିଲ୍ଲୀ। 中国的首都是北京。 مصر عاصمتها القاهرة\n"
)

_SHAPE = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "vocab_size": ROWS}
_MODERN = {
    **_SHAPE,
    "num_key_value_heads": 2,
    "intermediate_size": 64,
    "max_position_embeddings": 4096,
    "head_dim": 8,
}


def _rope(limit: int, **scales: float) -> dict[str, object]:
    """LongRoPE as Phi-3 and Phi-3.5-MoE have it: other factors beyond `limit` tokens."""
    return {
        "original_max_position_embeddings": limit,
        "rope_parameters": {
            "rope_type": "longrope",
            "rope_theta": 1e4,
            "short_factor": [1.0] * 4,
            "long_factor": [4.0, 6.0, 9.0, 12.0],
            **scales,
            "original_max_position_embeddings": limit,
        },
    }


_CLASSES = {
    "bloom": ("BloomConfig", {"hidden_size": 32, "n_layer": 2, "n_head": 4, "vocab_size": ROWS}),
    "qwen2": ("Qwen2Config", _MODERN),
    "qwen3": ("Qwen3Config", _MODERN),
    "llama": ("LlamaConfig", _MODERN),
    "gemma": ("GemmaConfig", _MODERN),
    "gemma2": (
        "Gemma2Config",
        {**_MODERN, "final_logit_softcapping": 3.0, "sliding_window": 16},
    ),
    "mistral": ("MistralConfig", {**_MODERN, "sliding_window": 16}),
    "gpt_neox": ("GPTNeoXConfig", {**_SHAPE, "intermediate_size": 64}),
    "cohere": ("CohereConfig", {**_MODERN, "logit_scale": 0.25}),
    "granite": ("GraniteConfig", {**_MODERN, "logits_scaling": 4.0, "residual_multiplier": 0.5}),
    "olmo2": ("Olmo2Config", _MODERN),
    "olmo": ("OlmoConfig", _MODERN),
    "olmoe": ("OlmoeConfig", {**_MODERN, "num_experts": 4, "num_experts_per_tok": 2}),
    "opt": (
        "OPTConfig",
        {**_SHAPE, "ffn_dim": 64, "word_embed_proj_dim": 16, "max_position_embeddings": 128}
        | {"do_layer_norm_before": False},
    ),
    "opt_normed": (
        "OPTConfig",
        {**_SHAPE, "ffn_dim": 64, "word_embed_proj_dim": 16, "max_position_embeddings": 128},
    ),
    "openai_gpt": ("OpenAIGPTConfig", {"n_embd": 32, "n_layer": 2, "n_head": 4, "n_positions": 99}),
    "rwkv": ("RwkvConfig", {"hidden_size": 32, "num_hidden_layers": 2, "context_length": 99}),
    "jetmoe": (
        "JetMoeConfig",
        {**_SHAPE, "num_key_value_heads": 2, "kv_channels": 8, "intermediate_size": 64}
        | {"num_local_experts": 4, "num_experts_per_tok": 2},
    ),
    "longrope": ("Phi3Config", {**_MODERN, **_rope(64)}),
    "phimoe": (
        "PhimoeConfig",
        {**_MODERN, "num_local_experts": 2, **_rope(64, short_mscale=1.0, long_mscale=1.3)},
    ),
    "dynamic": (
        "LlamaConfig",
        {**_MODERN, "max_position_embeddings": 64}
        | {"rope_parameters": {"rope_type": "dynamic", "factor": 4.0, "rope_theta": 1e4}},
    ),
}
_ENCODER = {**_SHAPE, "intermediate_size": 64, "max_position_embeddings": 66}
_ENCODERS = {
    "xlm_roberta": ("XLMRobertaConfig", _ENCODER),
    "bert": ("BertConfig", _ENCODER),
    "distilbert": (
        "DistilBertConfig",
        {"dim": 32, "n_layers": 2, "n_heads": 4, "hidden_dim": 64, "vocab_size": ROWS}
        | {"max_position_embeddings": 66},
    ),
    "modernbert": (
        "ModernBertConfig",
        {**_ENCODER, "cls_token_id": 1, "sep_token_id": 2, "local_attention": 8},
    ),
    "convbert": (
        "ConvBertConfig",
        {**_ENCODER, "embedding_size": 32, "conv_kernel_size": 3, "head_ratio": 2},
    ),
    "mobilebert": (
        "MobileBertConfig",
        {**_ENCODER, "embedding_size": 16, "true_hidden_size": 32, "intra_bottleneck_size": 32},
    ),
    "nystromformer": ("NystromformerConfig", {**_ENCODER, "conv_kernel_size": 5}),
    "fnet": ("FNetConfig", _ENCODER),
    "longformer": ("LongformerConfig", {**_ENCODER, "attention_window": [8, 8]}),
    "ibert": ("IBertConfig", {**_ENCODER, "quant_mode": True}),
}


def tiny_model(
    family: str, *, seed: int = 0, spread: float = 0.3, rows: int = ROWS
) -> transformers.PreTrainedModel:
    """A random two-layer float32 model in eval mode; `spread` is the deviation of its weights.

    The spread is wide so that logits differ clearly and greedy answers vary with the prompt.
    """
    name, shape = _CLASSES[family]
    config = getattr(transformers, name)(
        **{**shape, "vocab_size": rows},
        bos_token_id=1,
        eos_token_id=2,
        pad_token_id=3,
        initializer_range=spread,
    )
    torch.manual_seed(seed)
    model = transformers.AutoModelForCausalLM.from_config(config, dtype=torch.float32)
    with torch.no_grad():
        for tensor in model.parameters():
            if tensor.dim() == 1:  # norms and biases start at exactly 0 or 1: hide no mistake
                tensor.add_(0.1 * torch.randn_like(tensor))
    return model.eval()


def tiny_encoder(
    family: str, *, seed: int = 0, rows: int = ROWS, room: int = 66
) -> transformers.PreTrainedModel:
    """A random two-layer float32 encoder with its masked-language-model head, in eval mode."""
    name, shape = _ENCODERS[family]
    config = getattr(transformers, name)(
        **{**shape, "vocab_size": rows, "max_position_embeddings": room},
        bos_token_id=1,
        eos_token_id=2,
        pad_token_id=3,
        initializer_range=0.3,
    )
    torch.manual_seed(seed)
    model = transformers.AutoModelForMaskedLM.from_config(config, dtype=torch.float32)
    with torch.no_grad():
        for tensor in model.parameters():
            if tensor.dim() == 1:
                tensor.add_(0.1 * torch.randn_like(tensor))
    return model.eval()


@lru_cache(maxsize=4)
def _backend(adds_begin: bool, adds_end: bool = False) -> str:
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY,
        special_tokens=["<unk>", "<s>", "</s>", "<pad>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator([TEXT] * 4, trainer)
    if adds_begin:
        tokenizer.post_processor = processors.TemplateProcessing(
            single="<s> $A </s>" if adds_end else "<s> $A",
            special_tokens=[("<s>", 1), ("</s>", 2)],
        )
    return tokenizer.to_str()


def tiny_tokenizer(
    *, adds_begin: bool = False, adds_end: bool = False, pad: str | None = "<pad>"
) -> PreTrainedTokenizerFast:
    """A byte-level BPE tokenizer of 480 entries with `<unk>`, `<s>`, `</s>`, `<pad>` first."""
    return PreTrainedTokenizerFast(
        tokenizer_object=Tokenizer.from_str(_backend(adds_begin, adds_end)),
        unk_token="<unk>",
        bos_token="<s>",
        eos_token="</s>",
        **({"pad_token": pad} if pad else {}),
    )


def save_tiny(
    folder: Path, family: str = "bloom", *, seed: int = 0, rows: int = ROWS, room: int = 66
) -> Path:
    """Write a tiny model and its tokenizer as a model folder and return it.

    `room` is an encoder's number of positions.
    """
    encodes = family in _ENCODERS
    model = (
        tiny_encoder(family, seed=seed, rows=rows, room=room)
        if encodes
        else tiny_model(family, seed=seed, rows=rows)
    )
    model.save_pretrained(folder)
    tiny_tokenizer(adds_begin=encodes, adds_end=encodes).save_pretrained(folder)
    return folder


def tiny_loaded(family: str) -> LoadedModel:
    """A tiny model as `load_model` would give it, on the CPU in float32."""
    model = tiny_model(family)
    return LoadedModel(
        model=model,
        tokenizer=tiny_tokenizer(),
        parts=locate_parts(model),
        name=family,
        fingerprint=family,
        dtype=torch.float32,
        device=torch.device("cpu"),
    )
