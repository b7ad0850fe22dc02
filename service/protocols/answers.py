"""What the dialects share: predictions without an error among them, and their labels as most clients read them."""

from collections.abc import Sequence
from typing import Any

from service.engine.model import Model, Prediction
from service.errors import InvalidInput, MaxpoolError
from service.protocols.kinds import kind

Json = dict[str, Any]


def whole(answers: Sequence[Prediction | MaxpoolError], what: str) -> list[Prediction]:
    """For a dialect that has no place for an error among answers. Raises the first, which names its input if there are
    several: `what` and its index."""
    for index, answer in enumerate(answers):
        if isinstance(answer, MaxpoolError):
            raise answer if len(answers) == 1 else type(answer)(f"{what} {index}: {answer}")
    return [answer for answer in answers if isinstance(answer, Prediction)]


def labelled(model: Model, prediction: Prediction, top_k: int) -> list[Json]:
    """The best first."""
    return [{"label": label, "score": score} for label, _, score in model.rank(prediction.scores, top_k)]


def read_parameters(document: Json) -> Json:
    """{} where there are none. Raises InvalidInput."""
    parameters = document.get("parameters")
    if parameters is None:
        return {}
    if not isinstance(parameters, dict):
        raise InvalidInput(f"parameters is a JSON {kind(parameters)}: expected an object, or leave it out")
    return parameters


def read_top_k(parameters: Json, otherwise: int) -> int:
    """Raises InvalidInput."""
    top_k = parameters.get("top_k")
    if top_k is None:
        return otherwise
    if type(top_k) is not int or top_k < 1:
        raise InvalidInput(f"top_k is {str(top_k)[:32]}: expected a whole number from 1")
    return top_k


def check_function(parameters: Json, model: Model) -> None:
    """The last function is in the graph. Raises InvalidInput for another one."""
    function = parameters.get("function_to_apply")
    if function not in (None, model.spec.scores):
        raise InvalidInput(
            f"function_to_apply is {str(function)[:32]}: this model gives {model.spec.scores}, or leave it out"
        )
