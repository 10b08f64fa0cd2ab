"""Many checked-out repositories at once: how far behind each is, and what is open in it."""
