"""How many CPUs this process may use: its affinity, cut down by the quota of its container.

ONNX Runtime counts the host's CPUs, which in a container with a quota makes far too many threads
(microsoft/onnxruntime#29510), so everything here is sized from this number instead.
"""

import math
import os
from pathlib import Path

from service.errors import SettingsError
from service.settings import Settings


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


def worker_count(settings: Settings, provider: str) -> int:
    """Small nets scale by processes; on a GPU each would hold a context and a copy of every model, and OpenVINO's
    threads do not outlive a fork. Raises SettingsError."""
    if provider != "cpu" and settings.workers > 1:
        raise SettingsError(f"MAXPOOL_WORKERS is {settings.workers}: with {provider} there is one process; set it to 1")
    return settings.workers or (min(4, cpu_count()) if provider == "cpu" else 1)
