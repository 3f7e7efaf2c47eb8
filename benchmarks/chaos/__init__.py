"""Chaos tests: overload, faults, hostile requests. Each promise of docs/lab/reliability.md is one check."""

from __future__ import annotations

from pillow_heif import register_heif_opener

register_heif_opener()  # so that Pillow writes every format of the contract
