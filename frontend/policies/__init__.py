"""The policy's pages: what is in effect in sentences, the draft, and a place to try both."""
