"""What runs the service elsewhere. Nothing in service/ knows of it."""
