"""Governance: principals, tokens, issuers, decisions by people, and the audit log."""
