"""In short: the long form is python -m benchmarks.stress."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks.counters import Counters, at_rest
from benchmarks.servers import Server
from benchmarks.stress import stress, stressed_service
from benchmarks.tally import Tally, differences

SECONDS = 8.0


@pytest.fixture(scope="module")
def stressed() -> Iterator[tuple[Server, Path]]:
    with stressed_service() as stressed:
        yield stressed


def test_every_request_of_every_kind_of_client_is_accounted_for(stressed: tuple[Server, Path]) -> None:
    server, models = stressed
    gates, tally = stress(server, models, SECONDS)
    assert [gate for gate in gates if not gate.met] == []
    assert tally.ran.keys() >= {"good", "bad", "goes_away", "cut_off", "over_grpc", "no_request", "swap"}
    counted = at_rest(server.url)
    assert differences(tally, counted) == []
    tally.answered[200] -= 1  # one is lost
    assert differences(tally, counted)


def sound() -> tuple[Tally, Counters]:
    tally = Tally(Counter({200: 10, 400: 2, 503: 1}), abandoned=5, cut=2, refused_connections=Counter({431: 1}))
    return tally, Counters(
        received=18,
        answered=Counter({200: 12, 400: 2, 503: 1}),
        cancelled=3,
        rejected=Counter({"InvalidInput": 2, "Overloaded": 1, "HeadTooLarge": 1}),
        refused_connections=Counter({431: 1}),
    )


def test_of_clients_that_went_away_the_sum_is_what_counts() -> None:
    tally, counted = sound()
    assert differences(tally, counted) == []
    counted.answered[200], counted.cancelled = 11, 4
    assert differences(tally, counted) == []


def test_whatever_is_lost_or_invented_is_a_difference() -> None:
    for spoil in (
        lambda tally, counted: tally.answered.update({404: 1}),
        lambda tally, counted: counted.answered.update({500: 1}),
        lambda tally, counted: counted.answered.subtract({400: 1}),
        lambda tally, counted: setattr(counted, "received", 19),
        lambda tally, counted: setattr(counted, "cancelled", 4),
        lambda tally, counted: (setattr(counted, "cancelled", 1), counted.answered.update({200: 2})),  # one was cut off
        lambda tally, counted: (setattr(counted, "cancelled", 6), counted.answered.subtract({200: 3})),
        lambda tally, counted: counted.refused_connections.clear(),
        lambda tally, counted: counted.rejected.clear(),
    ):
        tally, counted = sound()
        spoil(tally, counted)
        assert differences(tally, counted)
