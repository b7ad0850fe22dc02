import re
import xml.etree.ElementTree as ElementTree

import pytest

from nets import PICTURE_NETS
from scripts.nettables import FORMS, PAGE, drawings, filled, gathered, rows_of, table, total
from scripts.shapes import Row


def test_the_committed_page_and_drawings_are_what_the_code_gives() -> None:
    assert filled(PAGE.read_text()) == PAGE.read_text()
    committed = drawings(PAGE.with_suffix(""))
    for path, content in committed.items():
        assert path.read_text() == content
    assert {path.name for path in PAGE.with_suffix("").iterdir()} == {path.name for path in committed}


def test_every_form_of_every_net_is_in_the_overview() -> None:
    assert FORMS.keys() == {(net, variant) for net, forms in PICTURE_NETS.items() for variant in forms}


def test_a_table_is_written_anew_between_its_markers_and_nothing_else_is_touched() -> None:
    page = "before\n<!-- layers of convnetjs demo -->\nstale\n<!-- end -->\nafter\n"
    written = filled(page)
    assert "stale" not in written
    assert "| **all** | | | **22,466** | **3,920,000** |" in written
    assert written.startswith("before\n<!--")
    assert written.endswith("-->\nafter\n")
    assert filled(written) == written
    with pytest.raises(KeyError):
        filled("<!-- layers of vgg16 paper -->\n<!-- end -->\n")


# What the papers' own tables, and torchvision, say.
@pytest.mark.parametrize(
    ("net", "variant", "parameters", "multiply_adds"),
    [
        ("lenet5", "modern", 61_706, 416_520),
        ("lenet5", "1998", 60_850, 326_520),
        ("alexnet", "paper", 60_965_224, 724_406_816),
        ("alexnet", "torchvision", 61_100_840, 714_188_480),
        ("googlenet", "paper", 6_998_552, 1_582_671_872),
        ("resnet152", "paper", 60_192_808, 11_282_415_616),
        ("resnet152", "torchvision", 60_192_808, 11_513_626_624),
        ("resnet20", "paper", 269_722, 40_551_040),
    ],
)
def test_the_rows_add_up_to_what_is_known(net: str, variant: str, parameters: int, multiply_adds: int) -> None:
    rows = rows_of(net, variant)
    assert total(rows) == (parameters, multiply_adds)
    assert total(gathered(rows)) == (parameters, multiply_adds)


def test_a_stage_is_one_line_that_says_its_blocks() -> None:
    assert [(row.module, row.shape) for row in gathered(rows_of("resnet152", "paper"))] == [
        *(("conv1", (64, 112, 112)), ("", (64, 56, 56))),
        *(("layer1", (256, 56, 56)), ("layer2", (512, 28, 28)), ("layer3", (1024, 14, 14)), ("layer4", (2048, 7, 7))),
        *(("", (2048,)), ("fc", (1000,))),
    ]
    (third,) = (row for row in gathered(rows_of("resnet152", "paper")) if row.module == "layer3")
    assert third.what == "36 residual blocks of 1 x 1 → 256, 3 x 3 → 256, 1 x 1 → 1024"


def test_an_inception_module_is_one_line_that_says_its_branches() -> None:
    first = next(row for row in gathered(rows_of("googlenet", "paper")) if row.module == "inception3a")
    assert first.what == (
        "side by side: 1 x 1 → 64; 1 x 1 → 96, 3 x 3 → 128; 1 x 1 → 16, 5 x 5 → 32; pooling, 1 x 1 → 32"
    )
    assert (first.shape, first.parameters) == ((256, 28, 28), 163_696)


def test_numbers_are_written_as_people_read_them() -> None:
    assert table([Row("fc", "fully connected", (10,), 1_234_567, 89)]).splitlines()[2:] == [
        "| fc | fully connected | 10 | 1,234,567 | 89 |",
        "| **all** | | | **1,234,567** | **89** |",
    ]


def test_a_drawing_has_a_box_for_the_picture_and_each_layer_that_makes_a_new_shape() -> None:
    drawn = {path.stem: ElementTree.fromstring(content) for path, content in drawings(PAGE.with_suffix("")).items()}
    for name, boxes in (("lenet5-modern", 8), ("alexnet-paper", 12), ("resnet152-paper", 9)):
        assert len(drawn[name].findall("{*}path")) == 3 * boxes
    texts = [text.text for text in drawn["alexnet-paper"].findall("{*}text")]
    assert texts[3:6] == ["96", "55 x 55", "11 x 11 filters"]


def test_the_page_shows_only_drawings_that_exist_and_links_only_to_files() -> None:
    links = re.findall(r"\]\(([^)]+)\)", PAGE.read_text())
    assert links
    assert all((PAGE.parent / link).exists() for link in links)
