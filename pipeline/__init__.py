"""Thin entry points of the stages: parse, call, write."""
