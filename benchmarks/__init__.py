"""Measurements, one script each: `python -m benchmarks.NAME`."""
