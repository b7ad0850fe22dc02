"""Good bytes of each kind, small and made here, for the fuzzer to spoil."""

import base64
import io
import json
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from benchmarks.servers import ROOT
from service.protocols.encodings import deflate
from service.protocols.oip_messages import message_class
from service.protocols.tensors import bytes_of_elements

# Of a PNG: bits a channel and colour type, and the chunks that may come between its header and its end.
FORMS = ((8, 0), (8, 2), (8, 3), (8, 4), (8, 6), (16, 0), (16, 2), (1, 0), (4, 3))
CHUNKS = (b"IDAT", b"gAMA", b"cHRM", b"sRGB", b"pHYs", b"tIME", b"tEXt", b"bKGD", b"PLTE", b"tRNS", b"iCCP", b"eXIf")
SIDE = 32
BOUNDARY = "multipart/form-data; boundary=b"


def nothing() -> list[bytes]:
    return [b""]


def noise() -> Image.Image:
    return Image.fromarray(np.random.default_rng(0).integers(0, 256, (7, 9, 3), np.uint8))


def encode(image: Image.Image, kind: str, **options: Any) -> bytes:
    encoded = io.BytesIO()
    image.save(encoded, kind, **options)
    return encoded.getvalue()


def pictures() -> list[bytes]:
    small = noise()
    exif = Image.Exif()
    exif[0x0112] = 6
    palette = small.convert("P")
    return [
        *(encode(small, kind) for kind in ("PNG", "JPEG", "WEBP", "GIF")),
        *(encode(small.convert(mode), "PNG") for mode in ("1", "L", "LA", "P", "RGBA")),
        *(encode(small, kind, exif=exif) for kind in ("PNG", "JPEG", "WEBP")),
        *(encode(small, kind, save_all=True, append_images=[small]) for kind in ("PNG", "WEBP", "GIF", "MPO")),
        encode(small.convert("CMYK"), "JPEG"),
        encode(small, "JPEG", progressive=True),
        encode(small, "WEBP", lossless=True),
        encode(palette, "PNG", transparency=0),
        encode(palette, "PNG", transparency=bytes(range(256))),
        encode(Image.fromarray(np.full((7, 9), 0x80FF, np.uint16)), "PNG"),
    ]


def pngs() -> list[bytes]:
    """For png_of: form, width, height, interlaced, and chunks of a kind, a length and a content."""
    lines = {
        number: b"".join(bytes([y % 5]) + bytes(range(9 * channels)) for y in range(7))
        for number, channels in ((0, 1), (1, 3), (2, 1), (3, 2), (4, 4))
    }
    begun = {number: bytes([number, 9, 7, 0]) for number in lines}
    whole = {number: piece(0, content) for number, content in lines.items()}
    others = b"".join(piece(128 + kind, bytes(9)) for kind in range(1, len(CHUNKS)))
    return [
        *(begun[number] + whole[number] for number in lines),
        *(begun[number] + others + whole[number] for number in lines),
        *(begun[number] + whole[number] + others for number in lines),
        *(begun[number] + piece(9, b"\0\1\0\2\0\3") + whole[number] for number in lines),
    ]


def piece(kind: int, content: bytes) -> bytes:
    return bytes([kind]) + len(content).to_bytes(2, "little") + content


def png_of(data: bytes) -> bytes:
    """With right checksums. Contents are compressed unless the high bit of the kind says that they are as they are."""
    form, width, height, interlaced = data[:4].ljust(4, b"\0")
    head = struct.pack(">II", width % SIDE, height % SIDE) + bytes([*FORMS[form % len(FORMS)], 0, 0, interlaced & 1])
    made = [b"\x89PNG\r\n\x1a\n", chunk(b"IHDR", head)]
    at = 4
    while at + 3 <= len(data):
        kind, length = data[at], int.from_bytes(data[at + 1 : at + 3], "little")
        content = data[at + 3 : at + 3 + length]
        made.append(chunk(CHUNKS[(kind & 127) % len(CHUNKS)], content if kind & 128 else zlib.compress(content)))
        at += 3 + length
    return b"".join([*made, chunk(b"IEND", b"")])


def chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def base64_picture() -> str:
    return base64.b64encode(encode(noise(), "PNG")).decode()


def json_bodies() -> list[bytes]:
    pixels = np.arange(12).reshape(2, 2, 3).tolist()
    given: list[dict[str, Any]] = [
        {"inputs": base64_picture()},
        {"inputs": [f"data:image/png;base64,{base64_picture()}", "a sentence"]},
        {"instances": [{"b64": base64_picture()}, {"image": pixels}, pixels], "parameters": {"top_k": 2}},
        {"instances": [{"content": "a sentence", "mimeType": "text/plain"}]},
        {"data": base64_picture()},
        {"body": "a sentence"},
    ]
    return [json.dumps(each).encode() for each in given]


def multipart_bodies() -> list[bytes]:
    """After a line with the content type."""
    part = b'--b\r\ncontent-disposition: form-data; name="x"; filename="x.png"\r\n\r\n%b\r\n'
    body = part % encode(noise(), "PNG") + part % "schön".encode() + b"--b--\r\n"
    return [BOUNDARY.encode() + b"\n" + body, b"image/png\n" + encode(noise(), "PNG"), b"text/plain; charset=utf-8\nso"]


def tensor(name: str, datatype: str, shape: list[int], **more: Any) -> dict[str, Any]:
    return {"name": name, "datatype": datatype, "shape": shape, **more}


def oip_bodies() -> list[bytes]:
    """After a line with Inference-Header-Content-Length."""
    pixels = np.arange(24, dtype=np.uint8).reshape(2, 2, 2, 3)
    outputs = [{"name": "scores", "parameters": {"classification": 2, "binary_data": True}}]
    elements = bytes_of_elements([b"so it goes", "schön".encode()])
    said = {"parameters": {"binary_data_size": len(elements)}}
    as_json = [
        tensor("image", "UINT8", [2, 2, 2, 3], data=pixels.tolist()),
        tensor("image", "UINT8", [2, 2, 2, 3], data=pixels.ravel().tolist()),
        tensor("image", "BYTES", [1], data=[base64_picture()]),
        tensor("sentence", "BYTES", [2, 1], data=["so it goes", "schön"]),
    ]
    head = json.dumps({"id": "1", "inputs": [tensor("sentence", "BYTES", [2], **said)], "outputs": outputs}).encode()
    return [
        *(b"\n" + json.dumps({"inputs": [each], "parameters": {"timeout": 9}}).encode() for each in as_json),
        b"%d\n" % len(head) + head + elements,
        b"0\n" + pixels.tobytes(),
    ]


def grpc_messages() -> list[bytes]:
    request = message_class("ModelInferRequest")
    image = tensor("image", "UINT8", [1, 2, 2, 3])
    sentence = tensor("sentence", "BYTES", [1], contents={"bytes_contents": [b"so it goes"]})
    made = [
        request(model_name="m", id="1", inputs=[image], raw_input_contents=[bytes(12)]),
        request(model_name="m", inputs=[image | {"contents": {"uint_contents": range(12)}}]),
        request(model_name="m", inputs=[sentence], parameters={"timeout": {"int64_param": 9}}),
        request(inputs=[tensor("image", "BYTES", [1])], raw_input_contents=[bytes_of_elements(pictures()[:1])]),
    ]
    return [each.SerializeToString() for each in made]


def encoded_bodies() -> list[bytes]:
    return [deflate(body, kind) for body in (b"", b"so it goes", bytes(300_000)) for kind in ("gzip", "deflate")]


def sentences() -> list[bytes]:
    return ["so it goes".encode("utf-8-sig"), "schön \0 \u2028 😀".encode(), b"\xed\xa0\x80", b" " * 120, b"\xff\xfes"]


def graphs() -> list[bytes]:
    """The smallest of the committed ones, without most of its weights' bytes."""
    smallest = min(ROOT.glob("models/*/*/model.onnx"), key=lambda path: path.stat().st_size)
    return [Path(smallest).read_bytes()[:4096], bytes.fromhex("080842040a00100d")]
