"""However many come at once, the loop has a few of them in a turn, and forgets none."""

import asyncio
from collections import Counter

import pytest

from service.turns import MOST, Turns


async def begun(count: int, turns: Turns | None) -> Counter[int]:
    """How many of so many tasks, all made at once, began in each turn of the loop."""
    loop, turn, found = asyncio.get_running_loop(), 0, Counter[int]()

    def tick() -> None:
        nonlocal turn
        turn += 1
        if found.total() < count:
            loop.call_soon(tick)

    async def task() -> None:
        if turns is not None:
            await turns.take()
        found[turn] += 1

    loop.call_soon(tick)
    await asyncio.gather(*(task() for _ in range(count)))
    return found


def test_a_few_begin_in_each_turn() -> None:
    found = asyncio.run(begun(50, Turns()))
    assert found.total() == 50
    assert max(found.values()) == MOST
    assert len(found) == -(-50 // MOST)


def test_without_turns_they_begin_together() -> None:
    assert asyncio.run(begun(50, None)).most_common(1)[0][1] == 50


def test_who_is_alone_does_not_wait() -> None:
    async def run() -> None:
        turns = Turns()
        for _ in range(3):
            with pytest.raises(StopIteration):  # at its end, without having waited
                turns.take().send(None)
            await asyncio.sleep(0)
            await asyncio.sleep(0)

    asyncio.run(run())


@pytest.mark.parametrize("gone", [0, MOST, 20])
def test_those_who_are_gone_are_passed_over(gone: int) -> None:
    async def run() -> int:
        turns = Turns()
        tasks = [asyncio.create_task(turns.take()) for _ in range(40)]
        await asyncio.sleep(0)
        for task in tasks[MOST : MOST + gone]:
            task.cancel()
        return sum(not isinstance(end, BaseException) for end in await asyncio.gather(*tasks, return_exceptions=True))

    assert asyncio.run(run()) == 40 - gone
