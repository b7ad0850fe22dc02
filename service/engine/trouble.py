"""Something that is tried again and again, and fails: one line of the log, and not one each time."""

import logging
import time

log = logging.getLogger("maxpool")
REMIND_SECONDS = 60  # from one line to the next while it fails as before
LEAST_SECONDS = 1  # from one line to the next, however it fails


class Trouble:
    def __init__(self, what: str) -> None:
        """`what` failed, in the log's words."""
        self._what = what
        self._reason = ""  # "" while it works
        self._times = 0  # since the last line
        self._said = 0.0  # when

    def met(self, reason: str, error: BaseException | None = None) -> None:
        """`error`: one that nobody foresaw; its traceback is shown once."""
        self._times += 1
        seconds = time.monotonic() - self._said if self._reason else REMIND_SECONDS
        known = reason == self._reason
        if seconds < (REMIND_SECONDS if known else LEAST_SECONDS):
            return
        times = f" ({self._times} times)" if self._times > 1 else ""
        log.error("%s failed%s: %s", self._what, times, reason, exc_info=None if known else error)
        self._reason, self._times, self._said = reason, 0, time.monotonic()

    def over(self) -> None:
        if self._reason:
            log.info("%s works again", self._what)
        self._reason, self._times = "", 0
