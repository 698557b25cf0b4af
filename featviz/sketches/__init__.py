"""Sketches: drawings and pictures, sets of them, edits, and what a network sees of them."""
