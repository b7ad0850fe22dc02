"""Whether an adopted graph answers as the original, for which the same pixels are prepared outside, in numpy."""

import json
from pathlib import Path
from typing import Literal

import numpy as np

from scripts import golden
from scripts.foreign import AdoptRefused, Floats, one_line
from service.engine.session import Rows, Scores, Session
from service.spec import ImageInput, Origin

ALONE = 1e-5  # how far a row's scores may move with the batch it is in
TOLERANCE = 1e-4  # how far they may be from the original's, which had its pixels by another order of the same steps


def golden_files(picture: ImageInput) -> dict[str, bytes]:
    """File name -> encoded picture of our own, some larger than the graph takes and some smaller."""
    if picture.channels == 1:
        return golden.pictures("mnist")
    return golden.pictures("cifar10") | {
        "airplane-large.png": golden.encode(golden.airplane(320), "PNG"),
        "truck-wide.jpg": golden.encode(golden.truck(320).crop((0, 60, 320, 240)), "JPEG", quality=90),
    }


def normalise(rows: Rows, origin: Origin) -> Floats:
    """N x H x W x C bytes -> floats, as the foreign net's own code would."""
    pixels = rows.astype(np.float32) / np.float32(255) * np.float32(origin.value_range)
    if origin.channels_order == "bgr":
        pixels = pixels[..., ::-1]
    normalised = (pixels - np.array(origin.mean, np.float32)) / np.array(origin.std, np.float32)
    return normalised.astype(np.float32)


def sigmoid(logits: Floats) -> Floats:
    with np.errstate(over="ignore"):  # exp(-logit) is infinite where the score is 0
        return (1 / (1 + np.exp(-logits))).astype(np.float32)


def check_labels(answers: Floats, labels: tuple[str, ...]) -> None:
    if answers.shape[1] == len(labels) >= 2:
        return
    remedy = "give one label a number, in the net's order"
    if answers.shape[1] == 1:
        remedy = "let the net end in one number for each of two labels"
    raise AdoptRefused(f"the graph gives {answers.shape[1]} numbers a picture and --labels has {len(labels)}: {remedy}")


def missing_ending(
    ending: str, answers: Floats, scores: Literal["softmax", "sigmoid"]
) -> Literal["softmax", "sigmoid"] | None:
    """What to append to the graph, whose last operator is `ending`."""
    if scores == "sigmoid":
        if ending == "Softmax":
            raise AdoptRefused("the graph ends in a Softmax: leave --scores sigmoid out")
        return None if ending == "Sigmoid" else "sigmoid"
    if ending == "Sigmoid":
        raise AdoptRefused("the graph ends in a Sigmoid, each label by itself: say --scores sigmoid")
    if (answers >= 0).all() and np.allclose(answers.sum(1), 1, atol=1e-3):
        return None
    if ending == "Softmax":
        raise AdoptRefused("the graph ends in a Softmax and its rows do not sum to 1: let it go over the labels' axis")
    return "softmax"


def run_alone_and_together(session: Session, rows: Rows) -> Scores:
    """The scores of each row alone. Raises AdoptRefused when a batch of 1, 2 or 5 fails, or answers otherwise."""
    try:
        alone = np.concatenate([session.run(row[np.newaxis]) for row in rows])
        together = [session.run(rows[:batch]) for batch in (2, 5)]
    except Exception as error:
        raise AdoptRefused(
            f"the graph does not run batches of 1, 2 and 5 ({one_line(error)}): a batch size is fixed inside it. "
            "Export it again with a dynamic batch axis, such as torch.onnx.export(…, dynamic_shapes=({0: "
            "torch.export.Dim.DYNAMIC},)), and with flatten(1) in place of a reshape to a fixed size"
        ) from error
    difference = max(float(np.abs(scores - alone[: len(scores)]).max()) for scores in together)
    if not difference <= ALONE:
        raise AdoptRefused(
            f"answers change by {difference:.1e} with the batch they are in: export the net in its evaluation mode, "
            "such as net.eval(), with a dynamic batch axis and no reshape to a fixed size"
        )
    return alone


def check_parity(found: Scores, expected: Floats) -> float:
    difference = float(np.abs(found - expected).max())
    if not difference <= TOLERANCE:
        raise AdoptRefused(
            f"the adopted graph differs from the original by {difference:.1e}, more than {TOLERANCE:.0e}: export the "
            "original again, with a dynamic batch axis and opset_version=20"
        )
    return difference


def same_for_all(folder: Path) -> str:
    """A warning where every golden picture has the same scores."""
    scores = np.array([row["scores"] for row in json.loads((folder / "golden" / "golden.json").read_bytes())["rows"]])
    if np.ptp(scores, axis=0).max() > 1e-6:
        return ""
    return "every picture has the same scores: are the trained weights in the graph, and --mean and --std its own?"
