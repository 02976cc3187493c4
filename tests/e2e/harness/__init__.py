"""What the end-to-end tests share: servers to start, a byte-exact RESP client, command streams."""
