"""Images of trained methods, what measures them, and how sure a score is."""
