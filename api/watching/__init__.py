"""What an operator sees of the service while it runs: requests, logs, figures and traces."""
