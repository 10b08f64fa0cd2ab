"""How two runs or versions differ: as data, which a terminal, JSON and the report's page show."""
