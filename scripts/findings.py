"""What was found in data of your own, in plain sentences."""

from collections.abc import Sequence

import numpy as np

from scripts.splits import Indices

NAMED = 10  # so many names are listed
FEW = 10  # rows of a label


def describe(
    kind: str,
    names: list[str],
    labels: tuple[str, ...],
    targets: Indices,
    groups: Indices,
    parts: dict[str, Indices],
    said: dict[str, str],
    refused: list[str],
) -> list[str]:
    """`kind`: pictures or sentences; `said`: where each part comes from; `refused`: what is left out, and why."""
    counts = np.bincount(targets, minlength=len(labels))
    by_label = [f"{label} {count:,}" for label, count in zip(labels, counts, strict=True)]
    sizes = [f"{len(parts[part]):,} for {part}" for part in parts]
    if len(set(said.values())) > 1:
        sizes = [f"{size} ({said[part]})" for size, part in zip(sizes, parts, strict=True)]
        how = ""
    else:
        how = f", {next(iter(said.values()))}"
    return [
        f"{len(targets):,} {kind} of {len(labels)} labels: {listed(by_label)}.",
        f"{', '.join(sizes)}{how}.",
        *on_balance(labels, counts, parts, targets),
        *on_copies(names, groups, parts, targets, labels),
        *([f"{counted(len(refused), 'input')} left out: {listed(refused, '; ')}."] if refused else []),
    ]


def on_balance(labels: tuple[str, ...], counts: Indices, parts: dict[str, Indices], targets: Indices) -> list[str]:
    found = []
    most, least = int(counts.argmax()), int(counts.argmin())
    if counts[most] > 2 * counts[least]:
        found.append(
            f"{labels[most]} has {counts[most] / counts[least]:.1f} times as many as {labels[least]}: rare labels "
            "weigh more in training."
        )
    if rare := [labels[at] for at in np.flatnonzero(counts < FEW)]:
        found.append(f"Fewer than {FEW} are too few to learn a label from, or to tell how well: {listed(rare)}.")
    for part in ("validation", "test"):
        absent = [labels[at] for at in range(len(labels)) if at not in targets[parts[part]]]
        if len(absent) == len(labels):
            found.append(f"There are too few for a {part} part: how good the net is can not be told.")
        elif absent:
            found.append(f"Of {listed(absent)} there are none in the {part} part.")
    return found


def on_copies(
    names: list[str], groups: Indices, parts: dict[str, Indices], targets: Indices, labels: tuple[str, ...]
) -> list[str]:
    found = []
    members: dict[int, list[int]] = {}
    for at, group in enumerate(groups.tolist()):
        members.setdefault(group, []).append(at)
    twins = [rows for rows in members.values() if len(rows) > 1]
    if twins:
        first, second = twins[0][:2]
        found.append(
            f"{counted(sum(map(len, twins)) - len(twins), 'copy', 'copies')} of others, such as {names[second]} of "
            f"{names[first]}; what is split by seed keeps copies on one side."
        )
    for one, other in (("train", "test"), ("train", "validation"), ("validation", "test")):
        shared = parts[other][np.isin(groups[parts[other]], groups[parts[one]])]
        if len(shared):
            found.append(
                f"Also in {one}: {len(shared):,} of the {len(parts[other]):,} for {other}, such as {names[shared[0]]}, "
                f"so the accuracy on {other} flatters."
            )
    torn = [rows for rows in twins if len(set(targets[rows])) > 1]
    if torn:
        said = dict.fromkeys(f"{names[at]} as {labels[targets[at]]}" for at in torn[0])
        found.append(
            f"{counted(len(torn), 'input')} with more than one label, of which one at most is right, such as "
            f"{listed(list(said), ' and ')}."
        )
    return found


def listed(names: Sequence[str], sign: str = ", ") -> str:
    more = f"{sign}and {len(names) - NAMED:,} more" if len(names) > NAMED else ""
    return sign.join(names[:NAMED]) + more


def counted(n: int, one: str, many: str | None = None) -> str:
    """`1 copy`, `2,000 copies`; `many` is `one` with an s unless said."""
    return f"{n:,} {one if n == 1 else many or one + 's'}"
