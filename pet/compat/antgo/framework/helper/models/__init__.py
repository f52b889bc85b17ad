"""Networks and the registries that find them."""
