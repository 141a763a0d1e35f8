"""What settings may hold: types of fields, datasets, readers, the registry of sources."""
