"""MLflow as a mirror of what the pipeline does: written to, never read from by a result."""
