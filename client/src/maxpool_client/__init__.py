"""The Python client of Maxpool. Everything public is here; every other module is private."""

from ._async_client import AsyncClient
from ._client import Client
from ._errors import (
    ConnectionFailed,
    InvalidInput,
    MaxpoolError,
    Overloaded,
    ServerError,
    StatusError,
    TimedOut,
    Unauthorized,
    UnexpectedAnswer,
    UnknownModel,
)
from ._inspection import Inspection, Layer, Sheet
from ._types import Health, Model, ModelDetail, Picture, Prediction, Refused, Score, Sentence

__all__ = [
    "AsyncClient",
    "Client",
    "ConnectionFailed",
    "Health",
    "Inspection",
    "InvalidInput",
    "Layer",
    "MaxpoolError",
    "Model",
    "ModelDetail",
    "Overloaded",
    "Picture",
    "Prediction",
    "Refused",
    "Score",
    "Sentence",
    "ServerError",
    "Sheet",
    "StatusError",
    "TimedOut",
    "Unauthorized",
    "UnexpectedAnswer",
    "UnknownModel",
]
