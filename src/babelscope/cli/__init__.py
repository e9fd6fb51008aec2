"""The command line: parse, import lazily, call one function, print."""

from __future__ import annotations

import io
import os
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from types import FrameType

EXIT_FAULT = 2
EXIT_INTERRUPTED = 130
INTERRUPTED = "interrupted; run the same command again to continue"

try:
    from cyclopts import CycloptsError

    from babelscope.cli import align, classify, lens, models, probe, studies
    from babelscope.cli.app import app
    from babelscope.controls import one_line
    from babelscope.errors import BabelscopeError, SettingError, StoreError
    from babelscope.progress import silence
except KeyboardInterrupt:  # so early that `main` cannot say it yet
    print(INTERRUPTED, file=sys.stderr)
    raise SystemExit(EXIT_INTERRUPTED) from None

__all__ = ["align", "app", "classify", "lens", "main", "models", "probe", "studies"]

EXIT_SIGNAL = 128
"""To which the number of the signal is added that ended a command, as shells do."""

SIGNALS = [
    getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)
]
"""What ends a command in good order: Ctrl-C, a batch system's time limit, a closed terminal."""


class Stopped(KeyboardInterrupt):
    """A signal that ends a command; it passes through what lets an interruption pass.

    It is not KeyboardInterrupt itself: where that has passed through a text given to `exec`,
    Python ends itself by the signal, whatever the exit status.
    """

    def __init__(self, number: int) -> None:
        """Keep the signal's number."""
        super().__init__()
        self.number = number


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; returns the exit status, with one line on standard error unless it is 0.

    The status is 0, 2 for a fault, 130 after Ctrl-C, 143 or 129 after SIGTERM or SIGHUP.
    """
    given = list(sys.argv[1:] if arguments is None else arguments)
    with _stoppable():
        return _guarded(lambda: _run(given))


@contextmanager
def _stoppable() -> Iterator[None]:
    """Turn `SIGNALS` into an exception, unless the caller has its own way with them."""
    before = {}
    _signalled.clear()
    for number in SIGNALS:
        if signal.getsignal(number) in (signal.SIG_DFL, signal.default_int_handler):
            with suppress(ValueError):  # not in the main thread
                before[number] = signal.signal(number, _stop)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


_signalled: list[int] = []
"""The signal that came: an import that it falls into may lose the exception, or turn it."""


def _stop(number: int, frame: FrameType | None) -> None:
    _signalled.append(number)
    raise Stopped(number)


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
    """Return the status of `work`; where a signal came, its own, whatever became of the work."""
    try:
        status = _status(work)
    except Exception:  # of any kind: what an import that a signal broke raises; else it goes on
        if not _signalled:
            raise
    else:
        if not _signalled or status > EXIT_SIGNAL:
            return status
    _tell(INTERRUPTED)
    return EXIT_SIGNAL + _signalled[0]


def _status(work: Callable[[], object]) -> int:
    try:
        work()
        sys.stdout.flush()
    except (BabelscopeError, CycloptsError) as error:
        return _fault(error)
    except BrokenPipeError:
        # the reader of what is printed has gone, `| head` has seen enough: no fault of ours
        silence(sys.stdout)
    except OSError as error:
        name = error.filename or "a file"
        return _fault(
            StoreError(str(name), expected="a file that works", found=error.strerror or str(error))
        )
    except RecursionError:
        return _fault(SettingError("input", expected="less deeply nested data"))
    except KeyboardInterrupt as stop:
        _tell(INTERRUPTED)
        return EXIT_SIGNAL + stop.number if isinstance(stop, Stopped) else EXIT_INTERRUPTED
    return 0


def _fault(error: Exception) -> int:
    if not _signalled:  # what went wrong after a signal is the signal's doing
        _tell("error: " + one_line(str(error).strip()))
    return EXIT_FAULT


def _tell(line: str) -> None:
    """Print a line on standard error; where nobody reads it any more, the status says it."""
    try:
        print(line, file=sys.stderr, flush=True)
    except OSError:
        silence(sys.stderr)
