"""Where a record was used, what was said of it and why, and how it is erased."""
