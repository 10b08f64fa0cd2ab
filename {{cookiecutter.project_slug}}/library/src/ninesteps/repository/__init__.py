"""A generated repository: its root, its own modules, and which of its files are the team's."""
