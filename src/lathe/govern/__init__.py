"""Who may: principals, the tokens and issuers that they are known by, and the audit of what was governed."""
