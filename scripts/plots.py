"""Learning curves and the confusion matrix, as pictures."""

from pathlib import Path

import numpy as np
import numpy.typing as npt
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure


def plot_curves(curve: list[tuple[float, float, float]], path: Path) -> None:
    figure = Figure(figsize=(9, 3.6), layout="constrained")
    FigureCanvasAgg(figure)
    losses, accuracies = figure.subplots(1, 2)
    epochs = range(1, len(curve) + 1)
    losses.plot(epochs, [train for train, _, _ in curve], label="training")
    losses.plot(epochs, [validation for _, validation, _ in curve], label="validation, averaged weights")
    losses.set(xlabel="epoch", ylabel="cross-entropy")
    losses.legend()
    accuracies.plot(epochs, [100 * accuracy for _, _, accuracy in curve], color="C1")
    accuracies.set(xlabel="epoch", ylabel="validation accuracy, %")
    figure.savefig(path, dpi=120)


def plot_confusion(
    targets: npt.NDArray[np.int64], found: npt.NDArray[np.int64], labels: tuple[str, ...], path: Path
) -> None:
    """Rows are the true labels; each cell the share of its row, in per cent."""
    counts = np.zeros((len(labels), len(labels)))
    np.add.at(counts, (targets, found), 1)
    shares = 100 * counts / np.maximum(counts.sum(1, keepdims=True), 1)
    side = 2.4 + 0.5 * len(labels)
    figure = Figure(figsize=(side, side), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=100)
    for row, column in np.ndindex(shares.shape):
        if shares[row, column] >= 0.05:
            ink = "white" if shares[row, column] > 50 else "black"
            axes.text(column, row, f"{shares[row, column]:.1f}", ha="center", va="center", color=ink, fontsize=8)
    axes.set_xticks(range(len(labels)), labels, rotation=45, ha="right")
    axes.set_yticks(range(len(labels)), labels)
    axes.set(xlabel="answered", ylabel="true", title="validation, % of each row")
    figure.savefig(path, dpi=120)
