"""The script that composed the shipped sketches."""
