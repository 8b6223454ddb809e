"""The one path of every request: context, label, decide, permit, route, relay, settle.

Framework-free: no Django, no ORM, no Redis. What it needs of the outside stands in
`contracts.py`; `snapshot`, `usage`, `audit` and `providers` implement it.
"""
