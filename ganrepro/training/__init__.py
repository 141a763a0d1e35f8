"""The one training loop, and the games that are played in it."""
