"""One loop (`fit`), the streams that feed it (`samples`), its `stages`, and when to stop (`stopping`)."""
