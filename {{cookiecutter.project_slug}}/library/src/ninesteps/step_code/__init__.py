"""Packs the code for containers: a script, and the modules that it imports."""
