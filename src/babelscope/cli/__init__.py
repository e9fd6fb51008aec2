"""The command line: parse, import lazily, call one function, print."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence

from cyclopts import CycloptsError

from babelscope.cli import classify, lens, models, studies
from babelscope.cli.app import app
from babelscope.errors import BabelscopeError, SettingError, StoreError

__all__ = ["app", "classify", "lens", "main", "models", "studies"]

EXIT_FAULT = 2
EXIT_INTERRUPTED = 130


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; returns the exit status: 0, or 2 with one line on standard error."""
    given = list(sys.argv[1:] if arguments is None else arguments)

    def work() -> None:
        _check_processes(given)
        app(given, exit_on_error=False, print_error=False)

    return _guarded(work)


def _check_processes(given: Sequence[str]) -> None:
    count = os.environ.get("WORLD_SIZE", "")
    if count not in ("", "1") and given[:1] != ["tune"]:
        raise SettingError(
            f"babelscope {' '.join(given[:1])}".strip(),
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
    print("error: " + " ".join(str(error).split()), file=sys.stderr)
    return EXIT_FAULT
