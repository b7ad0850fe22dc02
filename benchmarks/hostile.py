"""Every reader of what strangers send: hostile bytes -> *as the service reads them* -> rows, or an error that is told.

Whatever the bytes are, a target returns; any exception is a bug. `bug` and `leak` have one on purpose: they are the
controls, which show that the fuzzer finds what it looks for.
"""

import io
from collections.abc import Callable, Sequence
from functools import partial

import numpy as np
from PIL import Image, UnidentifiedImageError

from benchmarks import seeds
from service.engine.header import external_files, read_header
from service.engine.rows import Input, read_row
from service.errors import MaxpoolError, ModelRefused
from service.images import FORMATS, Picture, open_picture
from service.protocols.bodies import read_body
from service.protocols.encodings import WINDOW, inflate
from service.protocols.kserve import read_instances
from service.protocols.oip_grpc_infer import read_infer
from service.protocols.oip_messages import message_class, read_message
from service.protocols.oip_request import read_json_length, read_request
from service.protocols.torchserve import read_input
from service.sentences import check_sentence, read_sentence
from service.spec import ImageInput, SentenceInput

GREY = ImageInput(height=2, width=2, channels=1, fit="pad", background="white")
COLOUR = ImageInput(height=2, width=2, channels=3, fit="crop", background="black")
SENTENCE = SentenceInput(max_characters=100)
MAX_PIXELS = 64 * 1024
MAX_BYTES = 256 * 1024  # of an inflated body
MAX_INPUTS = 8
SPECS = (COLOUR, SENTENCE)
Spec = ImageInput | SentenceInput
Inputs = Sequence[Input | MaxpoolError]
KEPT: list[bytes] = []


def picture(data: bytes) -> None:
    read_rows(lambda: [data], COLOUR if len(data) & 1 else GREY)


def png(data: bytes) -> None:
    """A PNG with right checksums, made as the bytes say: the short cut and Pillow take the same ones alike."""
    encoded = seeds.png_of(data)
    ours = decoded(lambda: open_picture(encoded, max_pixels=MAX_PIXELS))
    pillows = decoded(lambda: Picture(Image.open(io.BytesIO(encoded), formats=FORMATS)))
    if ours != pillows:
        raise AssertionError(f"ours {shown(ours)}, Pillow's {shown(pillows)} of {encoded.hex()}")


def decoded(opened: Callable[[], Picture]) -> bytes | None:
    """The pixels as they are, or None for a picture that is refused."""
    try:
        picture = opened()
        width, height = picture.image.size
        spec = ImageInput(height=height, width=width, channels=3, fit="stretch", background="white")
        return picture.decode(spec).tobytes()
    except (MaxpoolError, UnidentifiedImageError, SyntaxError, ValueError):
        return None


def shown(pixels: bytes | None) -> str:
    return "refused" if pixels is None else pixels.hex()


def json(data: bytes) -> None:
    for spec in SPECS:
        read_rows(partial(body, data, "application/json", spec), spec)
        read_rows(partial(instances, data, spec), spec)
        read_rows(partial(torchserve, data, spec), spec)


def multipart(data: bytes) -> None:
    """The first line is the content type."""
    content_type, _, content = data.partition(b"\n")
    for spec in SPECS:
        read_rows(partial(body, content, content_type.decode("latin-1"), spec), spec)


def oip(data: bytes) -> None:
    """The first line is Inference-Header-Content-Length."""
    header, _, content = data.partition(b"\n")
    for spec in SPECS:
        read_rows(partial(tensors, content, header.decode("latin-1"), spec), spec)


def grpc(data: bytes) -> None:
    for spec in SPECS:
        read_rows(partial(message, data, spec), spec)


def body(data: bytes, content_type: str, spec: Spec) -> Inputs:
    return read_body(data, content_type, pictures=spec is COLOUR, max_inputs=MAX_INPUTS).inputs


def instances(data: bytes, spec: Spec) -> Inputs:
    return read_instances(data, "", spec, max_inputs=MAX_INPUTS)[0]


def torchserve(data: bytes, spec: Spec) -> Inputs:
    return [read_input(data, "application/json", pictures=spec is COLOUR)]


def tensors(data: bytes, header: str, spec: Spec) -> Inputs:
    return read_request(data, read_json_length(header, len(data)), spec, max_inputs=MAX_INPUTS).inputs


def message(data: bytes, spec: Spec) -> Inputs:
    return read_infer(read_message(message_class("ModelInferRequest"), data), spec, max_inputs=MAX_INPUTS).inputs


def encoding(data: bytes) -> None:
    for name in WINDOW:
        try:
            assert len(inflate(data, name, max_bytes=MAX_BYTES)) <= MAX_BYTES
        except MaxpoolError:
            continue


def sentence(data: bytes) -> None:
    read_rows(lambda: [read_sentence(data)], SENTENCE)
    try:
        check_sentence(data.decode("utf-8", "surrogatepass"), SENTENCE).encode()
    except (MaxpoolError, UnicodeDecodeError):
        return


def graph(data: bytes) -> None:
    """Of a model, whose author may be a stranger, too."""
    try:
        read_header(data)
        external_files(data)
    except ModelRefused:
        return


def read_rows(read: Callable[[], Inputs], spec: Spec) -> None:
    try:
        inputs = read()
    except MaxpoolError:
        return
    for each in inputs:
        if isinstance(each, MaxpoolError):
            continue
        try:
            row = read_row(each, spec, max_pixels=MAX_PIXELS).row
        except MaxpoolError:
            continue
        assert isinstance(row, str) or (row.dtype == np.uint8 and row.shape == (2, 2, row.shape[2]))


def everything(data: bytes) -> None:
    """The first byte chooses the reader."""
    list(TARGETS)[(data or b"\0")[0] % len(TARGETS)](data[1:])


def seeds_of_everything() -> list[bytes]:
    return [bytes([number]) + seed for number, made in enumerate(TARGETS.values()) for seed in made()]


def bug(data: bytes) -> None:
    """A decoder that believes a length."""
    if data[:3] == b"BUG" and len(data) > 4:
        data[data[3]]


def leak(data: bytes) -> None:
    KEPT.append(bytes(MAX_PIXELS))


Seeds = Callable[[], list[bytes]]
CONTROLS: dict[Callable[[bytes], None], Seeds] = {bug: seeds.nothing, leak: seeds.nothing}
TARGETS: dict[Callable[[bytes], None], Seeds] = {
    picture: seeds.pictures,
    png: seeds.pngs,
    json: seeds.json_bodies,
    multipart: seeds.multipart_bodies,
    oip: seeds.oip_bodies,
    grpc: seeds.grpc_messages,
    encoding: seeds.encoded_bodies,
    sentence: seeds.sentences,
    graph: seeds.graphs,
}
