"""Looking into a network: what its layers compute, and where that lies over the image."""
