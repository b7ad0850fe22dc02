"""The statistics extension of the Open Inference Protocol, told from the metrics and so of all worker processes.

inference_count counts rows, execution_count runs of the graph. Each duration is {"count", "ns"}; compute_output is what
an answer took beside the other stages: reading the body and writing the reply. perf_analyzer wants the three of compute
to have the same count. What is not there has count 0: a cache, and the stages beside the run that have no batch size.
"""

from collections import defaultdict
from typing import Any

from service.metrics import Metrics

Duration = dict[str, int]
NONE = {"count": 0, "ns": 0}


class Statistics:
    """The sums of one model, since this service was started."""

    def __init__(self, name: str, version: str) -> None:
        self.name, self.version = name, version
        self._sums: defaultdict[str, float] = defaultdict(float)
        self._answered: defaultdict[bool, int] = defaultdict(int)  # good or not -> requests
        self._batches: defaultdict[int, dict[str, float]] = defaultdict(dict)  # rows -> of runs their count and sum

    def add(self, sample: str, labels: dict[str, str], value: float) -> None:
        if sample == "maxpool_requests_total":
            self._answered[labels["code"] == "200"] += int(value)
        elif sample.startswith("maxpool_batch_duration_seconds_"):
            self._batches[int(labels["rows"])][sample.rpartition("_")[2]] = value
        else:
            self._sums[sample] = value

    @property
    def waiting(self) -> int:
        """Rows, now."""
        return int(self._sums["maxpool_queue_rows"])

    @property
    def answered(self) -> int:
        """Requests, with predictions."""
        return self._answered[True]

    @property
    def answered_seconds(self) -> float:
        return self._sums["maxpool_request_duration_seconds_sum"] - self._sums["maxpool_failed_duration_seconds_total"]

    @property
    def rows(self) -> int:
        return sum(rows * int(of_rows["count"]) for rows, of_rows in self._batches.items())

    @property
    def batches(self) -> int:
        return sum(int(of_rows["count"]) for of_rows in self._batches.values())

    def show(self) -> dict[str, Any]:
        failed = self._sums["maxpool_failed_duration_seconds_total"]
        seconds = self._sums["maxpool_request_duration_seconds_sum"]
        stages = {stage: self._stage(stage) for stage in ("queue", "decode", "infer")}
        rest = seconds - failed - sum(stage["ns"] for stage in stages.values()) / 1e9
        batches = sorted((rows, of_rows) for rows, of_rows in self._batches.items() if of_rows.get("count"))
        return {
            "name": self.name,
            "version": self.version,
            "last_inference": int(self._sums["maxpool_last_answer_timestamp_seconds"] * 1e3),
            "inference_count": self.rows,
            "execution_count": self.batches,
            "inference_stats": {
                "success": duration(self.answered, self.answered_seconds),
                "fail": duration(self._answered[False], failed),
                "queue": stages["queue"],
                "compute_input": stages["decode"],
                "compute_infer": stages["infer"],
                "compute_output": duration(stages["infer"]["count"], rest),
                "cache_hit": NONE,
                "cache_miss": NONE,
            },
            "batch_stats": [
                {
                    "batch_size": rows,
                    "compute_input": NONE,
                    "compute_infer": duration(of_rows["count"], of_rows["sum"]),
                    "compute_output": NONE,
                }
                for rows, of_rows in batches
            ],
        }

    def _stage(self, stage: str) -> Duration:
        name = f"maxpool_{stage}_duration_seconds"
        return duration(self._sums[f"{name}_count"], self._sums[f"{name}_sum"])


def duration(count: float, seconds: float) -> Duration:
    return {"count": int(count), "ns": max(0, round(seconds * 1e9))}


def summed(metrics: Metrics, models: list[tuple[str, str]]) -> list[Statistics]:
    """`models`: name and version of each to tell of, in this order. Reads a file a process: not for the event loop."""
    of_model = {key: Statistics(*key) for key in models}
    for metric in metrics.collect():
        for sample in metric.samples:
            told = of_model.get((sample.labels.get("model", ""), sample.labels.get("version", "")))
            if told is not None and not sample.name.endswith("_bucket"):
                told.add(sample.name, sample.labels, sample.value)
    return list(of_model.values())


def statistics(metrics: Metrics, models: list[tuple[str, str]]) -> list[dict[str, Any]]:
    """As `summed`, in the extension's words."""
    return [told.show() for told in summed(metrics, models)]
