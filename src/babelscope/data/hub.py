"""Rows of a data set on the Hub, read through the optional package `datasets`."""

from __future__ import annotations

import urllib.error
import urllib.request
from collections.abc import Iterator
from typing import Any

from babelscope.data.naming import languages_in
from babelscope.data.sources import HubSet, listed
from babelscope.errors import DataError
from babelscope.languages import Language
from babelscope.languages import language as find_language

TIMEOUT_SECONDS = 10


def read_hub_items(hub: HubSet, language: str) -> Iterator[tuple[str, Any]]:
    """Yield the rows of a Hub data set, each with its place for messages.

    With `HF_HUB_OFFLINE=1` only the cache is read; otherwise the Hub is asked once whether it is
    there, because its client retries for half a minute when it is not.

    Raises:
        DataError: `datasets` is not installed, the Hub cannot be reached, or it has no such set.
    """
    try:
        import datasets
        from huggingface_hub import constants, errors
    except ImportError as error:
        raise DataError(
            f"Hub data set {hub.name}",
            expected="the package datasets",
            found="none",
            remedy="pip install 'babelscope[hub]', or give a local file",
        ) from error
    if not constants.HF_HUB_OFFLINE:
        _reach_hub(constants.ENDPOINT, hub.name)
    try:
        rows = _load_rows(datasets, hub, find_language(language))
        for number, row in enumerate(rows):
            yield f"{hub.name} row {number}", dict(row)
    # the last: the error of whichever HTTP library this version of the client is built on
    except (
        OSError,
        ValueError,
        datasets.exceptions.DatasetsError,
        *errors.HfHubHTTPError.__bases__,
    ) as error:
        raise DataError(
            f"Hub data set {hub.name}",
            expected=f"config {hub.config or 'of the language'}, split {hub.split}",
            found=str(error) or type(error).__name__,
            remedy="is there such a file or set, and a network?",
        ) from error


def _reach_hub(endpoint: str, name: str) -> None:
    try:
        with urllib.request.urlopen(endpoint, timeout=TIMEOUT_SECONDS):
            return
    except urllib.error.HTTPError:
        return  # it answers
    except OSError as error:
        raise DataError(
            name,
            expected="a file or folder here, or a data set on the Hub",
            found=f"no such file, and no answer from {endpoint} ({error})",
            remedy="give a local file, or set HF_HUB_OFFLINE=1 to use what is cached",
        ) from error


def _load_rows(datasets: Any, hub: HubSet, lang: Language) -> Any:
    config = hub.config
    if not config:
        configs = list(datasets.get_dataset_config_names(hub.name))
        found = [name for name in configs if {n.language for n in languages_in(name)} == {lang}]
        found = found or (configs if len(configs) == 1 else [])
        if len(found) != 1:
            raise DataError(
                f"Hub data set {hub.name} for {lang.code}",
                expected="one config named for the language",
                found=listed(found or configs),
                remedy=f"choose one: {hub.name}:CONFIG",
            )
        config = found[0]
    splits = list(datasets.get_dataset_split_names(hub.name, config))
    split = splits[0] if len(splits) == 1 else hub.split
    return datasets.load_dataset(hub.name, config, split=split)
