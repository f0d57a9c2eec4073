"""The regulator's page: files that the node serves, and that speak to its API from the browser."""
