"""The floors of each scenario: minimum requirements for a team's settings."""
