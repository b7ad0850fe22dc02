"""Which weights there are, and that files of torchvision's keys and shapes load into our nets: no real one is here."""

import hashlib
import re
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from nets.alexnet import AlexNetOf2014
from nets.googlenet import GoogLeNet
from nets.resnet import resnet18, resnet34, resnet50, resnet101, resnet152
from scripts.download import ChecksumError, File
from scripts.weights import WEIGHTS, WeightsRefused, choose, imagenet_labels, official, read
from tests.scripts.conftest import Web

NETS: dict[str, Callable[[], nn.Module]] = {
    "alexnet": AlexNetOf2014,
    "googlenet": partial(GoogLeNet, variant="torchvision"),
    "resnet18": partial(resnet18, variant="torchvision"),
    "resnet34": partial(resnet34, variant="torchvision"),
    "resnet50": partial(resnet50, variant="torchvision"),
    "resnet101": partial(resnet101, variant="torchvision"),
    "resnet152": partial(resnet152, variant="torchvision"),
}
SENT = ("alexnet", "googlenet", "resnet18", "resnet50")  # one of each kind of block: the files are large
# Of torchvision's own classes: how many keys a state_dict has, and the sha256 of its lines "key 64x3x7x7", sorted.
KEYS = {
    "alexnet": (16, "9b204a0e6319cabaa511a49db16c85e934b970be356cc92e9f36779b55084021"),
    "googlenet": (364, "5fec348ce7658c53544326df6ae59b641546bea428055fbfecde96bfb73977d5"),
    "resnet18": (122, "f0e35161599236f315cd146cd4248bf0732a9445b57a806ea3787184467b15b4"),
    "resnet34": (218, "c1372162bc2e8e861f0e7c2d13d683bdb9d66996aa4447248d69bc670d51b4bf"),
    "resnet50": (320, "fe1d335c3c7786ffda005558842d02e739fc8008f65d509710f49da78719aa43"),
    "resnet101": (626, "b6755676a9dbfb7d2416e0393ea27402a774a31280fddd82036f9860e6b32f42"),
    "resnet152": (932, "3446679ffd752d79aa40ee9bd9cf312341999ee99a0138842705c0b330340d91"),
}
SOME = {
    "alexnet": {
        "features.0.weight": (64, 3, 11, 11),
        "features.10.bias": (256,),
        "classifier.1.weight": (4096, 9216),
        "classifier.6.bias": (1000,),
    },
    "googlenet": {
        "conv1.conv.weight": (64, 3, 7, 7),
        "conv1.bn.running_var": (64,),
        "inception3a.branch1.conv.weight": (64, 192, 1, 1),
        "inception3a.branch2.0.conv.weight": (96, 192, 1, 1),
        "inception5b.branch3.1.conv.weight": (128, 48, 3, 3),
        "inception5b.branch4.1.bn.num_batches_tracked": (),
        "aux1.conv.conv.weight": (128, 512, 1, 1),
        "aux2.fc1.weight": (1024, 2048),
        "aux2.fc2.bias": (1000,),
        "fc.weight": (1000, 1024),
    },
    "resnet18": {
        "conv1.weight": (64, 3, 7, 7),
        "layer1.1.conv2.weight": (64, 64, 3, 3),
        "layer2.0.downsample.0.weight": (128, 64, 1, 1),
        "layer2.0.downsample.1.running_mean": (128,),
        "fc.weight": (1000, 512),
    },
    "resnet34": {"layer3.5.bn2.num_batches_tracked": (), "layer4.2.conv1.weight": (512, 512, 3, 3)},
    "resnet50": {
        "layer1.0.downsample.0.weight": (256, 64, 1, 1),
        "layer4.0.conv2.weight": (512, 512, 3, 3),
        "layer4.2.bn3.running_var": (2048,),
        "fc.bias": (1000,),
    },
    "resnet101": {"layer3.22.conv1.weight": (256, 1024, 1, 1), "fc.weight": (1000, 2048)},
    "resnet152": {"layer2.7.conv3.weight": (512, 128, 1, 1), "layer3.35.bn3.bias": (1024,)},
}


def keys(state: dict[str, Tensor]) -> tuple[int, str]:
    lines = sorted(f"{key} {'x'.join(map(str, value.shape))}" for key, value in state.items())
    return len(lines), hashlib.sha256("\n".join(lines).encode()).hexdigest()


@pytest.mark.parametrize("net", NETS)
def test_the_keys_and_shapes_are_torchvision_s(net: str) -> None:
    with torch.device("meta"):
        state = NETS[net]().state_dict()
    assert {key: tuple(state[key].shape) for key in SOME[net]} == SOME[net]
    assert keys(state) == KEYS[net]


def test_every_net_of_the_table_has_its_keys_checked_here() -> None:
    assert KEYS.keys() == WEIGHTS.keys() == NETS.keys() == SOME.keys()


@pytest.mark.parametrize(
    ("net", "name", "file", "top1", "top5", "shorter_side"),
    [
        ("alexnet", "V1", "alexnet-owt-7be5be79.pth", 56.522, 79.066, 256),
        ("googlenet", "V1", "googlenet-1378be20.pth", 69.778, 89.530, 256),
        ("resnet18", "V1", "resnet18-f37072fd.pth", 69.758, 89.078, 256),
        ("resnet34", "V1", "resnet34-b627a593.pth", 73.314, 91.420, 256),
        ("resnet50", "V1", "resnet50-0676ba61.pth", 76.130, 92.862, 256),
        ("resnet50", "V2", "resnet50-11ad3fa6.pth", 80.858, 95.434, 232),
        ("resnet101", "V1", "resnet101-63fe2227.pth", 77.374, 93.546, 256),
        ("resnet101", "V2", "resnet101-cd907fc2.pth", 81.886, 95.780, 232),
        ("resnet152", "V1", "resnet152-394f9c45.pth", 78.312, 94.046, 256),
        ("resnet152", "V2", "resnet152-f82ba261.pth", 82.284, 96.002, 232),
    ],
)
def test_the_weights_are_the_published_ones(
    net: str, name: str, file: str, top1: float, top5: float, shorter_side: int
) -> None:
    weights = choose(net, name)
    assert (weights.top1, weights.top5, weights.shorter_side, weights.crop) == (top1, top5, shorter_side, 224)
    assert weights.file.url == f"https://download.pytorch.org/models/{file}"
    assert weights.file.name == file
    assert file == f"{file.rsplit('-', 1)[0]}-{weights.file.digest}.pth"
    assert re.fullmatch("[0-9a-f]{8}", weights.file.digest)


def test_the_better_weights_are_taken_unless_others_are_named() -> None:
    best = {net: next(name for name, weights in WEIGHTS[net].items() if weights == choose(net)) for net in WEIGHTS}
    assert best == {
        **dict.fromkeys(("alexnet", "googlenet", "resnet18", "resnet34"), "V1"),
        **dict.fromkeys(("resnet50", "resnet101", "resnet152"), "V2"),
    }


def test_unknown_names_are_answered_with_the_known_ones(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="'vgg16': expected one of alexnet, googlenet, resnet18"):
        official("vgg16", cache=tmp_path)
    with pytest.raises(ValueError, match="resnet50 has no weights 'V3': expected V1 or V2"):
        official("resnet50", weights="V3", cache=tmp_path)


def test_googlenet_s_mean_and_std_are_both_of_torchvision_s_steps() -> None:
    pixels = torch.linspace(0, 1, 256, dtype=torch.float64).expand(3, 256)
    mean, std = (
        torch.tensor(each, dtype=torch.float64)[:, None] for each in (choose("alexnet").mean, choose("alexnet").std)
    )
    normalised = (pixels - mean) / std
    transformed = normalised * (std / 0.5) + (mean - 0.5) / 0.5
    ours = (pixels - choose("googlenet").mean[0]) / choose("googlenet").std[0]
    assert torch.allclose(transformed, ours, rtol=0, atol=1e-12)


def at(net: str, web: Web, digest: str = "") -> File:
    """The net's file, but from the local server, and with the checksum of what lies there."""
    file = choose(net).file
    digest = digest or hashlib.sha256((web.folder / file.name).read_bytes()).hexdigest()[:8]
    return replace(file, url=f"{web.url}/{file.name}", digest=digest)


def random_state(net: str) -> dict[str, Tensor]:
    return {
        key: torch.rand(value.shape) if value.is_floating_point() else torch.tensor(7)
        for key, value in NETS[net]().state_dict().items()
    }


@pytest.mark.parametrize("net", SENT)
def test_a_file_of_those_keys_is_downloaded_checked_and_loaded_strictly(net: str, tmp_path: Path, web: Web) -> None:
    given = random_state(net)
    torch.save(given, web.folder / choose(net).file.name)
    loaded = NETS[net]()
    loaded.load_state_dict(read(at(net, web), tmp_path / "cache"), strict=True)
    assert all(torch.equal(value, given[key]) for key, value in loaded.state_dict().items())
    assert web.asked == [f"/{choose(net).file.name}"]


def test_a_file_of_the_old_format_without_counts_of_batches_is_loaded_from_the_cache(tmp_path: Path) -> None:
    given = {key: value for key, value in random_state("googlenet").items() if "num_batches" not in key}
    file = choose("googlenet").file
    (tmp_path / file.folder).mkdir()
    torch.save(given, tmp_path / file.folder / file.name, _use_new_zipfile_serialization=False)
    digest = hashlib.sha256((tmp_path / file.folder / file.name).read_bytes()).hexdigest()
    loaded = NETS["googlenet"]()
    loaded.load_state_dict(read(replace(file, digest=digest[:8]), tmp_path), strict=True)
    assert torch.equal(loaded.state_dict()["conv1.bn.running_mean"], given["conv1.bn.running_mean"])


def test_a_wrong_checksum_names_the_file_what_was_expected_and_what_was_found(tmp_path: Path, web: Web) -> None:
    name = choose("alexnet").file.name
    torch.save({"one": torch.ones(1)}, web.folder / name)
    found = hashlib.sha256((web.folder / name).read_bytes()).hexdigest()
    with pytest.raises(ChecksumError, match=rf"{name}.* expected 7be5be79, found {found}"):
        read(at("alexnet", web, "7be5be79"), tmp_path / "cache")


def test_a_file_that_can_not_be_fetched_may_be_put_there(tmp_path: Path, web: Web) -> None:
    file = at("alexnet", web, "7be5be79")
    place = tmp_path / "cache" / "weights" / file.name
    with pytest.raises(FileNotFoundError, match=f"{re.escape(file.url)}.*404.*put it at {re.escape(str(place))}"):
        read(file, tmp_path / "cache")


@pytest.mark.parametrize(
    "content", [nn.Linear(2, 2), {"net": {"weight": torch.ones(2)}, "epoch": 3}, [torch.ones(2)]], ids=type
)
def test_what_is_not_a_plain_state_dict_is_refused(content: object, tmp_path: Path, web: Web) -> None:
    name = choose("alexnet").file.name
    torch.save(content, web.folder / name)
    with pytest.raises(WeightsRefused, match=rf"{name}.*(tensors and nothing else|tensors by name)"):
        read(at("alexnet", web), tmp_path / "cache")


def test_a_file_that_would_run_something_runs_nothing(tmp_path: Path, web: Web) -> None:
    class Trap:
        def __reduce__(self) -> tuple[object, tuple[Path]]:
            return Path.touch, (tmp_path / "sprung",)

    torch.save({"weight": Trap()}, web.folder / choose("alexnet").file.name)
    with pytest.raises(WeightsRefused, match="tensors and nothing else"):
        read(at("alexnet", web), tmp_path / "cache")
    assert not (tmp_path / "sprung").exists()


def test_there_are_a_thousand_labels_in_imagenet_s_order() -> None:
    labels = imagenet_labels()
    assert len(set(labels)) == len(labels) == 1000
    assert [labels[at] for at in (0, 207, 281, 409, 999)] == [
        *("tench", "golden retriever", "tabby", "analog clock", "toilet tissue")
    ]
