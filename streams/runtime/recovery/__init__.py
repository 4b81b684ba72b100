"""A task's life: batches executed, recovered after a death, executed again from the journal."""
