"""Files written whole, digests, checkpoints."""
