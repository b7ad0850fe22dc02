"""In short: the long form is python -m benchmarks.integrity."""

from benchmarks.integrity import gates, measure, served

REQUESTS = 2500


def test_every_answer_belongs_to_its_request() -> None:
    with served() as server:
        found, counted = measure(server, REQUESTS)
    assert [gate for gate in gates(found, counted) if not gate.met] == []
    assert found.answered + found.outcomes["gone away"] == REQUESTS // 64 * 64
    assert found.outcomes["500"] > 0  # rows that the graph failed on


def test_a_service_that_swaps_two_rows_of_a_batch_is_found_out() -> None:
    with served(swapping=True) as server:
        found, _ = measure(server, REQUESTS // 5)
    assert any(what.startswith("a row:") for what in found.mismatches)
    assert any(what.startswith("a digit:") for what in found.mismatches)
