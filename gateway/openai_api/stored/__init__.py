"""The stored objects of `/v1`: files and batches."""
