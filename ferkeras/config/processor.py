"""What the processor of this machine computes by itself."""

from __future__ import annotations

from functools import cache
from pathlib import Path

_CPUINFO = Path("/proc/cpuinfo")
_BFLOAT16 = {"avx512_bf16", "amx_bf16"}


@cache
def computes_bfloat16() -> bool:
    """Whether it multiplies bfloat16 in hardware: AVX512-BF16 or AMX, as Linux lists them.

    False where nothing says so, as on macOS and Windows.
    """
    try:
        text = _CPUINFO.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return False
    flags = next((line for line in text.splitlines() if line.startswith("flags")), "")
    return not _BFLOAT16.isdisjoint(flags.split())
