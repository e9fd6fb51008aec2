"""Which language should training examples be written in, and what does it do to the others?

The names below are the public interface. They are resolved on first use, so that importing the
package loads neither torch nor a data set.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from babelscope.adapt.recipes import RECIPES, Recipe, change, rendering_of
    from babelscope.adapt.saving import Saving
    from babelscope.adapt.tuning import tune
    from babelscope.data.draws import draw_questions
    from babelscope.data.qa import read_qa
    from babelscope.errors import BabelscopeError
    from babelscope.infer.generate import Decoding, generate_answers
    from babelscope.infer.hidden import HiddenText, hidden_states
    from babelscope.infer.lens import LensPrompt, LensSettings, prepare_lens, read_lens
    from babelscope.infer.options import Choice, OptionScores, encode_choice, score_options
    from babelscope.languages import Language, language
    from babelscope.measure.answers import score_answers, score_report
    from babelscope.measure.inference import compare, estimate, score_interval
    from babelscope.measure.language_map import LanguageMap, build_map, load_map, save_map
    from babelscope.measure.study_inference import BestSource, Gain, study_best, study_gains
    from babelscope.models.adapters import attach_adapters, use_adapter
    from babelscope.models.encoding import Rendering, encode_prompt
    from babelscope.models.loading import LoadedModel, load_model
    from babelscope.models.trunks import load_trunk
    from babelscope.records import Answer, Comparison, Estimate, Example, QuestionSet
    from babelscope.report.page import write_report
    from babelscope.study.plan import StudyPlan, read_plan
    from babelscope.study.run import run_study

_HOMES = {
    "adapt.recipes": ("RECIPES", "Recipe", "change", "rendering_of"),
    "adapt.saving": ("Saving",),
    "adapt.tuning": ("tune",),
    "data.draws": ("draw_questions",),
    "data.qa": ("read_qa",),
    "errors": ("BabelscopeError",),
    "infer.generate": ("Decoding", "generate_answers"),
    "infer.hidden": ("HiddenText", "hidden_states"),
    "infer.lens": ("LensPrompt", "LensSettings", "prepare_lens", "read_lens"),
    "infer.options": ("Choice", "OptionScores", "encode_choice", "score_options"),
    "languages": ("Language", "language"),
    "measure.answers": ("score_answers", "score_report"),
    "measure.language_map": ("LanguageMap", "build_map", "load_map", "save_map"),
    "measure.inference": ("compare", "estimate", "score_interval"),
    "measure.study_inference": ("BestSource", "Gain", "study_best", "study_gains"),
    "models.adapters": ("attach_adapters", "use_adapter"),
    "models.encoding": ("Rendering", "encode_prompt"),
    "models.loading": ("LoadedModel", "load_model"),
    "models.trunks": ("load_trunk",),
    "records": ("Answer", "Comparison", "Estimate", "Example", "QuestionSet"),
    "report.page": ("write_report",),
    "study.plan": ("StudyPlan", "read_plan"),
    "study.run": ("run_study",),
}
_HOME = {name: module for module, names in _HOMES.items() for name in names}

__all__ = [
    "RECIPES",
    "Answer",
    "BabelscopeError",
    "BestSource",
    "Choice",
    "Comparison",
    "Decoding",
    "Estimate",
    "Example",
    "Gain",
    "HiddenText",
    "Language",
    "LanguageMap",
    "LensPrompt",
    "LensSettings",
    "LoadedModel",
    "OptionScores",
    "QuestionSet",
    "Recipe",
    "Rendering",
    "Saving",
    "StudyPlan",
    "attach_adapters",
    "build_map",
    "change",
    "compare",
    "draw_questions",
    "encode_choice",
    "encode_prompt",
    "estimate",
    "generate_answers",
    "hidden_states",
    "language",
    "load_map",
    "load_model",
    "load_trunk",
    "prepare_lens",
    "read_lens",
    "read_plan",
    "read_qa",
    "rendering_of",
    "run_study",
    "save_map",
    "score_answers",
    "score_interval",
    "score_options",
    "score_report",
    "study_best",
    "study_gains",
    "tune",
    "use_adapter",
    "write_report",
]


def __getattr__(name: str) -> object:
    """Import a public name from the module that defines it."""
    if name not in _HOME:
        raise AttributeError(f"module 'babelscope' has no attribute {name!r}")
    value = getattr(import_module(f"babelscope.{_HOME[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """List the public names."""
    return sorted(__all__)
