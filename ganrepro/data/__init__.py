"""From archives or procedure to checked, prepared images and batches."""
