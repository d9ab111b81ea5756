"""The agents' interface (MCP): ten tools over the HTTP API, and the guide that teaches the language.

Nothing here may do more than its caller could by HTTP: every tool is a request in the caller's name, or a
check.
"""
