"""What was promised, what was found, and whether that will do: printed, and told by the exit status."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from scripts.hardware import hardware


@dataclass(frozen=True)
class Gate:
    what: str
    bound: str  # in words
    found: str
    met: bool


def at_most(what: str, found: float, bound: float, unit: str = "") -> Gate:
    return Gate(what, f"≤ {bound:,g} {unit}".strip(), f"{found:,.3g} {unit}".strip(), found <= bound)


def at_least(what: str, found: float, bound: float) -> Gate:
    return Gate(what, f"≥ {bound:,g}", f"{found:,.3g}", found >= bound)


def none_of(what: str, found: Sequence[str]) -> Gate:
    """The first few of them are shown."""
    shown = f"{len(found):,}" + (f": {'; '.join(found[:5])}" if found else "")
    return Gate(what, "none", shown, not found)


def heading(what: str) -> str:
    return f"{date.today():%Y-%m-%d}, {hardware()}; {what}; load average before {os.getloadavg()[0]:.1f}.\n"


def verdict(gates: Sequence[Gate]) -> int:
    """Prints a table. 0 where all are met, else 1."""
    print("\n| gate | bound | measured | met |\n| --- | --- | --- | --- |")
    for gate in gates:
        print(f"| {gate.what} | {gate.bound} | {gate.found} | {'yes' if gate.met else '**no**'} |")
    return 0 if all(gate.met for gate in gates) else 1
