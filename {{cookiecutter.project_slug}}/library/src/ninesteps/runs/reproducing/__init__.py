"""Makes a registered version again from what was recorded, and compares the results."""
