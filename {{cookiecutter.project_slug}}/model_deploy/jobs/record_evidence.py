"""record_evidence."""
