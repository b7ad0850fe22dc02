"""One line of JSON for each thing that happened, on stderr: whatever it quotes, it is one line, no longer than a pipe
takes at once, so that those of two processes never mix. No bodies, no secrets. requestlog.py has the requests."""

import json
import logging
import logging.config
import select
import sys
import threading
import time
from functools import lru_cache
from typing import Any, TextIO

LONGEST = 4096  # bytes, as POSIX's PIPE_BUF on Linux
log = logging.getLogger("maxpool")


class JsonFormatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        line = {
            "time": stamp(record.created),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": message(record),
        }
        if request := getattr(record, "request_id", None):
            line["request_id"] = request
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return one_line(line)


class Stderr(logging.StreamHandler[TextIO]):
    """Waits for nobody: a pipe that is full, since who should read it does not, must not hold the event loop up."""

    def emit(self, record: logging.LogRecord) -> None:
        if select.select([], [self.stream], [], 0)[1]:  # a pipe then takes a line as long as ours may be
            super().emit(record)


def message(record: logging.LogRecord) -> str:
    try:
        return record.getMessage()
    except (TypeError, ValueError):  # a library's mistake; logging would print a traceback of it
        return str(record.msg)


def one_line(fields: dict[str, str]) -> str:
    """JSON in ASCII, which has no line ends and no escapes of a terminal's. Of what is too long the beginning is kept,
    of a traceback the end, where the error is."""
    kept = {name: text[-LONGEST:] if name == "exception" else text[:LONGEST] for name, text in fields.items()}
    while len(line := dumps(kept)) >= LONGEST:
        name = max(kept, key=lambda name: len(dumps(kept[name])))
        length = len(kept[name]) * 2 // 3
        kept[name] = f"…{kept[name][-length:]}" if name == "exception" else f"{kept[name][:length]}…"
    return line


def dumps(given: dict[str, str] | str) -> str:
    """Lone surrogates, which no reader of JSON has to take, are spelled out."""
    if isinstance(given, str):
        return json.dumps(given.encode("utf-8", "backslashreplace").decode()).replace("\x7f", "\\u007f")
    return f"{{{', '.join(f'{dumps(name)}: {dumps(text)}' for name, text in given.items())}}}"


def stamp(seconds: float) -> str:
    """Of the epoch -> ISO 8601 in UTC, to the millisecond."""
    whole = int(seconds)
    return f"{second(whole)}.{int((seconds - whole) * 1000):03d}Z"


@lru_cache(4)
def second(seconds: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds))


def log_config(level: str) -> dict[str, object]:
    """For logging.config.dictConfig, and so for uvicorn, whose worker processes each apply it."""
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"json": {"()": JsonFormatter}},
        "handlers": {"stderr": {"()": Stderr, "formatter": "json"}},
        "loggers": {
            **{name: {"level": level.upper()} for name in ("maxpool", "uvicorn")},
            "py.warnings": {"level": "WARNING"},
            "opentelemetry": {"level": "CRITICAL"},  # would say every batch that is lost; traces.py says the first
        },
        # Libraries, too: what they quote of a request must not look like a line of ours. Only what they warn of.
        "root": {"handlers": ["stderr"], "level": "ERROR"},
    }


def set_up(level: str) -> None:
    """For what happens before uvicorn does it, and for what Python itself would print."""
    logging.config.dictConfig(log_config(level))
    logging.captureWarnings(True)
    sys.excepthook = lambda *error: log.critical("the process ends", exc_info=error)
    threading.excepthook = lambda died: log.critical("a thread ended", exc_info=of_thread(died))
    sys.unraisablehook = lambda seen: log.error("an error that nobody could be told", exc_info=seen.exc_value)


def of_thread(died: threading.ExceptHookArgs) -> Any:
    return died.exc_type, died.exc_value, died.exc_traceback
