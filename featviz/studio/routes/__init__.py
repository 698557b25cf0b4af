"""The routes of the drawing page; `docs/drawing.md` tells what they are for."""
