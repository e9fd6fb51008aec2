"""The command line's root, to which the other files add their commands."""

from __future__ import annotations

from cyclopts import App

app = App(
    name="babelscope",
    help="In which language should training examples be written, and what does it do to others?",
    version_flags=["--version"],
    result_action="return_value",  # the status is ours to return
    suppress_keyboard_interrupt=False,  # and what is said of an interruption
)
