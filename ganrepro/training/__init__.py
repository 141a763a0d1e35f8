"""The one training loop, which runs any method."""
