"""What is asked of an inspection, as its query string says."""

from dataclasses import dataclass

METHODS = ("cam", "switches", "filters", "words", "occlusion")
FORMATS = ("sheets", "json", "npz")
SCALES = ("layer", "map")
SUMMARY, NONE, ALL, TOP = "summary", "none", "all", "top"


@dataclass(frozen=True)
class Question:
    target: str = TOP
    layers: tuple[str, ...] | None = None  # ids; None for all in numbers
    channels: tuple[int, int] | None = None
    methods: tuple[str, ...] = ()
    every_method: bool = False  # that the model has
    format: str = "sheets"
    palette: str = "light"
    scale: str = "layer"
    top_k: int = 5
