"""What activation vectors and images tell: maps, groups, similarity, leakage, claims."""
