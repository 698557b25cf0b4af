"""How figures look: style, files, labels."""
