"""A raw table into a feature group's offline store, and the query that reads it back."""
