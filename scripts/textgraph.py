"""The graph of a sentence classifier: a string in, scores out; and its front alone, by which training tokenises.

sentence -> lower case -> tokens -> ids -> rows of the folded table -> a sum a width -> ReLU -> maximum -> scores

Folded table: a convolution over word vectors is a sum of products vector x tap. Vector and taps are constants, so their
product, one row of [words x (3+4+5) maps] a word, is computed once, by ONNX Runtime's constant folding when the model
is loaded, and the file keeps only the small factors. A sentence then costs look-ups and additions.
"""

from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime as ort
from onnx import TensorProto, helper, numpy_helper

from nets.textcnn import PAD, WIDTHS

OPSET, IR = 20, 10
UNKNOWN = 1
# A word or number with its accents; the endings that English joins by an apostrophe; any other sign alone. Spaces and
# controls are told by their Unicode class, since RE2's \s knows those of ASCII only.
TOKEN = r"[\pL\pM\pN]+|['’](?:s|t|re|ve|ll|d|m)\b|[^\pZ\pC\pL\pM\pN]"
Array = npt.NDArray[Any]


def tokenize(sentences: list[str]) -> list[list[str]]:
    session = ort.InferenceSession(finish(front(), "tokens", TensorProto.STRING, [], ["N", "L"]).SerializeToString())
    rows = session.run(None, {"sentence": np.array(sentences, dtype=object)})[0]
    return [[token for token in row if token] for row in rows]


def word_ids(sentences: list[str], words: list[str]) -> npt.NDArray[np.int64]:
    """N x L, padded with PAD; words[0] is the padding, words[1] stands for every unknown word."""
    graph = finish([*front(), lookup(words)], "ids", TensorProto.INT64, [], ["N", "L"])
    session = ort.InferenceSession(graph.SerializeToString())
    ids: npt.NDArray[np.int64] = session.run(None, {"sentence": np.array(sentences, dtype=object)})[0]
    return ids


def front() -> list[onnx.NodeProto]:
    return [
        # Slim images have no locale but this one.
        helper.make_node(
            "StringNormalizer", ["sentence"], ["lower"], case_change_action="LOWER", locale="C.UTF-8", name="lower"
        ),
        helper.make_node(
            "Tokenizer",
            ["lower"],
            ["tokens"],
            domain="com.microsoft",
            tokenexp=TOKEN,
            mark=0,
            mincharnum=1,
            pad_value="",
            name="tokens",
        ),
    ]


def lookup(words: list[str]) -> onnx.NodeProto:
    """A word with a straight apostrophe is found with a curly one, too."""
    ids = {"": PAD} | {word: at for at, word in enumerate(words) if at > UNKNOWN}
    ids |= {word.replace("'", "’"): at for word, at in ids.items() if "'" in word}
    return helper.make_node(
        "LabelEncoder",
        ["tokens"],
        ["ids"],
        domain="ai.onnx.ml",
        keys_strings=list(ids),
        values_int64s=list(ids.values()),
        default_int64=UNKNOWN,
        name="ids",
    )


def text_graph(words: list[str], weights: dict[str, Array], *, temperature: float) -> onnx.ModelProto:
    """`weights`: table [V, 300] fp16, conv3/4/5 [maps, 300, width] and bias3/4/5, output [K, 3 maps] and bias."""
    constants: dict[str, Array] = {
        "embedding": weights["table"].astype(np.float16),
        "pads": np.array([0, max(WIDTHS) - 1, 0, max(WIDTHS)], np.int64),
        "pad_id": np.array(PAD, np.int64),
        "axis1": np.array([1], np.int64),
        "temperature": np.array(temperature, np.float32),
        "output.weight": weights["output"],
        "output.bias": weights["output_bias"],
    }
    # [300, sum over widths of width * maps]: tap 0 of width 3, tap 1 of width 3, …
    taps = [weights[f"conv{width}"][:, :, tap].T for width in WIDTHS for tap in range(width)]
    constants["taps"] = np.concatenate(taps, 1).astype(np.float16)
    nodes = [
        *front(),
        lookup(words),
        helper.make_node("Pad", ["ids", "pads", "pad_id"], ["padded"], name="pad"),  # N x L+9
        helper.make_node("Cast", ["embedding"], ["vectors"], to=TensorProto.FLOAT, name="vectors"),
        helper.make_node("Cast", ["taps"], ["taps32"], to=TensorProto.FLOAT, name="taps32"),
        helper.make_node("MatMul", ["vectors", "taps32"], ["table"], name="table"),  # V x 12 maps, folded at load
        helper.make_node("Gather", ["table", "padded"], ["looked_up"], axis=0, name="look_up"),  # N x L+9 x 12 maps
    ]
    maps = weights["output"].shape[1] // len(WIDTHS)
    column = 0
    for width in WIDTHS:
        shifted = []
        for tap in range(width):
            name = f"tap{width}.{tap}"
            constants |= {
                f"{name}.from": np.array([tap, column], np.int64),
                # ends count from the end of the sentence, so that all taps have L+9-width+1 positions
                f"{name}.to": np.array([tap - width + 1 or np.iinfo(np.int64).max, column + maps], np.int64),
            }
            nodes.append(
                helper.make_node("Slice", ["looked_up", f"{name}.from", f"{name}.to", "axes12"], [name], name=name)
            )
            shifted.append(name)
            column += maps
        constants[f"conv{width}.bias"] = weights[f"bias{width}"]
        nodes += [
            helper.make_node("Sum", shifted, [f"conv{width}.sum"], name=f"conv{width}.sum"),
            helper.make_node("Add", [f"conv{width}.sum", f"conv{width}.bias"], [f"conv{width}"], name=f"conv{width}"),
            helper.make_node("Relu", [f"conv{width}"], [f"relu{width}"], name=f"relu{width}"),
            helper.make_node("ReduceMax", [f"relu{width}", "axis1"], [f"pool{width}"], keepdims=0, name=f"pool{width}"),
        ]
    constants["axes12"] = np.array([1, 2], np.int64)
    nodes += [
        helper.make_node("Concat", [f"pool{width}" for width in WIDTHS], ["features"], axis=1, name="features"),
        helper.make_node("Gemm", ["features", "output.weight", "output.bias"], ["logits"], transB=1, name="output"),
        helper.make_node("Div", ["logits", "temperature"], ["calibrated"], name="calibrate"),
        helper.make_node("Softmax", ["calibrated"], ["scores"], axis=1, name="scores"),
    ]
    initializers = [numpy_helper.from_array(np.ascontiguousarray(array), name) for name, array in constants.items()]
    return finish(nodes, "scores", TensorProto.FLOAT, initializers, ["N", weights["output"].shape[0]])


def finish(
    nodes: list[onnx.NodeProto], output: str, kind: int, constants: list[onnx.TensorProto], shape: list[str | int]
) -> onnx.ModelProto:
    given = helper.make_tensor_value_info("sentence", TensorProto.STRING, ["N"])
    graph = helper.make_graph(
        nodes, "textcnn", [given], [helper.make_tensor_value_info(output, kind, shape)], constants
    )
    versions = {"": OPSET, "ai.onnx.ml": 3, "com.microsoft": 1}
    opsets = [helper.make_opsetid(domain, version) for domain, version in versions.items()]
    return helper.make_model(graph, opset_imports=opsets, ir_version=IR, producer_name="maxpool")
