"""Policies in the admin API: documents, drafts, publications, exceptions, approvals, shadows.

Views read, call one service of `policies.services`, and shape what comes back. Who may do what
stands in `access` and in the services; every route has its row in the tests' table of roles.
"""
