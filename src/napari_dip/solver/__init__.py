"""One loop (`fit`), the streams that feed it (`samples`), the stages that its iterates pass, and their end."""
