"""Model versions and the decisions on them, on this machine and in an account."""
