"""Routes about oneself and others: tokens, sessions, issuers, the audit."""
