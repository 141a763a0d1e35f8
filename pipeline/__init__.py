"""Thin entry points of the stages: parse, call, write. Nothing here computes a result."""
