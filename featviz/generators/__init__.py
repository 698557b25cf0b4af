"""Generators: their checkpoint files, and checkpoints in use."""
