"""What the processes of a service take together, looked up when somebody asks."""

from collections.abc import Collection, Iterator

from prometheus_client.core import GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from service import memory


class ProcessMetrics(Collector):
    """Memory of the processes with these ids, as a collector of prometheus_client. Reads files, as `memory.resident`
    does: not for the event loop."""

    def __init__(self, pids: Collection[int]) -> None:
        self._pids = pids

    def collect(self) -> Iterator[Metric]:
        resident, limit = memory.resident(self._pids), memory.limit()
        if resident is not None:
            text = "Memory of all processes, what they share counted once"
            yield GaugeMetricFamily("maxpool_resident_memory_bytes", text, resident)
        if limit is not None:
            yield GaugeMetricFamily("maxpool_memory_limit_bytes", "What the container allows them", limit)
