"""The shipped sketches: 11 groups of SVG drawings and index.csv."""
