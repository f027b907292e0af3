"""The HTTP surface: routes, bodies, errors. No business rule lives here."""
