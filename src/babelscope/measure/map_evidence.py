"""What a language map knows of each token: enough to call it a language's, or too little."""

from __future__ import annotations

from collections.abc import Sequence

from babelscope.measure.language_map import LanguageMap
from babelscope.measure.map_smoothing import script_languages
from babelscope.measure.token_groups import group_tokens
from babelscope.records import TokenForm

FEWEST = 10
"""A token that was counted less often in the map's text is called no language's."""
SCRIPT, COUNTED, FEW, NOT_COUNTED, NO_LETTERS = (
    "script",
    "counted",
    "few",
    "not counted",
    "no letters",
)
KNOWN = (SCRIPT, COUNTED)
"""Evidence that is enough to name a language; the others are not."""


def token_evidence(language_map: LanguageMap, forms: Sequence[TokenForm]) -> list[str]:
    """Return for each row of the vocabulary what the map knows of it.

    `no letters`: nothing in the token belongs to a script (digits, most punctuation, spaces,
    special rows). `script`: one of the map's languages alone is written in its script. Else
    `counted` if the map's text has it `FEWEST` times or more, `few` if less often, and
    `not counted` where the map holds no counts (that by a language identifier).
    """
    groups = group_tokens(forms)
    written = script_languages(groups, language_map.languages).sum(axis=1)
    counted = language_map.counted
    found = []
    for row, group in enumerate(groups.index):
        if not groups.scripts[group]:
            found.append(NO_LETTERS)
        elif written[group] == 1:
            found.append(SCRIPT)
        elif counted is None:
            found.append(NOT_COUNTED)
        else:
            found.append(COUNTED if counted[row] >= FEWEST else FEW)
    return found
