"""The pieces of make-lab, one idea a module. Standard library only."""
