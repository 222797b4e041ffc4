"""Modules of make-lab. They use the standard library only."""
