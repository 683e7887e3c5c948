"""The pod specification, shared by pods and templates: its defaults, what may be wrong with it, how it may change."""
