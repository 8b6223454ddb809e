"""Labels, policy documents and the decision. Pure: the standard library only, no I/O, no clock."""
