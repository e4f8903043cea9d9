"""Media into a TAMS service and out of it, through its API: what `tams ingest`, `tams export` and `tams demo` do."""
