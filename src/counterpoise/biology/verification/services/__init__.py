"""The online services, one a file: what is sent, and what is read of the answer."""
