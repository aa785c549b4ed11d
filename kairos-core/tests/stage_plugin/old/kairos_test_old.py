"""Nothing: only the metadata of this distribution matters."""
