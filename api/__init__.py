"""The HTTP face of the store: a Flask application of the TAMS 8.2 API, `app.create_app`, and the commands, `cli`."""
