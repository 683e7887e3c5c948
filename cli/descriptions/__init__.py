"""Objects as pages for people: one file for each kind that has a page of its own, `fields` for all others."""
