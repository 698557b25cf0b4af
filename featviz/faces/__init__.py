"""Faces: photos to landmarks, contours and training pairs."""
