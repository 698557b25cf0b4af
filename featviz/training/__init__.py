"""Training of generators on pairs of contours and photos."""
