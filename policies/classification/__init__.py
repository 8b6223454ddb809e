"""Recognizers: what a text contains. Pure: no I/O, no Django, no clock but the scan budget."""
