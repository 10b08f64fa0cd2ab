"""Where a record was used, what was predicted for it and why, and how it is erased."""
