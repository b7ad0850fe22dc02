import os

from service.engine.tally import Count, Tally


def in_a_process(tally: Tally, slot: int, place: int) -> None:
    """One that counts three rows, begins a run and ends in it."""
    pid = os.fork()
    if pid == 0:
        tally.slot = slot
        tally.add(place, Count.ROWS, 3)
        tally.begin_run(place)
        os._exit(0)
    os.waitpid(pid, 0)


def test_what_a_process_counted_stays_when_it_has_ended_and_its_run_is_known_to_all() -> None:
    tally = Tally(3)
    tally.add(1, Count.ROWS, 2)
    in_a_process(tally, 2, 1)
    assert tally.get(1, Count.ROWS) == 5
    assert not tally.ended_a_worker(1)
    tally.bury(1)
    assert not tally.ended_a_worker(1)
    tally.bury(2)
    assert tally.ended_a_worker(1)
    assert not tally.ended_a_worker(0)
    assert tally.get(1, Count.UNDER_WAY) == 0
    tally.clear(1)
    assert not any(tally.get(1, count) for count in Count)


def test_there_is_a_risk_until_the_runs_that_were_begun_are_over() -> None:
    tally = Tally(3)
    tally.begin_run(4)
    assert not tally.at_risk()
    in_a_process(tally, 1, 4)
    tally.bury(1)
    assert tally.at_risk()
    tally.end_run(4)
    assert not tally.at_risk()
