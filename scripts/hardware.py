"""What this machine has for training: in words, and what of it is faster than plain fp32."""

import os
import platform
from pathlib import Path

import torch

from service.cpus import cpu_count


def hardware() -> str:
    """`AMD EPYC 9R14, 2 usable cores, 15 GiB of memory, no GPU`."""
    cores = cpu_count()
    parts = [cpu_name(), f"{cores} usable core{'s' if cores > 1 else ''}"]
    if (memory := memory_size()) is not None:
        parts.append(f"{memory / 2**30:.0f} GiB of memory")
    gpus = [torch.cuda.get_device_properties(at) for at in range(torch.cuda.device_count())]
    parts += [f"{gpu.name} with {gpu.total_memory / 2**30:.0f} GiB" for gpu in gpus] or ["no GPU"]
    return ", ".join(parts)


def memory_size(cgroup: Path = Path("/sys/fs/cgroup")) -> int | None:
    """Bytes, cut down by the limit of the container; None where the system does not say."""
    if "SC_PHYS_PAGES" not in getattr(os, "sysconf_names", ()):
        return None
    installed = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    for limit in (cgroup / "memory.max", cgroup / "memory/memory.limit_in_bytes"):
        if limit.exists() and (written := limit.read_text().strip()).isdecimal():
            return min(installed, int(written))
    return installed


def cpu_name(cpuinfo: Path = Path("/proc/cpuinfo")) -> str:
    if cpuinfo.exists():
        for line in cpuinfo.read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()


def device() -> torch.device:
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def bf16_is_fast(on: torch.device) -> bool:
    """bfloat16 halves the time of a convolution where the processor multiplies it, and takes nine times as long where
    it is imitated. By what the processor has, not by a timing: the same run twice must choose the same."""
    if on.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    return bool(torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported())
