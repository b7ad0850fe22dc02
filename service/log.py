"""One line of JSON for each thing that happened, on stderr. No bodies, no secrets, no line a request."""

import json
import logging
import time


class JsonFormatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        line = {
            "time": time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created)) + f".{int(record.msecs):03d}Z",
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line)


def log_config(level: str) -> dict[str, object]:
    """For logging.config.dictConfig, and so for uvicorn, whose worker processes each apply it."""
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"json": {"()": JsonFormatter}},
        "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "json"}},
        "loggers": {name: {"level": level.upper()} for name in ("maxpool", "uvicorn")},
        # Libraries, too: what they quote of a request must not look like a line of ours. Only what they warn of.
        "root": {"handlers": ["stderr"], "level": "ERROR"},
    }
