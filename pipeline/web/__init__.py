"""The console: a web page for support staff and operators, and the query API that it stands on."""
