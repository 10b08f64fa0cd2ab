"""The state of many checked-out repositories: how far behind each is, and its findings."""
