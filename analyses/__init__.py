"""The figures of the study, one short script each; `python -m analyses` makes them all."""
