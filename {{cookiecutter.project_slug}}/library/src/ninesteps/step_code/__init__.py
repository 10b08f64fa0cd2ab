"""The code that travels to a container: a script, and the modules that it imports."""
