"""The command line: restores image files, and says how a run can be repeated there."""
