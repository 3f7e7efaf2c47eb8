"""Which number format training uses, on any processor."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from training.learn import precision

CPU = torch.device("cpu")


@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        ("fpu avx2 avx512f avx512_bf16", "bfloat16"),
        ("fpu avx512f amx_tile amx_bf16", "bfloat16"),
        ("fpu avx512f avx512_vnni amx_tile", "float32"),
        ("", "float32"),
    ],
)
def test_half_the_bits_only_where_the_processor_multiplies_them(
    flags: str, expected: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Elsewhere PyTorch would convert back and forth, which is slower than float32."""
    cpuinfo = tmp_path / "cpuinfo"
    cpuinfo.write_text(f"processor\t: 0\nflags\t\t: {flags}\nbugs\t\t:\nflags\t\t: amx_bf16\n" if flags else "")
    monkeypatch.setattr(precision, "CPUINFO", cpuinfo)
    assert precision.number_format(CPU, bfloat16=True) == expected


def test_a_recipe_that_forbids_it_gets_float32_anywhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also on a processor that has the instructions; and without a list of them nothing breaks."""
    cpuinfo = tmp_path / "cpuinfo"
    cpuinfo.write_text("flags : amx_bf16\n")
    monkeypatch.setattr(precision, "CPUINFO", cpuinfo)
    assert precision.number_format(CPU, bfloat16=False) == "float32"
    monkeypatch.setattr(precision, "CPUINFO", tmp_path / "missing")
    assert precision.number_format(CPU, bfloat16=True) == "float32"
