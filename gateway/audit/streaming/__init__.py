"""What leaves this installation for the operator's own records: heads and content-free events."""
