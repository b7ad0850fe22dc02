"""python -m benchmarks.training: rows a second in training and evaluation, and whether loading makes the cores wait.

On generated rows, by the loop itself, which makes batches ahead in a thread. The time that making a batch takes
alone, over that of a step, says whether the thread keeps up: under 1 it does. Of three runs the fastest counts; on a
shared machine the ratios say more than the numbers a second.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from scripts.datasets import CIFAR10, DIGITS, DataSet, Split
from scripts.hardware import bf16_is_fast, device, hardware
from scripts.loop import train
from scripts.preprocessing import image_input
from scripts.recipes import RECIPES, Recipe
from scripts.task import VARIANTS, Task, make_picture_task, make_sentence_task, vocabulary
from service.spec import SentenceInput

RUNS = 3
HELD_OUT = 512  # rows that are evaluated
WORDS = [f"word{number}" for number in range(8_000)]  # MR has so many that occur three times
LENGTHS = (5, 40)  # words of a sentence


@dataclass(frozen=True)
class Workload:
    title: str
    task: Task
    data: DataSet
    recipe: Recipe


@dataclass(frozen=True)
class Rates:
    """Rows a second."""

    batches: float  # made, and not used
    training: float
    evaluation: float

    @property
    def waiting(self) -> float:
        """Time to make a batch over the time of a training step."""
        return self.training / self.batches


def pictures(title: str, net: str, data: str, *, steps: int, **changes: object) -> Workload:
    recipe = replace(RECIPES[net, data], epochs=1, **changes)  # type: ignore[arg-type]
    variant = VARIANTS[net][0]
    given = image_input(net, variant, None, [32])
    labels = DIGITS if net == "lenet5" else CIFAR10
    random = np.random.default_rng(0)

    def split(name: str, n: int) -> Split:
        rows = random.integers(0, 256, (n, given.height, given.width, given.channels), dtype=np.uint8)
        return Split(name, rows, random.integers(0, len(labels), n))

    rows = DataSet(
        "noise",
        labels,
        split("train", recipe.batch * steps),
        split("validation", HELD_OUT),
        split("test", 0),
        "noise",
        given,
    )
    return Workload(title, make_picture_task(net, variant, rows, recipe), rows, recipe)


def sentences(title: str, *, steps: int) -> Workload:
    recipe = replace(RECIPES["textcnn", "mr"], epochs=1, min_count=1, prior=0.0)
    random = np.random.default_rng(0)

    def split(name: str, n: int) -> Split:
        rows = [" ".join(random.choice(WORDS, random.integers(*LENGTHS))) for _ in range(n)]
        return Split(name, rows, random.integers(0, 2, n))

    train_rows = split("train", recipe.batch * steps)
    given = SentenceInput(max_characters=2000)
    held = split("validation", HELD_OUT), split("test", 0)
    data = DataSet("words", ("negative", "positive"), train_rows, *held, "words", given)
    words = vocabulary([*WORDS, *train_rows.rows], recipe.min_count)
    return Workload(title, make_sentence_task("rand", data, recipe, words=words, table=None), data, recipe)


def workloads() -> list[Workload]:
    found = [
        pictures("LeNet-5, 28 x 28", "lenet5", "mnist", steps=60),
        pictures("ConvNetJS net, 32 x 32", "convnetjs", "cifar10", steps=30, jpeg=0.0),
        pictures("ConvNetJS net, half of the pictures through JPEG", "convnetjs", "cifar10", steps=30),
        pictures("ResNet-20, fp32, half through JPEG", "resnet20", "cifar10", steps=8, bf16=False),
        pictures("ResNet-20, bf16, half through JPEG", "resnet20", "cifar10", steps=8, bf16=True),
        sentences("Kim's CNN, sentences of 5 to 40 words", steps=30),
    ]
    return found if bf16_is_fast(device()) else [each for each in found if "bf16" not in each.title]


def measure(workload: Workload) -> Rates:
    task, data, recipe = workload.task, workload.data, workload.recipe
    task.logits(task.net, data.validation)  # sentences are tokenised once, before the first epoch
    making = fastest(lambda: sum(len(targets) for _, targets in task.batches(0)))
    with TemporaryDirectory() as folder:
        path = Path(folder) / "checkpoint.pt"
        whole = fastest(lambda: train(task, data, recipe, seed=0, path=path, resume=False))
    evaluating = fastest(lambda: task.logits(task.net, data.validation))
    n = len(data.train)
    return Rates(n / making, n / (whole - evaluating), len(data.validation) / evaluating)


def fastest(call: Callable[[], object]) -> float:
    """Seconds, after one run to warm up."""
    call()
    taken = []
    for _ in range(RUNS):
        start = time.perf_counter()
        call()
        taken.append(time.perf_counter() - start)
    return min(taken)


def main() -> int:
    rows = []
    for workload in workloads():
        rates = measure(workload)
        rows.append(
            f"| {workload.title} | {rates.batches:,.0f} | {rates.training:,.0f} | {rates.evaluation:,.0f} "
            f"| {rates.evaluation / rates.training:.1f} | {rates.waiting:.1%} |"
        )
    print(f"{hardware()}; one epoch of generated rows\n")
    print("| | batches alone, rows /s | training, rows /s | evaluation, rows /s | evaluation / training | loading |")
    print("| --- | ---: | ---: | ---: | ---: | ---: |")
    print("\n".join(rows))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
