"""What a batch leaves behind: its journal record, digests, snapshots, the log it is written to."""
