"""model.json, the spec of a model: what goes in, what comes out, where it came from.

Written by scripts.export, read by the service, shown by GET /v1/models/{name}. Unknown keys are refused; docs/spec.md
says each key in a sentence (a test compares the two).
"""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, ValidationError, model_validator

from service.errors import ModelRefused
from service.part import Part
from service.reference import Reference

NAME = r"^[a-z0-9][a-z0-9._-]{0,63}$"
VERSION = r"^[1-9][0-9]{0,9}$"
SHA256 = r"^[0-9a-f]{64}$"
FILE = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$"  # a name, never a path


class ImageInput(Part):
    """A picture becomes H x W x C uint8; images.decode does all of it, for training and serving alike."""

    kind: Literal["image"] = "image"
    height: Annotated[int, Field(ge=1, le=4096)]
    width: Annotated[int, Field(ge=1, le=4096)]
    channels: Literal[1, 3]
    fit: Literal["crop", "stretch", "pad"] = Field(
        description="crop: resize the shorter side to `shorter_side`, cut the centre; "
        "stretch: resize both sides; pad: resize the longer side, centre on the background"
    )
    shorter_side: int | None = Field(
        default=None, description="pixels, for fit crop; the larger of height and width if null"
    )
    resample: Literal["nearest", "bilinear", "bicubic", "lanczos"] = "bilinear"
    background: Literal["black", "white"] = Field(
        description="what shows through transparent pixels, and around a padded picture"
    )

    @model_validator(mode="after")
    def _covers(self) -> "ImageInput":
        if self.shorter_side is not None and self.shorter_side < max(self.height, self.width):
            raise ValueError(
                f"shorter_side {self.shorter_side} is less than the {max(self.height, self.width)} pixels that are cut "
                "out of it"
            )
        return self


class SentenceInput(Part):
    """A sentence goes into the graph as it is: lower-casing, tokenising and look-up are in the graph."""

    kind: Literal["sentence"] = "sentence"
    max_characters: Annotated[int, Field(ge=1, le=1_000_000)]


class Weights(Part):
    """The tensors of a large graph, in one file beside it that every session maps instead of copying."""

    file: Annotated[str, Field(pattern=FILE, description="in the folder of model.onnx")]
    sha256: Annotated[str, Field(pattern=SHA256)]
    bytes: int


class Graph(Part):
    sha256: Annotated[str, Field(pattern=SHA256)]
    bytes: int
    opset: int
    ir: int
    quantisation: Literal["none", "int8", "fp16"] = "none"
    weights: Weights | None = Field(default=None, description="null: all of the graph is in model.onnx")

    @property
    def total_bytes(self) -> int:
        """Of model.onnx and of the weights beside it."""
        return self.bytes + (self.weights.bytes if self.weights else 0)


class Net(Part):
    name: str
    variant: str
    parameters: int = Field(description="trained numbers, the embedding included")


class Metrics(Part):
    """Measured on the exported graph, through the service's own code, from encoded inputs."""

    data: str = Field(description="which rows: data set, split, encoding")
    n: int
    accuracy: float
    interval: tuple[float, float] = Field(description="95 % Wilson interval of the accuracy")
    per_label: dict[str, float] = Field(description="recall of each label")
    ece: float = Field(description="expected calibration error, 15 bins, as served")
    confusion: dict[str, dict[str, int]] | None = Field(
        default=None, description="label -> answer -> rows, where there are any; null for many labels"
    )


class Calibration(Part):
    """Guo et al. 2017: one temperature, fitted on validation data, divides the logits inside the graph."""

    temperature: float
    data: str
    ece_before: float
    ece_after: float


class Parity(Part):
    """The torch net, or the graph that was adopted, against model.onnx, on the same rows; the float graph against one
    quantised from it."""

    max_difference: float
    n: int


class Baseline(Part):
    """A simple method on the same split, so that the accuracy can be judged."""

    method: str
    data: str
    accuracy: float


class Training(Part):
    data: str
    split_sizes: dict[str, int]
    command: str
    seed: int
    epochs: int
    best_epoch: int
    minutes: float
    date: str
    packages: dict[str, str]
    licence: str = Field(description="of the training data, as far as upstream states one")
    curve: tuple[tuple[float, float, float], ...] | None = Field(
        default=None, description="of each epoch: training loss, validation loss, validation accuracy"
    )


class Origin(Part):
    """Of a model that was trained elsewhere: what scripts.adopt was given, and what it put before and after it."""

    files: dict[str, Annotated[str, Field(pattern=SHA256)]] = Field(
        description="name -> sha256 of the adopted graph and of the weights beside it"
    )
    producer: str
    opset: int
    ir: int
    layout: Literal["nchw", "nhwc"]
    channels_order: Literal["rgb", "bgr", "grey"]
    value_range: Literal[1, 255] = Field(description="the graph is given byte / 255 * value_range, less mean, over std")
    mean: tuple[float, ...]
    std: tuple[float, ...]
    appended: Literal["softmax", "sigmoid"] | None = Field(
        default=None, description="null where the graph had it already"
    )
    date: str
    packages: dict[str, str]
    licence: str = Field(description="of the weights, as far as upstream states one")


class Quantisation(Part):
    """What an int8 or fp16 graph costs and gains against the float graph it was made from, on the same rows."""

    source: str = Field(description="<name>/<version> of the float graph")
    method: str
    command: str
    data: str
    n: int
    accuracy_before: float = Field(description="the float graph's")
    rows_lost: int = Field(description="rows that only the float graph answers right")
    rows_won: int = Field(description="rows that only this graph answers right")
    points_lost: float = Field(description="of accuracy; the worst of the encodings in `metrics`, negative for a gain")
    size_ratio: float = Field(description="bytes of this graph / bytes of the float one")
    time_ratio: dict[str, float] = Field(description="rows in a batch -> time of this graph / time of the float one")
    measured_on: str = Field(description="the machine and ONNX Runtime of the times")


class Layer(Part):
    """One step of the graph that a person would want to see."""

    id: str
    title: str
    tensor: str = Field(description="the graph's name of this layer's output")
    op: str
    kernel: tuple[int, ...] | None = None
    stride: tuple[int, ...] | None = None
    pad: tuple[int, ...] | None = None
    group: str | None = Field(default=None, description="heading under which a page folds this layer")
    pooled_from: str | None = Field(default=None, description="id of the layer that this one pools")
    weight: str | None = Field(default=None, description="the graph's name of this layer's weight")


class Inspect(Part):
    method: Literal["gap_fc", "flatten_fc", "mlp_head", "textcnn", "none"]
    layers: tuple[Layer, ...]


class ModelSpec(Part):
    name: Annotated[str, Field(pattern=NAME)]
    version: Annotated[str, Field(pattern=VERSION)]
    title: str = Field(description="one line for people")
    task: Literal["image-classification", "sentence-classification"]
    labels: Annotated[tuple[str, ...], Field(min_length=2)]
    input: Annotated[ImageInput | SentenceInput, Field(discriminator="kind")]
    scores: Literal["softmax", "sigmoid"]
    graph: Graph
    net: Net | None = None
    training: Training | None = None
    origin: Origin | None = None
    calibration: Calibration | None = None
    metrics: tuple[Metrics, ...] = ()
    baseline: Baseline | None = None
    parity: Parity | None = None
    quantisation: Quantisation | None = None
    reference: Reference | None = None
    inspect: Inspect | None = None

    @model_validator(mode="after")
    def _reference_is_of_this_model(self) -> "ModelSpec":
        if self.reference and len(self.reference.label) != len(self.labels):
            raise ValueError(f"reference.label has {len(self.reference.label)} shares for {len(self.labels)} labels")
        return self


def read_spec(path: Path) -> ModelSpec:
    """The spec in a model.json. Raises ModelRefused, naming each wrong key."""
    try:
        return ModelSpec.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        raise ModelRefused(f"{path} is missing: every version needs a model.json beside its model.onnx") from None
    except ValidationError as error:
        wrong = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors())
        raise ModelRefused(f"{path} is not a valid spec: {wrong}") from None
