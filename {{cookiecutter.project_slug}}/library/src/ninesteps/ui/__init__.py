"""`pipeline ui`: runs and versions of this machine in a browser, from the files that exist."""
