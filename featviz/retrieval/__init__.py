"""Faces out of parts of photos: each drawn part is searched in a data base, fitted and fused.

The classic way of making photos of sketches (Chen et al. 2009, Sketch2Photo), for faces: nothing
is trained, and what is not in the data base cannot be made.
"""
