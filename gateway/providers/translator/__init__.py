"""The translator: a small process that turns OpenAI's dialect into a vendor's, with litellm.

It runs apart because importing litellm costs 5 CPU-seconds and 165 MB. One call carries one
destination and one credential; nothing is kept between calls. litellm decides neither where bytes
go nor how often: `outbound` is its only way out, and `guard` refuses every other connection of the
process. INVARIANT: nothing outside of this package imports litellm.
"""
