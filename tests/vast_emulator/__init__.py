"""VAST Database's HTTP protocol on a port of this machine, for tests without a cluster."""
