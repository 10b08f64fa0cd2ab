"""Reading a raw table: what a file is, its columns, and their texts as numbers and dates."""
