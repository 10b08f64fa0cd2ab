"""What the commands print for a person: runs, versions, deployments, lineage and traces."""
