"""The dashboard: pictures of what is in a store, for a browser, over the analyses of a running service."""
