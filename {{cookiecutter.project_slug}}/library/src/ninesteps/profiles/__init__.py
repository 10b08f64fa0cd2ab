"""The floors of each scenario: what a team's settings must meet."""
