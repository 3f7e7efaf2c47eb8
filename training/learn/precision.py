"""Which number format the convolutions are trained in: bfloat16 only if the processor has instructions for it."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Final

import torch

CPUINFO: Final = Path("/proc/cpuinfo")
INSTRUCTIONS: Final = frozenset({"amx_bf16", "avx512_bf16"})
"""x86 instructions that multiply bfloat16; without them PyTorch converts back and forth and is slower than float32."""


def number_format(device: torch.device, *, bfloat16: bool) -> str:
    """Return "bfloat16" where a recipe allows it and the device multiplies it, else "float32"."""
    return "bfloat16" if bfloat16 and _multiplies_bfloat16(device) else "float32"


def _multiplies_bfloat16(device: torch.device) -> bool:
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    return bool(processor_flags(CPUINFO) & INSTRUCTIONS)


@functools.cache
def processor_flags(cpuinfo: Path) -> frozenset[str]:
    """Return the instruction sets that Linux lists of the first processor; none on other systems."""
    try:
        lines = cpuinfo.read_text(encoding="ascii", errors="replace").splitlines()
    except OSError:
        return frozenset()
    flags = next((line for line in lines if line.startswith("flags")), "")
    return frozenset(flags.partition(":")[2].split())
