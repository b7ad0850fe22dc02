"""A shard -> its answers in a file: the service's own code from the encoded input to the scores."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from scripts.scoring.output import Output
from scripts.scoring.pictures import LARGEST, too_large
from scripts.scoring.rowgroups import Reader
from scripts.scoring.shards import Held, RowsLost, Shard, Value
from service.engine.proof import prove
from service.engine.rows import read_row, stack
from service.engine.session import Scores
from service.errors import InferenceFailed, InvalidInput, MaxpoolError
from service.sentences import read_sentence
from service.spec import ImageInput


@dataclass(frozen=True)
class Done:
    shard: int
    rows: int
    weight: int  # bytes of the input
    errors: int  # rows


@dataclass
class Answers:
    ids: list[str] = field(default_factory=list)
    best: list[npt.NDArray[np.intp]] = field(default_factory=list)  # n x top_k each
    scores: list[Scores] = field(default_factory=list)
    errors: list[dict[str, Any]] = field(default_factory=list)


class Scorer:
    def __init__(self, model: Path, *, provider: str, batch_rows: int, output: Output) -> None:
        """Raises ModelRefused."""
        proven = prove(model, provider=provider)
        self._session, self._input = proven.session, proven.spec.input
        self._pictures = isinstance(proven.spec.input, ImageInput)
        self._batch_rows, self._output = batch_rows, output
        self._reader = Reader(pictures=self._pictures)

    def score(self, shard: Shard) -> Done:
        """Raises Refused where the answers can not be written."""
        answers = Answers()
        for block in shard.blocks:
            self._answer(block if isinstance(block, Held) else self._reader.read(block), answers)
        empty = np.empty((0, self._output.top_k))
        best = np.concatenate([empty.astype(np.intp), *answers.best])
        scores = np.concatenate([empty.astype(np.float32), *answers.scores])
        self._output.write(shard.number, answers.ids, best, scores, answers.errors)
        return Done(shard.number, shard.rows, shard.weight, sum(each.get("rows", 1) for each in answers.errors))

    def _answer(self, held: Held, answers: Answers) -> None:
        count = len(held.values)
        order: Sequence[int] = range(count)
        if not self._pictures:  # those of about a length in a batch: it is padded to the longest
            order = sorted(order, key=lambda at: len(given) if isinstance(given := held.values[at], bytes) else 0)
        best = np.full((count, self._output.top_k), -1, np.intp)
        scores = np.zeros((count, self._output.top_k), np.float32)
        wrong: dict[int, MaxpoolError] = {}
        for begin in range(0, count, self._batch_rows):
            kept, rows = [], []
            for at in order[begin : begin + self._batch_rows]:
                try:
                    rows.append(self._row(held.values[at]))
                    kept.append(at)
                except InvalidInput as error:
                    wrong[at] = error
            if rows:
                self._run(kept, rows, best, scores, wrong)
        if not wrong:
            answers.ids += held.ids
        else:
            whole = best[:, 0] >= 0
            best, scores = best[whole], scores[whole]
            answers.ids += [held.ids[at] for at in np.flatnonzero(whole).tolist()]
            answers.errors += [told(held, at, wrong[at]) for at in sorted(wrong)]
        answers.best.append(best)
        answers.scores.append(scores)

    def _row(self, given: Value) -> Any:
        """H x W x C uint8 or a str. Raises InvalidInput."""
        if isinstance(given, bytes):
            return read_row(given if self._pictures else read_sentence(given), self._input).row
        if isinstance(given, Path):
            return read_row(read_file(given), self._input).row
        if given is None:
            raise InvalidInput("the row has no input: null")
        raise given

    def _run(
        self,
        kept: list[int],
        rows: list[Any],
        best: npt.NDArray[np.intp],
        scores: Scores,
        wrong: dict[int, MaxpoolError],
    ) -> None:
        """One bad row does not spoil the others': after a failure each runs once more, alone."""
        try:
            found = self._session.run(stack(rows))
            if not np.isfinite(found).all():
                raise FloatingPointError("the graph gave scores that are not finite")
        except Exception as error:
            if len(rows) == 1:
                wrong[kept[0]] = InferenceFailed(f"the model failed on this input: {error}")
                return
            for at, row in zip(kept, rows, strict=True):
                self._run([at], [row], best, scores, wrong)
            return
        if self._output.top_k == 1:
            top = found.argmax(axis=1)[:, None]
        else:  # ties by the lower index, as the service ranks
            top = (-found).argsort(axis=1, kind="stable")[:, : self._output.top_k]
        best[kept] = top
        scores[kept] = np.take_along_axis(found, top, axis=1)


def read_file(path: Path) -> bytes:
    """Raises InvalidInput."""
    try:
        with path.open("rb") as file:
            encoded = file.read(LARGEST + 1)
    except OSError as error:
        raise InvalidInput(f"the file {path} can not be read: {error.strerror}") from None
    if len(encoded) > LARGEST:
        raise too_large(path.stat().st_size)
    return encoded


def told(held: Held, at: int, error: MaxpoolError) -> dict[str, Any]:
    rows = {"rows": error.rows} if isinstance(error, RowsLost) else {}
    return {"id": held.ids[at], "position": held.position(at), **rows, "error": str(error), "reason": error.reason}
