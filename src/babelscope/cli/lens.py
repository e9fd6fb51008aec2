"""Commands that look inside: the lens and its language maps."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from babelscope.cli.app import app
from babelscope.cli.options import LENS, LOADING, Adapter, Json, LensOptions, ModelOptions
from babelscope.cli.printing import print_values


@app.command
def lens(
    model: str,
    *,
    out: Path,
    asked: LensOptions = LENS,
    adapter: Adapter = None,
    map_file: Annotated[Path | None, Parameter(name="--map", help="A language map.")] = None,
    loading: ModelOptions = LOADING,
    as_json: Json = False,
) -> None:
    """Look at which language each depth leans to; writes a parquet table.

    Example: babelscope lens mini --data atlas --language or --limit 4 --out lens.parquet
    """
    from babelscope.data.prompt_files import read_prompts
    from babelscope.progress import counting
    from babelscope.study import steps
    from babelscope.study.lens_step import LensWish, lens_step

    choice = steps.ModelChoice(model, adapter, loading.dtype, loading.device, loading.revision)
    positions = asked.position or ("last", "gold")
    wish = LensWish(positions, asked.per_prompt, map_file, asked.tokens, asked.example)
    data, language = asked.source()
    drawing = steps.Drawing(asked.questions, asked.questions_per_context, asked.sample_seed)
    read = (
        read_prompts(asked.prompts)
        if asked.prompts
        else steps.asked_step(data, language, asked.limit, drawing)
    )
    with counting("lens", quiet=as_json) as progress:
        print_values(lens_step(choice, read, out, wish, progress), as_json)


@app.command(name="lens-published")
def lens_published(file: Path, *, out: Path, as_json: Json = False) -> None:
    """Make a study that `report` draws from the lens arrays published with the first paper.

    Example: babelscope lens-published lens.csv --out published
    """
    from babelscope.portable import portable_command
    from babelscope.study.published import published_step

    command = portable_command(["babelscope", "lens-published", str(file), "--out", str(out)])
    print_values(published_step(file, out, command), as_json)


@app.command(name="map-languages")
def map_languages(
    model: str,
    *,
    text: Annotated[
        list[str],
        Parameter(
            negative="",
            help="atlas, or a folder of text by language; the first gives the languages.",
        ),
    ],
    out: Path,
    method: Annotated[str, Parameter(help="counts, or langid: the published map.")] = "counts",
    as_json: Json = False,
) -> None:
    """Make a token-to-language map from one or several text collections, and tell its quality.

    Example: babelscope map-languages mini --text texts --text atlas --out map.safetensors
    """
    from babelscope.study.mapping import map_step

    print_values(map_step(model, text, out, method), as_json)
