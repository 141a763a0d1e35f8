"""Scores of translated images on disk; never sees a trained generator."""
