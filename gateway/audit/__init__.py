"""Evidence: append-only events, write-ahead journal, hash chain, loader, verify and export."""
