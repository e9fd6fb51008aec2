"""Tiny random models of every family that transformers knows, built from its own configurations.

A family's configuration is asked which sizes it has; those that `SIZES` knows are made small.
What a family needs besides stands in `OVERRIDES`.
"""

from __future__ import annotations

import logging
import warnings
from pathlib import Path
from typing import Any

import torch
import transformers
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from transformers import CONFIG_MAPPING, PreTrainedModel, PreTrainedTokenizerFast
from transformers.models.auto import modeling_auto

ROWS = 512
VOCABULARY = 480
WIDTH = 32
POSITIONS = 260
SPREAD = 0.3
"""Deviation of the weights: wide, so that logits differ and answers vary with the prompt."""

TEXT = (
    "The capital of India is New Delhi. Q: What is the capital? A: New Delhi\n"
    "La capitale de la France est Paris. Die Hauptstadt von Deutschland ist Berlin.\n"
    "भारत की राजधानी नई दिल्ली है। 中国的首都是北京。 مصر عاصمتها القاهرة\n"
)


def _each(names: str, value: Any) -> dict[str, Any]:
    """Return one value for several names, parted by spaces."""
    return dict.fromkeys(names.split(), value)


SIZES: dict[str, int] = {
    **_each("hidden_size n_embd d_model dim embedding_size emb_dim", 32),
    **_each("num_hidden_layers n_layer n_layers num_layers", 2),
    **_each("num_attention_heads n_head n_heads num_heads", 4),
    **_each("num_key_value_heads num_kv_heads num_query_groups", 2),
    **_each("head_dim d_head attention_head_dim attention_head_size", 8),
    **_each("kv_channels swa_head_dim v_head_dim rotary_dim", 8),
    **_each("qk_rope_head_dim qk_nope_head_dim index_head_dim mamba_d_head", 8),
    **_each("linear_key_head_dim linear_value_head_dim linear_head_dim", 8),
    **_each("linear_num_key_heads linear_num_value_heads linear_num_heads", 4),
    **_each("intermediate_size n_inner ffn_dim hidden_dim dim_ff dff", 64),
    **dict.fromkeys(
        ("d_inner", "ffn_hidden_size", "feed_forward_size", "intermediate_size_mlp"), 64
    ),
    **_each("moe_intermediate_size shared_expert_intermediate_size", 24),
    **_each("shared_intermediate_size expert_ffn_hidden_size", 24),
    **_each("num_experts n_routed_experts num_local_experts moe_num_experts", 4),
    **_each("num_experts_per_tok num_experts_per_token moe_topk moe_k", 2),
    **_each("n_group topk_group num_expert_group mamba_n_groups", 1),
    **_each("q_lora_rank kv_lora_rank o_lora_rank", 16),
    **_each("state_size mamba_d_state ssm_state_size", 8),
    **_each("mamba_n_heads mamba_num_heads", 8),
    **dict.fromkeys(
        ("max_position_embeddings", "n_positions", "n_ctx", "model_max_length"), POSITIONS
    ),
    **_each("max_seq_len context_length", POSITIONS),
    "chunk_size": 16,
    "first_k_dense_replace": 1,
    "num_nextn_predict_layers": 0,
    "sliding_window": 16,
    "type_vocab_size": 2,
    "vocab_size": ROWS,
}
"""Sizes by the names that configurations have for them."""

_LATENT = {"num_key_value_heads": 4}
_LINEAR = {"layer_types": ["linear_attention", "full_attention"]}
OVERRIDES: dict[str, dict[str, Any]] = {
    **_each("axk1 axk2 deepseek_v3 deepseek_v32 glm4_moe_lite glm_moe_dsa", _LATENT),
    **_each("longcat_flash minicpm3 youtu dots3_note_text esmc", _LATENT),
    **_each("qwen3_next qwen3_5_text qwen3_5_moe_text", _LINEAR),
    **_each("bailing_hybrid kimi_linear", _LATENT | _LINEAR),
    "bamba": {"attn_layer_indices": [1]},
    "deepseek_v2": {**_LATENT, "num_experts_per_tok": 2},
    "dots1": {"n_routed_experts": 4, "n_shared_experts": 1, "num_experts_per_tok": 2},
    "esm": {"mask_token_id": 4, "vocab_size": ROWS},
    "falcon_h1": {"mamba_d_ssm": 64},
    "funnel": {"block_sizes": [1, 1], "num_decoder_layers": 1},
    "gemma3n_text": {
        "num_hidden_layers": 4,
        "num_kv_shared_layers": 2,
        "vocab_size_per_layer_input": ROWS,
        "hidden_size_per_layer_input": 8,
        "layer_types": ["sliding_attention", "full_attention"] * 2,
        "activation_sparsity_pattern": [0.0] * 4,
    },
    "gemma4_text": {"vocab_size_per_layer_input": ROWS, "hidden_size_per_layer_input": 8},
    "gpt_neo": {"attention_types": [[["global", "local"], 1]]},
    "granitemoehybrid": _LINEAR,
    "hunyuan_v1_dense": {"head_dim": 8},
    "hunyuan_v1_moe": {"head_dim": 8},
    "jamba": {"attn_layer_period": 2, "attn_layer_offset": 1, "mamba_dt_rank": 4},
    "lfm3": {"layer_types": ["conv", "full_attention"]},
    "luke": {"entity_vocab_size": 8, "entity_emb_size": 16},
    "mamba2": {"num_heads": 8, "n_groups": 1},
    "ministral": {"head_dim": 8},
    "mobilebert": {"intra_bottleneck_size": 16, "embedding_size": 16},
    "nemotron": {"num_key_value_heads": 2},
    "recurrent_gemma": {"block_types": ["recurrent", "attention"], "lru_width": 32},
    "rembert": {"input_embedding_size": 16, "output_embedding_size": 40},
    "reformer": {"axial_pos_embds": False, "is_decoder": False, "attn_layers": ["local", "lsh"]},
    "roc_bert": {
        "pronunciation_embed_dim": 8,
        "pronunciation_vocab_size": 32,
        "shape_embed_dim": 8,
        "shape_vocab_size": 32,
    },
    "xlstm": {"num_heads": 2},
    "xmod": {"languages": ["en_XX"], "default_language": "en_XX"},
    "zamba": {"layers_block_type": ["linear_attention", "hybrid"], "attention_head_dim": 16},
    "zamba2": {
        "layers_block_type": ["linear_attention", "hybrid"],
        "hybrid_layer_ids": [1],
        "n_mamba_heads": 4,
        "mamba_headdim": 16,
        "attention_head_dim": 16,
    },
    "zaya": {"num_experts_per_tok": 1, "layer_types": ["hybrid", "hybrid"]},
}
"""What a family needs besides, by its name in transformers."""

NOT_TEXT: dict[str, str] = {
    **_each("bart bigbird_pegasus blenderbot blenderbot-small marian mbart mvp pegasus", "both"),
    **_each("plbart prophetnet trocr whisper musicgen musicgen_melody moshi perceiver", "both"),
    **_each("dots3_note emu3 fuyu gemma3 gemma3n gemma4 gemma4_assistant", "not text alone"),
    **_each("gemma4_unified gemma4_unified_assistant git got_ocr2 llama4", "not text alone"),
    **_each("mllama moss_transcribe_diarize phi4_multimodal qwen3_5", "not text alone"),
    **_each("qwen3_5_moe qwen4_exp modernvbert ultravbert tapas layoutlm", "not text alone"),
    **_each("gemma4_unified_text cohere_compass_text blt", "parts of other models"),
}
"""Families of transformers' lists that are no decoder or encoder of text alone, and why."""


def families(kind: str) -> tuple[str, ...]:
    """Return the names of the families of a kind, `decoder` or `encoder`."""
    known = {
        "decoder": modeling_auto.MODEL_FOR_CAUSAL_LM_MAPPING_NAMES,
        "encoder": modeling_auto.MODEL_FOR_MASKED_LM_MAPPING_NAMES,
    }[kind]
    both = {*modeling_auto.MODEL_FOR_MASKED_LM_MAPPING_NAMES} if kind == "decoder" else {}
    return tuple(name for name in known if name not in NOT_TEXT and name not in both)


def tiny_config(family: str) -> Any:
    """Return a family's configuration at tiny sizes."""
    kind = CONFIG_MAPPING[family]
    own = kind().to_dict()
    sizes = {name: size for name, size in SIZES.items() if own.get(name) is not None}
    given = {**sizes, "bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 3}
    if "initializer_range" in own:
        given["initializer_range"] = SPREAD
    if "init_std" in own:
        given["init_std"] = SPREAD
    return kind(**{**given, **OVERRIDES.get(family, {})})


def tiny_model(family: str, kind: str, *, seed: int = 0) -> PreTrainedModel:
    """Return a tiny random model in float32 and evaluation mode."""
    auto = {
        "decoder": transformers.AutoModelForCausalLM,
        "encoder": transformers.AutoModelForMaskedLM,
    }[kind]
    torch.manual_seed(seed)
    model = auto.from_config(tiny_config(family), dtype=torch.float32)
    with torch.no_grad():
        for tensor in model.parameters():
            if tensor.dim() == 1:  # norms and biases start at exactly 0 or 1: hide no mistake
                tensor.add_(0.1 * torch.randn_like(tensor))
    return model.eval()


def tiny_tokenizer(*, encodes: bool) -> PreTrainedTokenizerFast:
    """Return a byte-level tokenizer; `encodes` puts begin and end tokens around each text."""
    backend = Tokenizer(models.BPE())
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY,
        special_tokens=["<unk>", "<s>", "</s>", "<pad>", "<mask>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    backend.train_from_iterator([TEXT] * 4, trainer)
    if encodes:
        backend.post_processor = processors.TemplateProcessing(
            single="<s> $A </s>",
            pair="<s> $A </s> $B:1 </s>:1",
            special_tokens=[("<s>", 1), ("</s>", 2)],
        )
    return PreTrainedTokenizerFast(
        tokenizer_object=backend,
        unk_token="<unk>",
        bos_token="<s>",
        eos_token="</s>",
        pad_token="<pad>",
        mask_token="<mask>",
    )


def save_family(folder: Path, family: str, kind: str) -> Path:
    """Write a family's tiny model with a tokenizer as a model folder, and return it.

    It is read once by transformers alone: a size that does not fit fails here.
    """
    logging.disable(logging.WARNING)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = tiny_model(family, kind)
        with torch.no_grad():
            model(input_ids=torch.arange(5, 25)[None])
        model.save_pretrained(folder)
        tiny_tokenizer(encodes=kind == "encoder").save_pretrained(folder)
    return folder
