"""Classification as a study: sets, identity, resuming, the table, the paper's design."""

from __future__ import annotations

import json
import math
import sys
import tomllib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest

sys.path.append(str(Path(__file__).resolve().parent.parent / "adapt"))
from toy_classify import save_base, toy_pairs, toy_sentences

from babelscope.adapt.classify_recipes import ClassifyRecipe
from babelscope.data.published_xnli import PRINTED, recomputed_efficiency
from babelscope.errors import DataError, SettingError
from babelscope.records import Inference, TaggedSentence
from babelscope.study.classify_data import HALVES, gather_sets
from babelscope.study.classify_plan import ClassifyPlan, classify_plan
from babelscope.study.classify_step import classify_step, paper_table, run_classify
from babelscope.study.plan import read_plan
from babelscope.study.plan_records import ModelPlan
from babelscope.study.ready import ready_study
from babelscope.study.values import Table

RECIPE = ClassifyRecipe(
    method="full", max_steps=30, batch_size=16, learning_rate=3e-3, eval_steps=15, precision="fp32"
)


def write_pairs(path: Path, items: list[Inference]) -> None:
    lines = [f"{i.premise}\t{i.hypothesis}\t{i.label}" for i in items]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def write_sentences(path: Path, items: list[TaggedSentence]) -> None:
    blocks = [
        "\n".join(
            [f"# sent_id = {i.id}", *(f"{w}\t{t}" for w, t in zip(i.words, i.tags, strict=True))]
        )
        for i in items
    ]
    path.write_text("\n\n".join(blocks) + "\n", encoding="utf-8")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Parallel toy sets: in German the tell-tale word of every second item is gone."""
    folder = tmp_path_factory.mktemp("sets")
    pairs = toy_pairs(120)
    write_pairs(folder / "nli-en.tsv", pairs)
    broken = [
        replace(i, hypothesis="ist ist" if n // 2 % 2 else i.hypothesis)
        for n, i in enumerate(pairs)
    ]
    write_pairs(folder / "nli-de.tsv", broken)
    write_sentences(folder / "ner-en.iob2", toy_sentences(120))
    write_sentences(folder / "ner-de.iob2", toy_sentences(120))
    save_base(folder / "bert", "bert")
    save_base(folder / "bloom", "bloom")
    return folder


def nli(folder: Path, **changes: object) -> ClassifyPlan:
    plan = ClassifyPlan(
        task="nli",
        data=f"{folder}/nli-{{language}}.tsv",
        sources=("eng_Latn",),
        recipes=(RECIPE,),
        targets=("eng_Latn", "deu_Latn"),
    )
    return replace(plan, **changes)  # type: ignore[arg-type]


def row(frame: pl.DataFrame, measure: str, target: str, **others: str) -> dict[str, object]:
    found = frame.filter((pl.col("measure") == measure) & (pl.col("target") == target))
    for name, value in others.items():
        found = found.filter(pl.col(name) == value)
    return found.row(0, named=True)


def test_even_rows_train_and_odd_rows_test(folder: Path) -> None:
    data = gather_sets(nli(folder), ("deu_Latn",))
    source, german = data.sources["eng_Latn"], data.targets["deu_Latn"]
    trained = {int(i.id) for i in (*source.train, *source.dev)}
    assert trained == set(range(0, 120, 2))
    assert {int(i.id) for i in german.items} == set(range(1, 120, 2))
    assert not {i.premise for i in source.train} & {i.premise for i in source.dev}  # type: ignore[union-attr]
    assert german.parallel
    assert german.contexts == data.targets["eng_Latn"].contexts
    assert data.notes["split"] == HALVES


def test_some_items_are_drawn_from_as_many_premises_as_there_are(tmp_path: Path) -> None:
    for code in ("en", "de"):
        items = [
            Inference(f"{n:05d}", code, f"premise {n // 6} {code}", f"says {n} {code}", i.label)
            for n, i in enumerate(toy_pairs(120))
        ]
        write_pairs(tmp_path / f"{code}.tsv", items)
    plan = nli(tmp_path, data=f"{tmp_path}/{{language}}.tsv")
    whole = gather_sets(plan, plan.targets).targets["eng_Latn"]
    assert (len(whole.items), len(set(whole.contexts))) == (60, 20)
    for n, contexts in ((12, 12), (20, 20), (30, 20), (0, 20), (99, 20)):
        cut = gather_sets(replace(plan, test_items=n), plan.targets)
        english, german = (cut.targets[code] for code in ("eng_Latn", "deu_Latn"))
        assert len(english.items) == min(n or 60, 60)
        assert len(set(english.contexts)) == contexts
        assert [i.id for i in german.items] == [i.id for i in english.items]
        assert german.contexts == english.contexts
        assert set(english.items) <= set(whole.items)
    assert gather_sets(replace(plan, test_items=12), plan.targets).targets[
        "eng_Latn"
    ].items != whole.items[:12]  # fmt: skip


def test_hypotheses_of_a_premise_are_one_context(tmp_path: Path) -> None:
    items = [
        Inference(f"{n:05d}", "eng_Latn", f"premise {n // 6}", f"says {n}", i.label)
        for n, i in enumerate(toy_pairs(60))
    ]
    write_pairs(tmp_path / "en.tsv", items)
    data = gather_sets(nli(tmp_path, data=f"{tmp_path}/{{language}}.tsv", targets=()), ())
    target = data.targets["eng_Latn"]
    assert len(set(target.contexts)) == 10
    # even rows share every premise with odd ones, and that is told
    seen = data.notes["seen_in_training"]
    assert isinstance(seen, dict)
    assert seen["eng_Latn eng_Latn"]["items"] == 0
    assert seen["eng_Latn eng_Latn"]["premises"] == 24  # a fifth of the premises is the dev set's


def test_transfer_is_learnt_and_measured(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "classes.parquet"
    told = classify_step(nli(folder, seeds=(0, 1)), ModelPlan(f"{folder}/bert"), out)
    frame = pl.read_parquet(out)
    english = row(frame, "accuracy", "eng_Latn")
    german = row(frame, "accuracy", "deu_Latn")
    assert english["value"] > 0.9
    assert english["seeds"] == 2
    # half as good as English, half at chance or below: the word that tells is gone
    assert german["value"] < english["value"] - 0.15
    efficiency = row(frame, "efficiency_accuracy", "deu_Latn")
    assert efficiency["value"] == pytest.approx(german["value"] / english["value"])
    assert efficiency["low"] < efficiency["value"] < efficiency["high"] < 1
    difference = row(frame, "difference_accuracy", "deu_Latn")
    assert difference["p_holm"] < 0.01
    assert difference["against"] == "eng_Latn"
    assert row(frame, "baseline_majority", "eng_Latn")["value"] < 0.5
    assert row(frame, "overlap", "deu_Latn")["n"] == 60
    assert row(frame, "tokens_to_source", "eng_Latn")["value"] == 1.0
    settings = json.loads(out.with_suffix(".json").read_text(encoding="utf-8"))
    assert settings["split"] == HALVES == told["split"]
    assert len(settings["trainings"]) == 2
    assert settings["trainings"][0]["step"] in (15, 30)


def test_the_second_call_does_nothing_and_a_new_target_trains_nothing(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from babelscope.study import classify_cells

    model = ModelPlan(f"{folder}/bert")
    store = tmp_path / "store"
    plan = nli(folder, targets=("eng_Latn",))
    first, _ = run_classify(plan, model, (), store)

    def refuse(*args: object, **kwargs: object) -> None:
        raise AssertionError("trained again")

    monkeypatch.setattr(classify_cells, "train_classifier", refuse)
    more, _ = run_classify(nli(folder), model, (), store)
    english = (pl.col("target") == "eng_Latn") & (pl.col("measure") == "accuracy")
    assert more.filter(english)["value"].to_list() == first.filter(english)["value"].to_list()
    monkeypatch.setattr(classify_cells, "load_classifier", refuse)
    again, _ = run_classify(nli(folder), model, (), store)
    assert again.equals(more)
    for changed in (
        nli(folder, seeds=(1,)),
        nli(folder, recipes=(replace(RECIPE, weight_decay=0.5),)),
        nli(folder, train_items=30),
    ):
        with pytest.raises(AssertionError, match="trained again"):
            run_classify(changed, model, (), store)
    with pytest.raises(AssertionError, match="trained again"):
        run_classify(nli(folder), ModelPlan(f"{folder}/bloom"), (), store)


def test_entities_of_two_models_are_compared(folder: Path, tmp_path: Path) -> None:
    plan = nli(
        folder,
        task="ner",
        data=f"{folder}/ner-{{language}}.iob2",
        models=(f"{folder}/bert", f"{folder}/bloom"),
    )
    frame, settings = run_classify(plan, ModelPlan("mini"), (), tmp_path)
    assert "touches a word" in str(settings["subword_rule"])
    for model in ("bert", "bloom"):  # tables name no folder of the machine
        found = row(frame, "entity_f1", "deu_Latn", model=model)
        assert found["value"] > 0.6
        # the German words are the English ones
        assert row(frame, "efficiency_entity_f1", "deu_Latn", model=model)["value"] == 1.0
    assert row(frame, "baseline_word_memory", "deu_Latn")["value"] == 1.0
    assert row(frame, "words_lost_rate", "deu_Latn")["value"] == 0.0
    between = frame.filter(pl.col("measure") == "model_difference_entity_f1")
    assert set(between["against"]) == {"bloom"}
    assert set(between["target"]) == {"eng_Latn", "deu_Latn"}


def test_a_prompt_trains_nothing(tmp_path: Path) -> None:
    plan = ClassifyPlan(
        "nli", "atlas", ("eng_Latn",), (ClassifyRecipe("prompt", max_tokens=256),),
        ("eng_Latn", "pan_Guru"), test_items=9,
    )  # fmt: skip
    frame, settings = run_classify(plan, ModelPlan("mini"), (), tmp_path)
    assert row(frame, "accuracy", "pan_Guru")["n"] == 9
    assert settings["label_words"] == {"eng_Latn": "eng_Latn", "pan_Guru": "eng_Latn"}
    assert settings["trainings"] == []


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"targets": ("swh_Latn",)}, "swh_Latn"),
        ({"train": "{}/nli-en.tsv"}, "--train"),
        ({"task": "ner"}, "nli-en.tsv"),
    ],
)
def test_sets_that_do_not_do(folder: Path, change: dict[str, object], told: str) -> None:
    change = {k: v.format(folder) if isinstance(v, str) else v for k, v in change.items()}
    with pytest.raises(DataError) as caught:
        gather_sets(nli(folder, **change), nli(folder, **change).targets)
    assert told in str(caught.value)
    assert "\n" not in str(caught.value)


def test_one_class_only_is_an_error(tmp_path: Path) -> None:
    items = [i for i in toy_pairs(60) if i.label == "neutral"]
    write_pairs(tmp_path / "en.tsv", items)
    plan = nli(tmp_path, data=f"{tmp_path}/{{language}}.tsv", targets=())
    with pytest.raises(DataError, match=r"two labels at least, found neutral"):
        gather_sets(plan, ())
    write_sentences(
        tmp_path / "en.iob2", [replace(s, tags=("O",) * len(s.words)) for s in toy_sentences(20)]
    )
    with pytest.raises(DataError, match="an entity at least"):
        gather_sets(replace(plan, task="ner", data=f"{tmp_path}/{{language}}.iob2"), ())


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"task": "qa"}, "nli or ner"),
        ({"sources": ()}, "source"),
        ({"seeds": (1, 1)}, "seeds"),
        ({"task": "ner", "recipes": (ClassifyRecipe("prompt"),)}, "prompt"),
        ({"test_items": -1}, "test_items"),
    ],
)
def test_bad_plans_are_told(folder: Path, change: dict[str, object], told: str) -> None:
    with pytest.raises(SettingError, match=told):
        nli(folder, **change)


def test_the_papers_design_is_a_plan() -> None:
    document = tomllib.loads(ready_study("xnli").read_text(encoding="utf-8"))
    plan = classify_plan(Table("study.classify", document["classify"]), {})
    assert plan.models == ("bigscience/bloom-560m", "bert-base-multilingual-cased")
    assert plan.sources == ("eng_Latn",)
    assert plan.targets == ("eng_Latn", "arb_Arab", "swh_Latn")
    assert (plan.data, plan.beside_paper) == ("facebook/xnli", True)
    assert [r.method for r in plan.recipes] == ["full"]
    assert read_plan(ready_study("xnli")).classify == (plan,)
    with pytest.raises(SettingError, match="epochs"):
        classify_plan(Table("study.classify", {"data": "atlas", "epoch": 2}), {})
    filled = classify_plan(Table("c", {"data": "{x}/{language}.tsv"}), {"x": "here"})
    assert filled.data == "here/{language}.tsv"


def test_what_the_paper_prints_is_recomputed() -> None:
    found = {(r.model, r.target): recomputed_efficiency(r) for r in PRINTED}
    values = [round(value, 3) for value in found.values()]
    assert values == [1.0, 0.843, 0.714, 1.0, 0.87, 0.741]
    empty = paper_table(pl.DataFrame(schema={"model": pl.String, "target": pl.String,
        "source": pl.String, "measure": pl.String}))  # fmt: skip
    assert [r["own_accuracy"] for r in empty] == [None] * 6


def _real_base(folder: Path, tokenizer: Path, kind: str) -> Path:
    """A tiny random model with a real tokenizer."""
    import shutil

    import torch
    import transformers

    shape = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2}
    shape |= {"intermediate_size": 32, "max_position_embeddings": 520}
    if kind == "qwen2":
        shape |= {"num_key_value_heads": 2}
    names = {"xlmr": ("XLMRobertaConfig", 250_002, 1), "mbert": ("BertConfig", 119_547, 0)}
    config, rows, pad = names.get(kind, ("Qwen2Config", 151_936, 151_643))
    torch.manual_seed(0)
    made = getattr(transformers, config)(**shape, vocab_size=rows, pad_token_id=pad)
    auto = transformers.AutoModel if kind != "qwen2" else transformers.AutoModelForCausalLM
    auto.from_config(made).save_pretrained(folder)
    for file in tokenizer.iterdir():
        shutil.copy(file, folder)
    return folder


REAL = ClassifyRecipe("head", max_steps=4, max_tokens=64, eval_steps=4)


# the large tokenizers take seconds to load: each is tried on one task, the small one on both
@pytest.mark.real_data
@pytest.mark.parametrize("kind", ["xlmr", "mbert"])
def test_inference_on_real_tokenizers(
    kind: str,
    unpacked: Callable[[str], Path],
    tokenizer_folder: Callable[[str], Path],
    tmp_path: Path,
) -> None:
    base = _real_base(tmp_path / "base", tokenizer_folder(kind), kind)
    plan = ClassifyPlan(
        "nli", f"{unpacked('xnli')}/xnli/dev-{{language}}.tsv", ("eng_Latn",), (REAL,),
        ("swh_Latn", "zho_Hans"), train_items=96, test_items=150,
    )  # fmt: skip
    frame, settings = run_classify(plan, ModelPlan(str(base)), (), tmp_path / "store")
    # random weights: chance, and nothing but chance
    for code in plan.targets:
        found = row(frame, "accuracy", code)
        assert found["low"] < 0.42
        assert found["high"] > 0.25
    assert settings["sets"]["swh_Latn"]["parallel"]  # type: ignore[index]


@pytest.mark.real_data
@pytest.mark.parametrize("kind", ["qwen2", "mbert"])
def test_entities_on_real_tokenizers(
    kind: str,
    unpacked: Callable[[str], Path],
    tokenizer_folder: Callable[[str], Path],
    tmp_path: Path,
) -> None:
    base = _real_base(tmp_path / "base", tokenizer_folder(kind), kind)
    uner = unpacked("uner") / "uner"
    for code, name in {"en": "English-PUD", "de": "German-PUD"}.items():
        text = next((uner / name).glob("*.iob2")).read_text(encoding="utf-8")
        (tmp_path / f"{code}.iob2").write_text(text, encoding="utf-8")
    plan = ClassifyPlan(
        "ner", f"{tmp_path}/{{language}}.iob2", ("eng_Latn",), (REAL,), ("deu_Latn",),
        train=str(next((uner / "English-EWT").glob("*dev*"))), test_items=300,
    )  # fmt: skip
    frame, _ = run_classify(plan, ModelPlan(str(base)), (), tmp_path / "store")
    assert row(frame, "entity_f1", "deu_Latn")["value"] < 0.1
    assert 0.0 < row(frame, "baseline_word_memory", "deu_Latn")["value"] < 0.6
    efficiency = row(frame, "efficiency_entity_f1", "deu_Latn")
    assert math.isnan(efficiency["value"]) or efficiency["value"] >= 0
