"""The command line: parse, import lazily, call one function, print."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Callable, Sequence

from cyclopts import CycloptsError

from babelscope.cli import align, classify, lens, models, probe, studies
from babelscope.cli.app import app
from babelscope.controls import one_line
from babelscope.errors import BabelscopeError, SettingError, StoreError

__all__ = ["align", "app", "classify", "lens", "main", "models", "probe", "studies"]

EXIT_FAULT = 2
EXIT_INTERRUPTED = 130


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; returns the exit status: 0, or 2 with one line on standard error."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    return _guarded(lambda: _run(given))


def _run(arguments: Sequence[str]) -> None:
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # a name of any bytes can be told
    for argument in arguments:
        if any("\ud800" <= character <= "\udfff" for character in argument):
            raise SettingError(f"argument {argument}", expected="UTF-8", found="other bytes")
    _check_processes(arguments)
    app(arguments, exit_on_error=False, print_error=False)


def _check_processes(arguments: Sequence[str]) -> None:
    count = os.environ.get("WORLD_SIZE", "")
    if count not in ("", "1") and list(arguments[:1]) != ["tune"]:
        raise SettingError(
            f"babelscope {' '.join(arguments[:1])}".strip(),
            expected="one process; `tune` alone takes several",
            found=f"WORLD_SIZE={count}",
            remedy="start it without a launcher",
        )


def _guarded(work: Callable[[], object]) -> int:
    try:
        work()
        sys.stdout.flush()
    except (BabelscopeError, CycloptsError) as error:
        return _fault(error)
    except BrokenPipeError:
        # the reader of a pipe has gone; keep the interpreter from complaining about it at exit
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except OSError as error:
        name = error.filename or "a file"
        return _fault(
            StoreError(str(name), expected="a file that works", found=error.strerror or str(error))
        )
    except RecursionError:
        return _fault(SettingError("input", expected="less deeply nested data"))
    except KeyboardInterrupt:
        print("interrupted; run the same command again to continue", file=sys.stderr)
        return EXIT_INTERRUPTED
    return 0


def _fault(error: Exception) -> int:
    print("error: " + one_line(str(error).strip()), file=sys.stderr)
    return EXIT_FAULT
