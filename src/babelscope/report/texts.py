"""Texts and tokens of a study as the page's script draws them: as data, never as markup."""

from __future__ import annotations

from collections.abc import Iterator

from babelscope.controls import runs, token_runs

Piece = str | list[str] | int
Text = str | list[Piece]
"""A text as `babelscope.put` of the page's script draws it.

Strings stand for themselves. A list within it holds the name of a character that would steer the
page, or of a piece of a token that would not be seen, then its bytes in hex. A number counts
characters that were left out.
"""


def told(text: object, room: int, tail: int = 0) -> Text:
    """Return a text of at most its first `room` characters and its last `tail`."""
    whole = str(text if text is not None else "")
    left_out = len(whole) - room - tail
    if left_out <= 0:
        return _joined([*_pieces(whole)])
    return _joined([*_pieces(whole[:room]), left_out, *_pieces(whole[len(whole) - tail :])])


def told_token(data: bytes) -> Text:
    """Return a token's bytes: `["<E0>", "e0"]` for a piece of a character."""
    pieces: list[Piece] = []
    for said, name, raw in token_runs(data):
        pieces += [said] * bool(said) + [[name, raw.hex()]] * bool(name)
    return _joined(pieces)


def _pieces(text: str) -> Iterator[Piece]:
    for said, name in runs(text):
        if said:
            yield said
        if name:
            yield [name]


def _joined(pieces: list[Piece]) -> Text:
    if not pieces:
        return ""
    return pieces[0] if len(pieces) == 1 and isinstance(pieces[0], str) else pieces
