"""What a person sees in the terminal of a run, a registry and a deployment."""
