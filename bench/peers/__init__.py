"""Our files beside models of others."""
