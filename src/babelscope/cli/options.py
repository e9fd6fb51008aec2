"""Options that several commands share."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from babelscope.errors import SettingError

Json = Annotated[bool, Parameter(name="--json", negative="", help="Print JSON for programs.")]
Settings = Annotated[
    tuple[str, ...],
    Parameter(name="--set", negative="", help="KEY=VALUE, as often as needed."),
]
Adapter = Annotated[Path | None, Parameter(help="The folder of a tuned adapter.")]


@Parameter(name="*")
@dataclass(frozen=True)
class DataOptions:
    """Which questions."""

    data: Annotated[
        str, Parameter(help="atlas, a file, a folder, a pattern with {language}, or a Hub name.")
    ]
    language: Annotated[str, Parameter(help="Any usual code: or, ory, or-IN, ory_Orya.")]


@Parameter(name="*")
@dataclass(frozen=True)
class SomeDataOptions(DataOptions):
    """Which questions, and how many of them."""

    limit: Annotated[int, Parameter(help="Only the first N questions, in file order.")] = 0


Questions = Annotated[
    int, Parameter(help="Only N questions, drawn from as many contexts as there are.")
]
PerContext = Annotated[
    str, Parameter(help="Draw K questions of one context after another, or all of it.")
]
SampleSeed = Annotated[int, Parameter(help="Of --questions: which contexts are drawn.")]


@Parameter(name="*")
@dataclass(frozen=True)
class AskedOptions(SomeDataOptions):
    """Which questions are asked: all, the first of the file, or some drawn."""

    questions: Questions = 0
    questions_per_context: PerContext = ""
    sample_seed: SampleSeed = 0


@Parameter(name="*")
@dataclass(frozen=True)
class LensOptions:
    """What the lens looks at: questions, or prompts as they stand."""

    data: Annotated[str, Parameter(help="Questions: as in `answer`, with --language.")] = ""
    language: Annotated[str, Parameter(help="Any usual code: or, ory, or-IN, ory_Orya.")] = ""
    limit: Annotated[int, Parameter(help="Only the first N questions, in file order.")] = 0
    questions: Questions = 0
    questions_per_context: PerContext = ""
    sample_seed: SampleSeed = 0
    prompts: Annotated[
        Path | None, Parameter(help='JSON lines {"id", "prompt", "answer"}, taken as they stand.')
    ] = None
    position: Annotated[
        tuple[str, ...],
        Parameter(negative="", help="last, gold, generated or a token's number; repeatable."),
    ] = ()
    per_prompt: Annotated[bool, Parameter(negative="", help="A row for each prompt.")] = False
    tokens: Annotated[
        Path | None, Parameter(help="Write here what single positions say: leading tokens, rank.")
    ] = None
    example: Annotated[
        tuple[str, ...],
        Parameter(negative="", help="Ids of prompts to tell every position of in --tokens."),
    ] = ()

    def source(self) -> tuple[str, str]:
        """Return data and language, checked against each other and --prompts."""
        given = bool(self.data), bool(self.language)
        some = self.limit or self.questions or self.questions_per_context
        if self.prompts is not None and (any(given) or some):
            raise SettingError(
                "--prompts",
                expected="no --data, --language, --limit or --questions beside it",
                found="some",
            )
        if self.prompts is None and not all(given):
            raise SettingError(
                "lens", expected="--data with --language, or --prompts FILE", found="neither whole"
            )
        return self.data, self.language


@Parameter(name="*")
@dataclass(frozen=True)
class TuningOptions:
    """How one tuning run differs from the next."""

    seed: Annotated[int, Parameter(help="Of LoRA's start, data order and dropout.")] = 0
    save_steps: Annotated[int, Parameter(help="Keep a variant every N steps.")] = 0


@Parameter(name="*")
@dataclass(frozen=True)
class ModelOptions:
    """How a model is loaded."""

    dtype: Annotated[str, Parameter(help="auto, float32, bfloat16 or float16.")] = "auto"
    device: Annotated[str, Parameter(help="auto, cpu, cuda, or spread over devices.")] = "auto"
    revision: Annotated[str | None, Parameter(help="A Hub revision to pin.")] = None


@Parameter(name="*")
@dataclass(frozen=True)
class RecipeOptions:
    """How a model is adapted, or how it answers."""

    recipe: Annotated[str, Parameter(help="default or seed.")] = "default"
    settings: Settings = ()


@Parameter(name="*")
@dataclass(frozen=True)
class CheckOptions:
    """What is checked beside the model itself."""

    text: Annotated[
        str, Parameter(help="Parallel text: atlas, or a folder with a file a language.")
    ] = "atlas"
    study: Annotated[
        Path | None, Parameter(help="A study file: do its prompts fit, what would it cost?")
    ] = None
    settings: Settings = ()
    drift: Annotated[
        bool, Parameter(negative="", help="Count answers that batch, padding or dtype turn over.")
    ] = False


CHECK = CheckOptions()
LOADING = ModelOptions()
LENS = LensOptions()
RECIPE = RecipeOptions()
TUNING = TuningOptions()
