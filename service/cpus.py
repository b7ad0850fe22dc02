"""How many CPUs this process may use: its affinity, cut down by the quota of its container.

ONNX Runtime counts the host's CPUs, which in a container with a quota makes far too many threads
(microsoft/onnxruntime#29510), so everything here is sized from this number instead.
"""

import math
import os
from pathlib import Path


def cpu_count(cgroup: Path = Path("/sys/fs/cgroup")) -> int:
    available = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    quota = cgroup_quota(cgroup)
    return available if quota is None else max(1, min(available, math.ceil(quota)))


def cgroup_quota(cgroup: Path) -> float | None:
    """CPUs allowed by cgroup version 2 (cpu.max) or 1 (cpu.cfs_quota_us); None for no limit."""
    try:
        if (version2 := cgroup / "cpu.max").exists():
            quota, period = version2.read_text().split()
        else:
            quota = (cgroup / "cpu/cpu.cfs_quota_us").read_text()
            period = (cgroup / "cpu/cpu.cfs_period_us").read_text()
        return None if quota.strip() in ("max", "-1") else int(quota) / int(period)
    except (OSError, ValueError):
        return None
