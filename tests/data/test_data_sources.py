"""Where data is found, and every broken file as one clear error."""

from __future__ import annotations

import builtins
import json
import socket
import sys
import types
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from babelscope.data.hub import read_hub_items
from babelscope.data.sources import (
    AtlasSplit,
    HubSet,
    locate,
    read_json_items,
    read_text,
)
from babelscope.errors import DataError, LanguageError


def touch(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("{}", encoding="utf-8")


def test_atlas_and_its_splits() -> None:
    assert locate("atlas", "or") == AtlasSplit("test")
    assert locate("atlas", "or", "tune") == AtlasSplit("tune")
    assert locate("atlas:contest:bn", "or") == AtlasSplit("contest:bn")


@pytest.mark.parametrize(
    ("name", "found"),
    [("xquad.{language}.json", "xquad.or.json"), ("{language}/{language}_x.json", "or/or_x.json"),
     ("{language}.jsonl", "ory_Orya.jsonl"), ("flores.{language}.json", "flores.ory.json")],
)  # fmt: skip
@pytest.mark.parametrize("code", ["or", "ory", "ory_Orya", "or-IN"])
def test_a_pattern_is_filled_with_any_code(
    tmp_path: Path, name: str, found: str, code: str
) -> None:
    touch(tmp_path, found)
    assert locate(str(tmp_path / name), code) == tmp_path / found


def test_a_pattern_with_no_file_or_two_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"found none"):
        locate(str(tmp_path / "{language}.json"), "or")
    touch(tmp_path, "or.json", "ory_Orya.json")
    with pytest.raises(DataError, match=r"or\.json, .*ory_Orya\.json"):
        locate(str(tmp_path / "{language}.json"), "or")


@pytest.mark.parametrize(
    ("files", "code", "split", "found"),
    [
        (["xquad.de.json", "xquad.ru.json", "README.md"], "ru", "test", "xquad.ru.json"),
        (["or/x_or_train.json", "or/x_or_test.json"], "or", "train", "or/x_or_train.json"),
        (["ru/x_en2ru_train.json", "en/x_en_train.json"], "ru", "train", "ru/x_en2ru_train.json"),
        (["c-de-q-en.json", "c-de-q-de.json", "c-en-q-de.json"], "de", "test", "c-de-q-de.json"),
        (["zho_Hans.jsonl", "zho_Hant.jsonl"], "zh-Hant", "test", "zho_Hant.jsonl"),
        (["x_or_validation.json"], "or", "dev", "x_or_validation.json"),
    ],
)
def test_a_folder_holds_one_file_of_the_language(
    tmp_path: Path, files: list[str], code: str, split: str, found: str
) -> None:
    touch(tmp_path, *files)
    assert locate(str(tmp_path), code, split) == tmp_path / found


@pytest.mark.parametrize(
    ("files", "code", "listed"),
    [
        (["xquad.de.json", "xquad.ru.json"], "or", "none of it, but xquad.de.json, xquad.ru.json"),
        (["a.ru.json", "b.ru.json", "a.de.json"], "ru", "found a.ru.json, b.ru.json"),
        (["x_ru_train.json"], "ru", "none of it, but x_ru_train.json"),
        ([], "ru", "found none"),
    ],
)
def test_a_folder_without_the_one_file_lists_candidates(
    tmp_path: Path, files: list[str], code: str, listed: str
) -> None:
    touch(tmp_path, *files)
    with pytest.raises(DataError) as caught:
        locate(str(tmp_path), code)
    assert listed in str(caught.value)


def test_names_that_are_none() -> None:
    for name in ("nothing.json", "no/such.jsonl", "a/b/c", "nothing", "a\0b", "n" * 300):
        with pytest.raises(DataError, match="no such file"):
            locate(name, "or")
    for name in ("a\0{language}.json", "n" * 300 + "{language}", "n" * 300 + "/{language}/x"):
        with pytest.raises(DataError, match="found none"):
            locate(name, "or")
    with pytest.raises(LanguageError):
        locate("atlas", "klingon")


def test_hub_names() -> None:
    assert locate("google/xquad", "ru") == HubSet("google/xquad", "", "test")
    assert locate("google/xquad:xquad.ru@validation", "ru") == HubSet(
        "google/xquad", "xquad.ru", "validation"
    )


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.json", b"", "an empty file"),
        ("a.json", b" \n\n", "an empty file"),
        ("a.json", '{"a": "é"}\n'.encode("latin-1"), "UTF-8, found byte 0xe9 in line 1"),
        ("a.json", b'{"a":\n "\xff"}', "in line 2"),
        ("a.json.incomplete", b"{}", "unfinished download"),
        ("a.json", b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "git lfs pull"),
        ("a.json", b'{"a": [1, 2', "line 1 column 12: expected JSON.*cut short"),
        ("a.json", b'{"a":\n  "text that en', "line 2 column 3: .*cut short"),
        ("a.json", b'{\n"a": 1,\n"b" 2}', "line 3 column 5"),
        ("a.jsonl", b'{"a": 1}\n\n{"a" 2}\n', "line 3 column 6"),
        ("a.json", b"[" * 100_000, "expected JSON"),
        ("a.json", b"1" * 5000, "expected JSON"),
    ],
)
def test_broken_files(tmp_path: Path, name: str, content: bytes, message: str) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(DataError, match=message) as caught:
        list(read_json_items(path))
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_missing_and_unreadable_files(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="No such file"):
        read_text(tmp_path / "none.json")
    with pytest.raises(DataError, match="directory"):
        read_text(tmp_path)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(st.characters(codec="utf-8")),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=6,
)


@given(
    st.lists(st.dictionaries(st.sampled_from("abc"), JSON), min_size=1),
    st.sampled_from(["", "\ufeff"]),
)
def test_json_and_json_lines_come_back(
    tmp_path_factory: pytest.TempPathFactory, items: list[dict[str, Any]], mark: str
) -> None:
    folder = tmp_path_factory.mktemp("json")
    (folder / "a.jsonl").write_text(
        mark + "\r\n".join(json.dumps(item, ensure_ascii=False) for item in items),
        encoding="utf-8",
        newline="",
    )
    (folder / "a.json").write_text(mark + json.dumps(items, indent=1), encoding="utf-8")
    assert [item for _, item in read_json_items(folder / "a.jsonl")] == items
    assert [item for _, item in read_json_items(folder / "a.json")] == [items]


@given(st.binary(max_size=60))
def test_any_bytes_give_json_or_a_data_error(
    tmp_path_factory: pytest.TempPathFactory, content: bytes
) -> None:
    path = tmp_path_factory.mktemp("any") / "a.json"
    path.write_bytes(content)
    with suppress(DataError):
        assert list(read_json_items(path))


ROWS = [{"id": "1", "context": "c", "question": "q", "answers": {"text": ["c"]}}]


@pytest.fixture
def fake_datasets(monkeypatch: pytest.MonkeyPatch) -> types.SimpleNamespace:
    """Stand in for the package and the network: configs and splits as the Hub would list them."""
    fake = types.SimpleNamespace(
        configs=["xquad.de", "xquad.ru"],
        splits=["validation"],
        asked=[],
        exceptions=types.SimpleNamespace(DatasetsError=RuntimeError),
    )

    def load_dataset(name: str, config: str, *, split: str) -> list[dict[str, Any]]:
        if split not in fake.splits:
            raise ValueError(f'Unknown split "{split}".')
        fake.asked.append((name, config, split))
        return ROWS

    fake.get_dataset_config_names = lambda name: fake.configs
    fake.get_dataset_split_names = lambda name, config: fake.splits
    fake.load_dataset = load_dataset
    monkeypatch.setitem(sys.modules, "datasets", fake)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    return fake


def test_the_hub_s_config_of_the_language_is_found(fake_datasets: types.SimpleNamespace) -> None:
    rows = list(read_hub_items(HubSet("google/xquad", "", "test"), "ru"))
    assert [row for _, row in rows] == ROWS
    # one split only: that one, as with a single file
    assert fake_datasets.asked == [("google/xquad", "xquad.ru", "validation")]


@pytest.mark.parametrize(
    ("configs", "code", "config"),
    [
        ("mlqa.de.en mlqa.de.de mlqa.en.en", "de", "mlqa.de.de"),
        ("ms-MY fr-CA zh-TW zh-CN", "zh-Hant", "zh-TW"),
        ("20231101.as 20231101.zh-yue 20231101.zh", "yue", "20231101.zh-yue"),
        ("fr_ca ms_my or_in", "ms", "ms_my"),
        ("rc.nocontext ory_Orya srp_Latn", "or", "ory_Orya"),
    ],
)
def test_a_config_is_named_as_a_file_is(
    fake_datasets: types.SimpleNamespace, configs: str, code: str, config: str
) -> None:
    fake_datasets.configs = configs.split()
    list(read_hub_items(HubSet("owner/name", "", "test"), code))
    assert fake_datasets.asked == [("owner/name", config, "validation")]
    fake_datasets.configs = [c for c in configs.split() if c != "mlqa.en.en"]
    for other in ("my", "ca", "id", "sr", "en"):
        with pytest.raises(DataError, match="choose one") as caught:
            list(read_hub_items(HubSet("owner/name", "", "test"), other))
        assert config in str(caught.value)


def test_a_hub_set_that_does_not_fit_is_an_error(fake_datasets: types.SimpleNamespace) -> None:
    with pytest.raises(DataError, match=r"xquad\.de, xquad\.ru; choose one"):
        list(read_hub_items(HubSet("google/xquad", "", "test"), "or"))
    fake_datasets.splits = ["train", "validation"]
    with pytest.raises(DataError, match="Unknown split"):
        list(read_hub_items(HubSet("google/xquad", "xquad.ru", "test"), "ru"))


def test_the_hub_offline_is_one_error() -> None:
    pytest.importorskip("datasets")
    with pytest.raises(DataError, match="google/xquad"):
        list(read_hub_items(HubSet("google/xquad", "xquad.ru", "validation"), "ru"))


def test_no_network_is_told_at_once(
    monkeypatch: pytest.MonkeyPatch, fake_datasets: types.SimpleNamespace
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    with pytest.raises(DataError, match="no answer from https://"):
        list(read_hub_items(HubSet("google/xquad", "", "test"), "ru"))


def test_without_the_package_the_remedy_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def without(name: str, *rest: Any, **named: Any) -> Any:
        if name == "datasets":
            raise ImportError(name)
        return real(name, *rest, **named)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(DataError, match=r"pip install 'babelscope\[hub\]'"):
        list(read_hub_items(HubSet("google/xquad", "", "test"), "ru"))


@pytest.mark.real_data
def test_real_folders(shared: Path, unpacked: Callable[[str], Path]) -> None:
    data = shared / "data"
    assert locate(str(data / "xquad"), "zh-CN") == data / "xquad/xquad.zh.json"
    indic = data / "xquad_in"
    assert locate(str(indic), "or", "train") == indic / "or/xquad_or_train.json"
    assert locate(str(indic), "es", "train") == indic / "es/xquad_en2es_train.json"
    with pytest.raises(DataError, match=r"de/xquad_en2de_nllb_train\.json, de/xquad_en2de_train"):
        locate(str(indic), "de", "train")
    mlqa = unpacked("mlqa")
    assert locate(str(mlqa), "hi", "dev").name == "dev-context-hi-question-hi.json"
