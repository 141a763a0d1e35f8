"""What a key is made of, where things lie, and how they are written. No torch."""
