"""Loss terms and their weighted sums: pure functions of tensors, without weights, one value per image."""
