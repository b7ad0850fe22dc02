"""Golden inputs answered once more before a process says that it is ready, by the road of a request from decoding on,
and counted nowhere. What runs for the first time in a process takes several times as long: its code is in no cache
yet, and memory, of a process that was forked all of it, is still to be given by the system."""

import time
from collections.abc import Collection
from contextlib import nullcontext, suppress

from service.engine.lanes import Lanes
from service.engine.model import Model
from service.engine.rows import read_row
from service.engine.schedule import within
from service.errors import MaxpoolError

TIMES = 3  # of each model
SECONDS = 0.25  # for all of them, or little more: a worker that takes the place of another is to be there soon
PATIENCE = 60  # seconds for one answer


async def rehearse(models: Collection[Model], lanes: Lanes) -> None:
    end = time.perf_counter() + SECONDS
    for model in [each for _ in range(TIMES) for each in models]:
        if time.perf_counter() > end:
            return
        with suppress(MaxpoolError):  # whoever asks will hear of it
            await answer(model, lanes)


async def answer(model: Model, lanes: Lanes) -> None:
    row = read_row(model.golden[0].input, model.spec.input)
    batcher = model.batcher.aside(nullcontext, lanes=lanes, queue_rows=1)
    answered = await batcher.submit(row.row, within(PATIENCE), units=row.units)
    model.rank(answered.scores, len(model.spec.labels))
    if model.sampler:
        model.sampler.look(row.row, answered.scores)
