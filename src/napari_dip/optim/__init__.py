"""The optimisation loop (`fit`), what happens to its iterates (`stages`), and when it ends (`stopping`)."""
