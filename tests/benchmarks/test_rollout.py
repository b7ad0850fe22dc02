from benchmarks.rollout import CONNECTIONS, MODES, NONE, Found, table


def test_ratios_are_of_the_medians_to_those_without_a_rollout() -> None:
    found: Found = {(connections, mode): [(90.0, 12.0, 0.002)] for connections in CONNECTIONS for mode in MODES}
    found[1, NONE] = [(80.0, 11.0, 0.001), (100.0, 10.0, 0.003), (1000.0, 1.0, 0.002)]
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in table(found)[2:]]
    assert rows[:2] == [["1", "none", "100", "1.00", "10.0", "2.00"], ["1", "shadow", "90", "0.90", "12.0", "2.00"]]
