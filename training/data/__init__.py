"""Pictures with labels, from where people keep them."""
