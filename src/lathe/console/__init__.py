"""The web console: static files, and the same pages as markdown for agents. No build step."""
