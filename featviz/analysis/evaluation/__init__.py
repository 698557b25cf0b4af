"""What a generator is worth: quality on held-out pairs, edit locality, shift robustness."""
