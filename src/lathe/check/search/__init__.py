"""The search: every state that a system reaches, breadth first, and what makes it smaller."""
