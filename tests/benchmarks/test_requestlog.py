from benchmarks.requestlog import FILE, NULL, OFF, table


def test_ratios_are_of_the_medians_to_those_without_a_log() -> None:
    found = {
        OFF: [(90.0, 11.0), (100.0, 10.0), (1000.0, 1.0)],
        FILE: [(90.0, 12.0), (90.0, 12.0), (1.0, 99.0)],
        NULL: [(100.0, 10.0)],
    }
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in table("log", found)[2:]]
    assert rows == [
        ["off", "100", "1.00", "10.0", "1.00"],
        ["into a file", "90", "0.90", "12.0", "1.20"],
        ["to /dev/null", "100", "1.00", "10.0", "1.00"],
    ]
