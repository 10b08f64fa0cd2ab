"""Reads a raw table: the kind of file, its columns, and their texts as numbers and dates."""
