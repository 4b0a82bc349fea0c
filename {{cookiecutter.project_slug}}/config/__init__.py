"""How this service is put together: routes, loops, settings and the ASGI application."""
