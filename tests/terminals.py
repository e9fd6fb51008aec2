"""A pseudo terminal for tests: run a program in one of a given width, and read what it shows."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import struct
import subprocess
import sys
import termios
from collections.abc import Mapping

# no width: the program must ask the terminal
PLAIN = {k: v for k, v in os.environ.items() if k not in ("NO_COLOR", "COLUMNS", "LINES")}
SEQUENCE = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|\x1b\][^\x07]*\x07")


def in_terminal(
    code: str, *, columns: int, settings: Mapping[str, str] | None = None
) -> tuple[int, str, bytes]:
    """Run Python code with standard output and error on a terminal.

    Returns the exit status, the text without escape sequences, and the bytes as they came.
    """
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    environment = {**PLAIN, "TERM": "xterm-256color", **(settings or {})}
    process = subprocess.Popen(
        [sys.executable, "-c", code],
        stdin=subprocess.DEVNULL, stdout=theirs, stderr=theirs, env=environment,
    )  # fmt: skip
    os.close(theirs)
    told = b""
    while True:
        try:
            part = os.read(ours, 65536)
        except OSError:  # Linux's way to say that the other side is closed
            break
        if not part:
            break
        told += part
    os.close(ours)
    return process.wait(), SEQUENCE.sub("", told.decode()).replace("\r\n", "\n"), told


def piped(code: str, settings: Mapping[str, str] | None = None) -> tuple[int, str, str]:
    """Run Python code with standard output and error on pipes; returns status and both."""
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True, text=True, encoding="utf-8", env={**PLAIN, **(settings or {})},
    )  # fmt: skip
    return done.returncode, done.stdout, done.stderr
