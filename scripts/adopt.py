r"""An ONNX classifier of pictures, trained anywhere -> models/<name>/<version>/, as if it were our own.

python -m scripts.adopt resnet50.onnx --name resnet50 --labels imagenet.txt --shorter-side 256 \
    --mean 0.485,0.456,0.406 --std 0.229,0.224,0.225
python -m scripts.adopt caffe.onnx --name caffe --labels cat,dog --channels-order bgr --value-range 255 \
    --mean 104,117,123
python -m scripts.adopt tags.onnx --name tags --labels tags.txt --scores sigmoid --size 320x240 --fit pad

Refused unless the wrapped graph answers as the original does, whoever shares the batch. docs/adopt.md says more.
"""

import argparse
import hashlib
import re
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Literal

import numpy as np

from scripts.calibration import softmax
from scripts.equivalence import (
    TOLERANCE,
    check_labels,
    check_parity,
    golden_files,
    missing_ending,
    normalise,
    run_alone_and_together,
    same_for_all,
    sigmoid,
)
from scripts.foreign import AdoptRefused, Foreign, opset_of, read_foreign
from scripts.graphfile import write_graph
from scripts.version import new_version, next_version, write_files
from scripts.wrapping import wrap
from service.engine.header import external_files
from service.engine.session import Session
from service.errors import ModelRefused
from service.images import open_picture
from service.spec import NAME, ImageInput, ModelSpec, Origin, Parity, read_spec

NOISE = 4  # rows of random pixels, beside the golden pictures
PACKAGES = ("onnx", "onnxruntime", "numpy", "pillow")


def parse_args(arguments: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Adopt an ONNX classifier of pictures that was trained elsewhere.")
    parser.add_argument("graph", type=Path, help="an .onnx file, its weights beside it if it has some outside")
    parser.add_argument("--name", required=True, type=model_name)
    parser.add_argument(
        "--labels", required=True, type=label_list, help="a file with one a line, or a,b,c; in the net's order"
    )
    parser.add_argument("--title", help="one line for people; the name unless said")
    parser.add_argument("--mean", type=number_list, default=(0.0,), help="one, or one a channel in the net's order")
    parser.add_argument("--std", type=number_list, default=(1.0,))
    parser.add_argument(
        "--value-range", type=int, choices=(1, 255), default=1, help="pixels before mean and std: 0 to 1, or 0 to 255"
    )
    parser.add_argument("--channels-order", choices=("rgb", "bgr"), default="rgb")
    parser.add_argument("--layout", choices=("nchw", "nhwc"), help="seen from the graph unless said")
    parser.add_argument(
        "--size", type=picture_size, help="224, or height x width as 320x240; seen from the graph unless said"
    )
    parser.add_argument("--shorter-side", type=int, help="resize the shorter side to this, then cut the centre")
    parser.add_argument("--fit", choices=("crop", "stretch", "pad"), default="crop")
    parser.add_argument("--resample", choices=("nearest", "bilinear", "bicubic", "lanczos"), default="bilinear")
    parser.add_argument("--background", choices=("black", "white"), default="black")
    parser.add_argument(
        "--scores", choices=("softmax", "sigmoid"), default="softmax", help="sigmoid: several labels hold"
    )
    parser.add_argument("--output", help="of a graph with several")
    parser.add_argument("--licence", default="not stated", help="of the weights")
    parser.add_argument("--models", type=Path, default=Path("models"))
    return parser.parse_args(arguments)


def main(arguments: list[str] | None = None) -> int:
    args = parse_args(arguments)
    try:
        foreign = read_foreign(args.graph, output=args.output, layout=args.layout, size=args.size)
        folder = adopt(
            foreign,
            picture=picture_of(foreign, args),
            origin=origin_of(foreign, args),
            labels=args.labels,
            scores=args.scores,
            name=args.name,
            title=args.title or args.name,
            models=args.models,
        )
    except (AdoptRefused, ModelRefused) as refusal:
        raise SystemExit(f"{args.graph} is not adopted: {refusal}") from None
    spec = read_spec(folder / "model.json")
    print(f"{folder}: {spec.graph.total_bytes / 1e6:.1f} MB, the original and the adopted differ by {spec.parity}")
    if warning := same_for_all(folder):
        print(warning)
    return 0


def model_name(text: str) -> str:
    if not re.match(NAME, text):
        raise argparse.ArgumentTypeError(f"{text!r} must match {NAME}, such as resnet50")
    return text


def label_list(text: str) -> tuple[str, ...]:
    if Path(text).is_file():
        lines = Path(text).read_text("utf-8").splitlines()
        return tuple(line.strip() for line in lines if line.strip())
    if "," not in text:
        raise argparse.ArgumentTypeError(f"{text!r} is neither a file nor a list such as cat,dog")
    return tuple(label.strip() for label in text.split(","))


def number_list(text: str) -> tuple[float, ...]:
    return tuple(float(number) for number in text.split(","))


def picture_size(text: str) -> tuple[int, int]:
    """Height, width."""
    sides = [int(side) for side in text.split("x")]
    if len(sides) > 2:
        raise argparse.ArgumentTypeError(f"{text!r} is no size such as 224 or 320x240")
    return sides[0], sides[-1]


def picture_of(foreign: Foreign, args: argparse.Namespace) -> ImageInput:
    longer = max(foreign.height, foreign.width)
    if args.shorter_side and (args.fit != "crop" or args.shorter_side < longer):
        raise AdoptRefused(
            f"--shorter-side {args.shorter_side} goes with --fit crop, and must be at least {longer}, so that the "
            f"{foreign.height} x {foreign.width} pixels that the graph takes can be cut out of every picture"
        )
    return ImageInput(
        height=foreign.height,
        width=foreign.width,
        channels=foreign.channels,
        fit=args.fit,
        shorter_side=args.shorter_side or (longer if args.fit == "crop" else None),
        resample=args.resample,
        background=args.background,
    )


def origin_of(foreign: Foreign, args: argparse.Namespace) -> Origin:
    for option, values in (("--mean", args.mean), ("--std", args.std)):
        if len(values) not in (1, foreign.channels):
            raise AdoptRefused(f"{option} has {len(values)} numbers: expected 1, or {foreign.channels}, one a channel")
    if min(args.std) <= 0:
        raise AdoptRefused(f"--std {min(args.std)} divides the pixels: expected numbers above 0")
    if args.channels_order == "bgr" and foreign.channels == 1:
        raise AdoptRefused("--channels-order bgr needs 3 channels: the graph takes grey pictures")
    original = foreign.original
    return Origin(
        files=hashes(args.graph),
        producer=f"{original.producer_name} {original.producer_version}".strip() or "unknown",
        opset=opset_of(original),
        ir=original.ir_version,
        layout=foreign.layout,
        channels_order="grey" if foreign.channels == 1 else args.channels_order,
        value_range=args.value_range,
        mean=args.mean,
        std=args.std,
        date=f"{datetime.now(UTC):%Y-%m-%d}",
        packages={package: version(package) for package in PACKAGES},
        licence=args.licence,
    )


def hashes(graph: Path) -> dict[str, str]:
    """Of the file, and of those that it keeps weights in."""
    names = [graph.name, *sorted(external_files(graph.read_bytes()))]
    return {name: hashlib.sha256((graph.parent / name).read_bytes()).hexdigest() for name in names}


def adopt(
    foreign: Foreign,
    *,
    picture: ImageInput,
    origin: Origin,
    labels: tuple[str, ...],
    scores: Literal["softmax", "sigmoid"],
    name: str,
    title: str,
    models: Path,
) -> Path:
    """The folder of the next version, which is proven before it is put there.

    Raises AdoptRefused or ModelRefused, and adds no version, when something does not fit.
    """
    files = golden_files(picture)
    rows = np.stack([open_picture(encoded).decode(picture) for encoded in files.values()])
    rows = np.concatenate([rows, np.random.default_rng(0).integers(0, 256, (NOISE, *rows.shape[1:]), dtype=np.uint8)])
    answers = foreign.run(normalise(rows, origin))
    check_labels(answers, labels)
    origin = origin.model_copy(update={"appended": missing_ending(foreign.ending, answers, scores)})
    expected = {None: answers, "softmax": softmax(answers), "sigmoid": sigmoid(answers)}[origin.appended]
    folder = models / name / str(next_version(models / name))
    with new_version(folder) as fresh:
        graph = write_graph(wrap(foreign, origin, labels=len(labels)), fresh)
        session = Session((fresh / "model.onnx").read_bytes(), provider="cpu", folder=fresh)
        alone = run_alone_and_together(session, rows)
        spec = ModelSpec(
            name=name,
            version=folder.name,
            title=title,
            task="image-classification",
            labels=labels,
            input=picture,
            scores=scores,
            graph=graph,
            origin=origin,
            parity=Parity(max_difference=check_parity(alone, expected), n=len(rows)),
        )
        golden_rows = [{"file": file, "scores": row.tolist()} for file, row in zip(files, expected, strict=False)]
        write_files(fresh, spec, files, golden_rows, tolerance=TOLERANCE)
    return folder


if __name__ == "__main__":
    raise SystemExit(main())
