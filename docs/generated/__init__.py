"""What of the site comes from the code, so that there is no copy to keep: `hook` puts it into the pages.

document     the OpenAPI document of a service
rest_api     a page for each resource of the REST API
tables       the tables of the store, the settings, the analyses, the errors
reference    which modules the Python reference shows
docstrings   docstrings as the reference can show them, by `extension` of what reads them
markdown     Markdown from values
"""
