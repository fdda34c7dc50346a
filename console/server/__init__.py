"""The HTTP server and its processes: requests from their sockets to the application, and what strangers may hold."""
