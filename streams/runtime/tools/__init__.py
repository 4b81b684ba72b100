"""What reads or compiles sources: the determinism lint, the code digest, generated modules."""
