"""Who may: principals, the tokens that they are known by, and the audit of what was governed."""
