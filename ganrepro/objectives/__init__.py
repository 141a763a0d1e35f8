"""Loss terms and their weighted sums."""
