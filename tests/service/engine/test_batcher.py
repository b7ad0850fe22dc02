import asyncio
import threading
import time
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

import numpy as np
import pytest

from service.engine import cost
from service.engine.batcher import Batcher
from service.engine.cost import Cost, measure_cost
from service.engine.lanes import Lanes
from service.engine.schedule import FIRST, LAST, Schedule, within
from service.engine.session import Scores
from service.errors import DeadlineExceeded, Disconnected, InferenceFailed, Overloaded

FAST = Cost(fixed=0.0001, per_unit=0.00001, max_rows=16)
SLOW = Cost(fixed=0.05, per_unit=0.0, max_rows=4)


class Recorder:
    """A graph of one score, the row itself; notes each batch and the thread it ran on. Rows below 0 fail it."""

    def __init__(self, seconds: float = 0.0) -> None:
        self.batches: list[list[float]] = []
        self.threads: list[str] = []
        self.seconds = seconds

    def run(self, rows: Sequence[Any]) -> Scores:
        self.batches.append(list(rows))
        self.threads.append(threading.current_thread().name)
        time.sleep(self.seconds)
        if min(rows) < 0:
            raise RuntimeError("poison")
        return np.array(rows, dtype=np.float32)[:, np.newaxis]


def batcher(recorder: Recorder, cost: Cost, lanes: int = 1, queue_rows: int = 1000) -> Batcher:
    return Batcher(
        recorder.run, cost=cost, lanes=Lanes(lanes), queue_rows=queue_rows, observe=lambda rows, seconds: None
    )


def gather(batches: Batcher, rows: Sequence[float], units: int = 1) -> list[Any]:
    async def ask() -> list[Any]:
        futures = [batches.submit(row, within(60), units=units) for row in rows]
        return list(await asyncio.gather(*futures, return_exceptions=True))

    return asyncio.run(asyncio.wait_for(ask(), 20))


def test_rows_that_wait_together_run_together_on_the_loop() -> None:
    recorder = Recorder()
    answers = gather(batcher(recorder, FAST), range(20))
    assert [float(answer.scores[0]) for answer in answers] == list(range(20))
    assert [len(batch) for batch in recorder.batches] == [16, 4]
    assert set(recorder.threads) == {"MainThread"}


def test_long_batches_run_in_lanes_and_fill_up_while_those_are_busy() -> None:
    recorder = Recorder(seconds=0.02)
    answers = gather(batcher(recorder, SLOW, lanes=2), range(10))
    assert [float(answer.scores[0]) for answer in answers] == list(range(10))
    assert sorted(len(batch) for batch in recorder.batches) == [2, 4, 4]
    assert all(name.startswith("lane") for name in recorder.threads)


@pytest.mark.parametrize("cost", [FAST, SLOW])
def test_a_row_that_breaks_its_batch_harms_nobody_else(cost: Cost) -> None:
    recorder = Recorder()
    answers = gather(batcher(recorder, cost), [1.0, -1.0, 2.0])
    assert isinstance(answers[1], InferenceFailed)
    assert [float(answers[n].scores[0]) for n in (0, 2)] == [1.0, 2.0]


def test_scores_that_are_not_finite_are_a_failure_of_that_row_alone() -> None:
    answers = gather(batcher(Recorder(), FAST), [1.0, float("nan"), 2.0])
    assert isinstance(answers[1], InferenceFailed)
    assert float(answers[2].scores[0]) == 2.0


def test_a_caller_that_is_gone_is_not_run() -> None:
    recorder = Recorder()

    async def ask() -> None:
        batches = batcher(recorder, FAST)
        gone, here = batches.submit(1.0, within(60), units=1), batches.submit(2.0, within(60), units=1)
        gone.cancel()
        await here

    asyncio.run(ask())
    assert recorder.batches == [[2.0]]


def test_a_full_queue_refuses_at_once_and_takes_again_after() -> None:
    batches = batcher(Recorder(), FAST, queue_rows=4)
    batches.admit(3, within(60))
    with pytest.raises(Overloaded, match="3 of 4") as refusal:
        batches.admit(2, within(60))
    assert refusal.value.retry_after >= 1
    batches.release(3)
    batches.admit(4, within(60))


def test_the_loop_is_free_between_inline_batches() -> None:
    async def ask() -> int:
        batches = batcher(Recorder(), Cost(fixed=0.0001, per_unit=0.0, max_rows=1))
        ticks = 0

        async def tick() -> None:
            nonlocal ticks
            while True:
                ticks += 1
                await asyncio.sleep(0)

        ticking = asyncio.create_task(tick())
        await asyncio.gather(*(batches.submit(float(n), within(60), units=1) for n in range(50)))
        ticking.cancel()
        return ticks

    assert asyncio.run(ask()) >= 50


def test_sentences_of_very_different_length_do_not_share_a_batch() -> None:
    cost = Cost(fixed=0.00005, per_unit=0.000001, max_rows=16)
    recorder = Recorder()

    async def ask() -> None:
        batches = batcher(recorder, cost)
        await asyncio.gather(
            *(batches.submit(float(n), within(60), units=units) for n, units in enumerate((20, 20, 20, 300, 20)))
        )

    asyncio.run(ask())
    assert recorder.batches == [[0.0, 1.0, 2.0], [3.0], [4.0]]


def test_two_models_share_the_lanes_by_turns() -> None:
    lanes = Lanes(1)
    recorders = [Recorder(seconds=0.01), Recorder(seconds=0.01)]

    async def ask() -> None:
        both = [
            Batcher(recorder.run, cost=SLOW, lanes=lanes, queue_rows=100, observe=lambda rows, seconds: None)
            for recorder in recorders
        ]
        await asyncio.gather(*(batches.submit(float(n), within(60), units=1) for n in range(12) for batches in both))

    asyncio.run(asyncio.wait_for(ask(), 20))
    assert [sum(map(len, recorder.batches)) for recorder in recorders] == [12, 12]


class Clock:
    """Turned by what is run, so that a busy machine has no say in what a run took."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def perf_counter(self) -> float:
        return self.seconds

    def run_of(self, fixed: float, per_row: float) -> Callable[[int], None]:
        def run(rows: int) -> None:
            self.seconds += fixed + per_row * rows

        return run


def test_a_model_whose_callers_have_all_gone_passes_its_turn_on() -> None:
    """Else the next model would wait until a third one came to run something."""
    first, second, third = Recorder(seconds=0.05), Recorder(), Recorder()
    lanes = Lanes(1)

    async def ask() -> None:
        models = [
            Batcher(each.run, cost=SLOW, lanes=lanes, queue_rows=10, observe=lambda rows, seconds: None)
            for each in (first, second, third)
        ]
        running, left, waits = (each.submit(1.0, within(60), units=1) for each in models)
        await asyncio.sleep(0.01)  # the first runs, the others have asked for a turn
        left.cancel()
        await asyncio.wait_for(asyncio.gather(running, waits), 20)
        await asyncio.wait_for(models[1].submit(2.0, within(60), units=1), 20)

    asyncio.run(ask())
    assert (second.batches, third.batches) == ([[2.0]], [[1.0]])


@pytest.mark.parametrize("cost", [FAST, SLOW])
def test_a_client_that_goes_at_the_moment_of_its_turn_stops_nothing(cost: Cost) -> None:
    looks = iter([False])
    recorder = Recorder()

    async def ask() -> Any:
        batches = batcher(recorder, cost)
        goes = within(60)
        goes.gone = lambda: next(looks, True)  # at the second look, which may be a microsecond later
        going = batches.submit(1.0, goes, units=1)
        await asyncio.wait([going], timeout=20)
        return await asyncio.wait_for(batches.submit(2.0, within(60), units=1), 20)

    assert float(asyncio.run(ask()).scores[0]) == 2.0


def test_the_batch_grows_where_that_pays_and_stays_one_where_it_does_not(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock()
    monkeypatch.setattr(cost, "time", clock)
    assert measure_cost(clock.run_of(0.001, 0.00001), units=1).max_rows == 32
    assert measure_cost(clock.run_of(0.0, 0.002), units=1).max_rows == 1


def test_the_queue_stays_whole_under_cancels_and_failures() -> None:
    async def ask() -> None:
        batches = batcher(Recorder(seconds=0.0005), SLOW, lanes=2)
        random = np.random.default_rng(0)

        async def one(number: int) -> None:
            future = batches.submit(-1.0 if number % 7 == 0 else float(number), within(60), units=1)
            wait: Coroutine[Any, Any, Any] = asyncio.wait_for(future, float(random.uniform(0.0, 0.2)))
            try:
                answer = await wait
            except (TimeoutError, InferenceFailed):
                return
            assert float(answer.scores[0]) == number

        await asyncio.gather(*(one(number) for number in range(300)))
        assert float((await batches.submit(5.0, within(60), units=1)).scores[0]) == 5.0

    asyncio.run(asyncio.wait_for(ask(), 30))


def test_a_request_that_could_not_be_answered_in_time_is_refused_at_the_door() -> None:
    batches = batcher(Recorder(), SLOW)  # 4 rows in 50 ms
    batches.admit(40, within(0.2))  # nobody is before it, so it is worth a try
    with pytest.raises(Overloaded, match="too long for the deadline") as refusal:
        batches.admit(1, within(0.4))
    assert refusal.value.retry_after == 1
    batches.admit(1, within(5))


def test_what_a_row_takes_is_learnt_from_those_that_were_run() -> None:
    async def ask() -> None:
        batches = batcher(Recorder(seconds=0.05), Cost(fixed=0.002, per_unit=0.0, max_rows=1))
        batches.admit(30, within(60))
        await asyncio.gather(*(batches.submit(float(n), within(60), units=1) for n in range(30)))
        with pytest.raises(Overloaded, match="too long for the deadline"):
            batches.admit(1, within(0.5))  # 30 rows that were thought to take 60 ms

    asyncio.run(ask())


def test_where_runs_vary_fewer_are_let_in() -> None:
    class Varying(Recorder):
        def run(self, rows: Sequence[Any]) -> Scores:
            self.seconds = 0.09 if len(self.batches) % 2 else 0.01
            return super().run(rows)

    async def ask() -> None:
        batches = batcher(Varying(), Cost(fixed=0.05, per_unit=0.0, max_rows=1))
        batches.admit(30, within(60))
        await asyncio.gather(*(batches.submit(float(n), within(60), units=1) for n in range(30)))
        batches.release(10)
        expected = batches.queue_seconds  # of 20 rows; they may well take half as long again
        with pytest.raises(Overloaded, match="too long for the deadline"):
            batches.admit(1, within(1.4 * expected))
        batches.admit(1, within(4 * expected))

    asyncio.run(ask())


def test_a_row_that_is_too_late_when_its_turn_comes_is_not_run() -> None:
    recorder = Recorder(seconds=0.1)

    async def ask() -> None:
        batches = batcher(recorder, Cost(fixed=0.05, per_unit=0.0, max_rows=1))
        first, late, last = (batches.submit(n, within(s), units=1) for n, s in ((1.0, 9), (2.0, 0.12), (3.0, 9)))
        await first
        with pytest.raises(DeadlineExceeded):
            await late
        await last

    asyncio.run(ask())
    assert recorder.batches == [[1.0], [3.0]]


def test_nobody_runs_what_nobody_waits_for() -> None:
    recorder = Recorder()

    async def ask() -> None:
        batches = batcher(recorder, FAST)
        gone = batches.submit(1.0, Schedule(0.0, float("inf"), gone=lambda: True), units=1)
        await batches.submit(2.0, within(9), units=1)
        with pytest.raises(Disconnected):
            await gone

    asyncio.run(ask())
    assert recorder.batches == [[2.0]]


def test_the_first_priority_is_run_first_and_the_last_one_last() -> None:
    recorder = Recorder()

    async def ask() -> None:
        batches = batcher(recorder, Cost(fixed=0.0001, per_unit=0.0, max_rows=1))
        schedules = [within(9) for _ in range(3)]
        schedules[0].priority, schedules[2].priority = LAST, FIRST
        await asyncio.gather(*(batches.submit(float(n), each, units=1) for n, each in enumerate(schedules)))

    asyncio.run(ask())
    assert recorder.batches == [[2.0], [1.0], [0.0]]


def test_a_pause_after_all_have_left_is_not_taken_for_the_time_of_a_row() -> None:
    async def ask() -> None:
        batches = batcher(Recorder(seconds=0.05), Cost(fixed=0.01, per_unit=0.0, max_rows=1))
        batches.admit(1, within(60))
        left = batches.submit(1.0, within(60), units=1)
        await asyncio.sleep(0.01)  # it runs
        left.cancel()
        batches.release(1)
        await asyncio.sleep(1.5)
        batches.admit(1, within(60))
        await batches.submit(2.0, within(60), units=1)
        batches.admit(4, within(60))
        batches.admit(1, within(0.5))  # five rows of some ten milliseconds

    asyncio.run(ask())


def test_a_run_that_would_end_too_late_as_the_last_ones_did_is_not_begun_but_a_lone_row_is_tried() -> None:
    recorder = Recorder(seconds=0.05)

    async def ask() -> None:
        batches = batcher(recorder, Cost(fixed=0.001, per_unit=0.0, max_rows=1))
        batches.admit(30, within(60))
        await asyncio.gather(*(batches.submit(float(n), within(60), units=1) for n in range(30)))
        first, late = (batches.submit(n, within(seconds), units=1) for n, seconds in ((30.0, 60), (31.0, 0.08)))
        await first
        with pytest.raises(DeadlineExceeded):
            await late
        batches.release(30)
        batches.admit(1, within(0.02))
        await batches.submit(32.0, within(0.02), units=1)

    asyncio.run(ask())
    assert [31.0] not in recorder.batches
    assert recorder.batches[-2:] == [[30.0], [32.0]]


def test_queue_seconds_are_what_the_admitted_rows_will_take() -> None:
    batches = batcher(Recorder(), SLOW)
    assert batches.queue_seconds == 0
    batches.admit(8, within(60))
    assert batches.queue_seconds == pytest.approx(8 * SLOW.fixed / SLOW.max_rows)
    batches.release(8)
    assert batches.queue_seconds == 0
