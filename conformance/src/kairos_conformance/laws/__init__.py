"""The laws, by the paragraphs of SEMANTICS that they hold a backend to."""
