"""Routes for tokens, browser sessions, sign-in by an issuer, and the audit log."""
