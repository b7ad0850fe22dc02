"""The arithmetic of docs/sizing.md, redone from the first column, and the command whole."""

import re
from pathlib import Path

import pytest

from benchmarks import sizing
from benchmarks.sizing import FRAMING, HEAD, RATE, UTILISATION, Size

PAGE = (Path(__file__).parents[2] / "docs/sizing.md").read_text()


def measured() -> list[list[str]]:
    lines = PAGE.partition(HEAD)[2].strip().partition("\n\n")[0].splitlines()
    return [[cell.strip() for cell in line.strip("| ").split("|")] for line in lines]


def test_every_row_of_the_page_follows_from_its_measured_figures() -> None:
    rows = measured()
    models = Path(__file__).parents[2] / "models"
    assert {row[0] for row in rows} == {path.name for path in models.iterdir() if path.is_dir()}
    for row in rows:
        size = Size(row[0], int(row[1].replace(",", "")), int(row[6].replace(",", "")))
        assert size.row() == "| " + " | ".join(row) + " |"


def test_the_worked_example_is_of_the_table() -> None:
    micros = measured()[0][1]
    assert re.search(rf"10,000 × {micros} / 1,000,000 / 0\.7", PAGE)


def test_cores_machines_and_network_are_as_a_calculator_has_them() -> None:
    size = Size("m", 140, 650)
    assert (RATE, UTILISATION, FRAMING) == (10_000, 0.7, 350)
    assert size.cores == 2
    assert Size("m", 141, 650).cores == 3
    assert size.per_core == pytest.approx(5000)
    assert (size.machines(16), Size("m", 1400, 0).machines(16), Size("m", 1400, 0).machines(64)) == (2, 3, 2)
    assert size.megabits == pytest.approx(80)


def test_the_table_is_measured_and_put_into_its_place(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    page = tmp_path / "sizing.md"
    page.write_text("<!-- results -->\n<!-- end of results -->\n")
    assert sizing.main(["--quick", "--write", str(page)]) == 0
    written = page.read_text()
    assert written.count("| resnet20-cifar10 | ") == 1
    assert "MiB with two workers" in written
    assert written.splitlines()[2] in capsys.readouterr().out
