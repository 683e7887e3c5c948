"""Images from registries, by the OCI distribution specification: whom to ask, how, and what becomes of the answer."""
