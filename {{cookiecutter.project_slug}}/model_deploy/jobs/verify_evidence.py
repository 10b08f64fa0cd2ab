"""verify_evidence."""
