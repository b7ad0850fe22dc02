"""In short: the long form is python -m benchmarks.startup. Nothing here is on seconds, which are another machine's."""

from benchmarks.startup import startup


def test_what_says_that_it_is_ready_answers_every_model_at_once_and_what_only_says_so_is_found_out() -> None:
    _, first, wrong = startup(1)
    assert wrong.met
    _, lazy, wrong = startup(1, lazy=True)
    assert wrong.met
    assert not lazy.met
    assert float(first.found.split()[0]) < float(lazy.found.split()[0])
