"""The evidence that the other folders produce and ask for: gate, facets, cadence."""
