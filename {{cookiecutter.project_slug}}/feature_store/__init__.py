"""Raw table -> feature group (offline store)."""
