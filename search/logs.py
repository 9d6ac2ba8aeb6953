"""Logs on standard error in which no password can appear: JSON lines, or lines for people on a terminal."""

import json
import logging
import math
import os
import sys
import threading
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any

from pythonjsonlogger.core import RESERVED_ATTRS
from pythonjsonlogger.json import JsonFormatter

from search.redaction import Redact, redaction

TAIL_BYTES = 65_536  # of a log, in which its last words are looked for

_COLOURS = {logging.WARNING: "33", logging.ERROR: "31", logging.CRITICAL: "31;1"}

log = logging.getLogger(__name__)


def configure(secrets: Iterable[str]) -> None:
    """Sends every log record, warning and uncaught exception of this process to standard error, one line each.

    JSON where that is no terminal, else lines for people, in which tracebacks keep their line breaks. `secrets`,
    and passwords within URLs, are replaced by `***`. May be called again, with other secrets.
    """
    hide = redaction(secrets)
    terminal = sys.stderr.isatty()
    handler = _Handler()
    handler.setFormatter(_PlainLines(hide, colours="NO_COLOR" not in os.environ) if terminal else _JsonLines(hide))
    root = logging.getLogger()
    for former in [handler for handler in root.handlers if isinstance(handler, _Handler)]:
        root.removeHandler(former)
    root.addHandler(handler)
    logging.getLogger("search").setLevel(logging.INFO)
    logging.captureWarnings(True)
    sys.excepthook = _log_uncaught
    sys.unraisablehook = lambda found: _log_uncaught(found.exc_type, found.exc_value, found.exc_traceback)
    threading.excepthook = _log_uncaught_in_thread


def last_words(file: Path) -> str:
    """What the process that wrote this log said last, in one line: its message, or the exception that ended it."""
    with file.open("rb") as content:
        content.seek(max(0, file.stat().st_size - TAIL_BYTES))
        lines = content.read().decode(errors="replace").split("\n")
    said = [line.strip() for line in lines if line.strip()]
    if not said:
        return "it said nothing"
    try:
        entry = json.loads(said[-1])
    except ValueError:
        return said[-1]
    if not isinstance(entry, dict) or "message" not in entry:
        return said[-1]
    exception = str(entry.get("exception") or "").strip().splitlines()
    return ": ".join([str(entry["message"]), *exception[-1:]])


class _Handler(logging.StreamHandler[Any]):
    def handleError(self, record: logging.LogRecord) -> None:
        """Says where a log call is wrong; the standard library would print its arguments as they are."""
        if record.name != __name__:  # else not even this can be written: nobody reads any more
            error = sys.exc_info()[1]
            log.error("a log call at %s:%s can't be written: %r", record.pathname, record.lineno, error)


class _JsonLines(JsonFormatter):
    def __init__(self, hide: Redact) -> None:
        names = {"asctime": "time", "levelname": "level", "name": "logger"}
        names |= {"exc_info": "exception", "stack_info": "stack"}
        super().__init__(["asctime", "levelname", "name", "message"], rename_fields=names)
        self._hide = hide

    def formatTime(self, record: logging.LogRecord, datefmt: str | None = None) -> str:
        return datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")

    def process_log_record(self, log_data: dict[str, Any]) -> dict[str, Any]:
        return {self._hide(key): self._plain(value) for key, value in log_data.items()}

    def _plain(self, value: Any) -> Any:
        """The value as JSON knows it, with no secret in any text of it."""
        if value is None or isinstance(value, bool | int) or (isinstance(value, float) and math.isfinite(value)):
            return value
        if isinstance(value, Mapping):
            return {self._hide(str(key)): self._plain(each) for key, each in value.items()}
        if isinstance(value, list | tuple | set | frozenset):
            return [self._plain(each) for each in value]
        return self._hide(str(value))


class _PlainLines(logging.Formatter):
    def __init__(self, hide: Redact, *, colours: bool) -> None:
        super().__init__()
        self._hide = hide
        self._colours = colours

    def format(self, record: logging.LogRecord) -> str:
        extra = [f"{key}={value}" for key, value in record.__dict__.items() if key not in RESERVED_ATTRS]
        level = record.levelname
        if self._colours and record.levelno in _COLOURS:
            level = f"\033[{_COLOURS[record.levelno]}m{level}\033[0m"
        said = _printable(self._hide("  ".join([record.getMessage(), *extra])))
        trace = self.formatException(record.exc_info) if record.exc_info else ""
        stack = self.formatStack(record.stack_info) if record.stack_info else ""
        # Indented, so that no line of an exception's text passes for a log line.
        more = [f"  {_printable(line)}" for line in self._hide(f"{trace}\n{stack}").split("\n") if line]
        return "\n".join([f"{self.formatTime(record, '%H:%M:%S')} {level} {said}", *more])


def _printable(text: str) -> str:
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def _log_uncaught(kind: type[BaseException], error: BaseException | None, trace: TracebackType | None) -> None:
    log.critical("an uncaught exception", exc_info=(kind, error or kind(), trace))


def _log_uncaught_in_thread(arguments: threading.ExceptHookArgs) -> None:
    if arguments.exc_type is SystemExit:  # how a thread may end itself
        return
    name = arguments.thread.name if arguments.thread else "unknown"
    log.critical(
        "an uncaught exception in the thread %s",
        name,
        exc_info=(arguments.exc_type, arguments.exc_value or arguments.exc_type(), arguments.exc_traceback),
    )
