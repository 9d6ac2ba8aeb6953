"""A worker: a supervisor that claims, reports and prunes, and a child process that trains."""
