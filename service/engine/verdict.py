"""Whether a candidate has proven itself by the rule of its rollout."""

from service.engine.rollout import Rule, Verdict
from service.rolloutmetrics import Figures

ROUNDING = 1e-6  # rows


def judge(rule: Rule | None, figures: Figures) -> tuple[Verdict, str] | None:
    """The verdict and the reason of it, with the figures; None as long as there is none."""
    if figures.worker_ends:
        return Verdict.ROLLED_BACK, "a worker process ended while it ran the candidate"
    if rule is None:
        return None
    seen = figures.rows + figures.failed
    enough = seen >= rule.rows
    rows = max(seen, rule.rows)  # that the shares are of in the end, should all that comes be as it should
    compared = rows - figures.failed
    broken = []
    if figures.failed > rule.failures * rows:
        broken.append(f"failures {figures.failed} of {seen} rows, allowed {rule.failures:g}")
    differed = figures.rows - figures.agreed
    if rule.agreement is not None and differed > (1 - rule.agreement) * compared + ROUNDING:
        broken.append(f"agreement {figures.agreement or 0:.4f}, expected {rule.agreement:g}")
    ratio = figures.latency_ratio
    if enough and rule.latency_ratio is not None and ratio is not None and ratio > rule.latency_ratio:
        broken.append(f"latency ratio {ratio:.2f}, allowed {rule.latency_ratio:g}")
    if broken:
        return Verdict.ROLLED_BACK, f"after {seen} rows: {'; '.join(broken)}"
    return (Verdict.PROMOTED, f"after {seen} rows: {in_words(figures)}") if enough else None


def in_words(figures: Figures) -> str:
    ratio = f"latency ratio {figures.latency_ratio:.2f}, " if figures.latency_ratio is not None else ""
    agreement = f"agreement {figures.agreement:.4f}, " if figures.agreement is not None else ""
    return f"{agreement}{ratio}failures {figures.failed}"
