"""A histogram of Prometheus for what is gathered and written down together."""

import numpy as np
from prometheus_client import Histogram


class Observations(Histogram):
    """A histogram that takes many values at once."""

    def observe_all(self, values: list[float]) -> None:
        """What `observe` does for each, in one step for each bucket that any of them is in."""
        if values:
            buckets = np.bincount(np.searchsorted(self._upper_bounds, values)).tolist()
            for bucket, count in zip(self._buckets, buckets, strict=False):
                if count:
                    bucket.inc(count)
            self._sum.inc(sum(values))
